"""What would be done, before anything is: the lines of a dry run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from re import fullmatch

from foretell.contracts.errors import ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.evaluation.forecast import write_count
from foretell.footprint import free_memory
from foretell.training.recipes import COUNTING, TRANSFORMERS, Scope, estimate_needs

COUNTING_MEMORY = 60
"""Bytes for each byte of text at order 5: tokens of all orders, sorted."""
COUNTS = {"G": 1e9, "M": 1e6, "k": 1e3, "": 1.0}
SMALLEST = 10_000
"""Parameters of a network that is worth training."""


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


def refuse_too_large(family: str, tokenizer: Tokenizer, scope: Scope, *, networks: int = 1) -> None:
    """Raises ForetellError if memory does not hold the training of so many networks side by side,
    and says what it would hold: fewer rows at once, else fewer parameters."""
    needs = estimate_needs(family, tokenizer, scope)
    needed, free = needs.memory * networks, free_memory()
    if needed <= free:
        return
    smaller: list[tuple[str, Scope]] = []
    rows, size = needs.rows, needs.inner
    while rows > 1:
        rows //= 2
        smaller.append((f"--rows-at-once {rows}", replace(scope, rows_at_once=rows)))
    while family in TRANSFORMERS and size > SMALLEST:
        size //= 2
        said = write_count(size)
        fewer = replace(scope, parameters=read_count("--parameters", said))
        smaller.append((f"--parameters {said}", fewer))
    fits = (
        f"{said} fits"
        for said, each in smaller
        if estimate_needs(family, tokenizer, each).memory * networks <= free
    )
    advice = next(fits, "close other programs, or give a smaller vocabulary")
    raise ForetellError(
        f"training this {family} takes about {needed / 1e9:.1f} GB of memory, and "
        f"{free / 1e9:.1f} GB are free; {advice}"
    )


def read_count(option: str, text: str) -> int:
    """`4M`, `500k`, `250000`. Raises ForetellError that names the option."""
    match = fullmatch(r"(\d+(?:\.\d+)?)\s*([kMG]?)", text.strip())
    count = float(match[1]) * COUNTS[match[2]] if match else 0
    if count < 1:
        raise ForetellError(f"cannot read {option} {text!r}; write a number such as 4M or 500k")
    return round(count)
