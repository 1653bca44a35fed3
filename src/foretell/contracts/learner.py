"""How models come from text. Counting and descent differ in what a batch is and what an update
does, nothing else; `training.fit` is the only loop.

    feed(texts) once;  for each pass: for each batch of batches(pass): update;  end_pass
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.tokenizer import Tokenizer


class Progress(NamedTuple):
    """What one update saw."""

    nats: float
    tokens: int


@dataclass(frozen=True)
class Budget:
    """When to stop, whichever comes first; None does not bound.

    Good: Budget.parse("5m"), Budget.parse("3 passes"), Budget.parse("2M tokens")
    Bad:  Budget.parse("5")
    """

    seconds: float | None = None
    tokens: int | None = None
    passes: int | None = None

    @staticmethod
    def parse(text: str) -> Budget:
        """`90s`, `5m`, `2h`; `3 passes`; `500k tokens`. Raises ForetellError."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|passes|pass|[kMG]?\s*tokens)\s*", text)
        if match is None or float(match[1]) <= 0:
            raise ForetellError(
                f"cannot read the budget {text!r}; write 90s, 5m, 2h, '3 passes' or '500k tokens'"
            )
        number, unit = float(match[1]), match[2].replace(" ", "")
        if unit in ("s", "m", "h"):
            return Budget(seconds=number * {"s": 1, "m": 60, "h": 3600}[unit])
        if unit.startswith("pass"):
            return Budget(passes=max(1, round(number)))
        scale = {"t": 1, "k": 1e3, "M": 1e6, "G": 1e9}[unit[0]]
        return Budget(tokens=round(number * scale))

    def spent(self, *, seconds: float, tokens: int, passes: float) -> float:
        """Share of the budget used, 0 to 1."""
        shares = [
            used / whole
            for used, whole in (
                (seconds, self.seconds),
                (tokens, self.tokens),
                (passes, self.passes),
            )
            if whole
        ]
        return min(1.0, max(shares, default=0.0))


class Teachable(Protocol):
    """What learns from texts, one update at a time, and can be put down and taken up again.

    Everything random is keyed by (seed, pass, update), so that a learner restored from `save`
    goes on exactly as it would have.
    """

    @property
    def recipe(self) -> str:
        """All that decides what it learns from a text; a checkpoint of another one is refused."""
        ...

    def feed(self, texts: Sequence[str]) -> None:
        """Take the training texts, before the first update. Reads; learns nothing."""
        ...

    def batches(self, pass_number: int) -> Iterable[Any]:
        """The batches of one pass, in an order that depends on the pass number alone. They are
        held together, unless they are a `training.fit.LazyBatches`."""
        ...

    def update(self, batch: Any, *, spent: float) -> Progress:
        """Learn from one batch. spent: share of the whole budget used so far, for schedules."""
        ...

    def end_pass(self) -> None: ...

    def save(self, folder: Path) -> None:
        """Write all that `restore` needs into a folder that exists. Of several processes that
        train together all make the call."""
        ...

    def restore(self, folder: Path) -> None: ...


@runtime_checkable
class Learner(Teachable, Protocol):
    """What turns text into a language model."""

    tokenizer: Tokenizer

    def model(self) -> LanguageModel:
        """The model as it stands; valid until the next update."""
        ...
