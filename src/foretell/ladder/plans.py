"""What would be done, before anything is: the lines of a dry run."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from foretell.contracts.tokenizer import Tokenizer
from foretell.training.recipes import COUNTING, Scope, estimate_needs

COUNTING_MEMORY = 60
"""Bytes for each byte of text at order 5: tokens of all orders, sorted."""


@dataclass(frozen=True)
class PlannedRung:
    """One line of a dry run."""

    name: str
    parameters: int | None
    seconds: float | None
    """None: as long as one pass takes, usually seconds."""
    memory: int | None
    """Bytes while it learns, an estimate."""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def as_row(self) -> tuple[str, str, str, str]:
        return (
            self.name,
            "" if self.parameters is None else f"{self.parameters / 1e6:.2f}M",
            "one pass" if self.seconds is None else f"{self.seconds:.0f} s",
            "" if self.memory is None else f"{self.memory / 1e6:,.0f} MB",
        )


def plan_rung(
    name: str,
    family: str,
    tokenizer: Tokenizer,
    scope: Scope,
    seconds: float | None,
) -> PlannedRung:
    """The line of one rung, without training it."""
    if family in COUNTING:
        return PlannedRung(name, None, None, COUNTING_MEMORY * scope.bytes)
    needs = estimate_needs(family, tokenizer, scope)
    return PlannedRung(name, needs.parameters, seconds, needs.memory)
