"""What an application is: something that answers, and says how likely every allowed answer is.

answer = predictor.predict(["What a film!"])[0]
answer.value, answer.probabilities["positive"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable


class Label(NamedTuple):
    """One of a fixed set of answers."""

    value: str
    """The likeliest."""
    probabilities: Mapping[str, float]
    """Of every allowed label; they add up to one."""


class LabelPredictor(Protocol):
    """Answers texts with labels. A text gets the same answer whatever stands beside it."""

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def rung(self) -> str: ...

    def predict(self, texts: Sequence[str]) -> list[Label]: ...


class LearnedPredictor(LabelPredictor, Protocol):
    """One that can be put on a disk."""

    @property
    def facts(self) -> dict[str, Any]:
        """What `tasks.load` needs to know beside rung, labels and what `save` writes."""
        ...

    def save(self, folder: Path) -> None:
        """Write the rest of it into a folder that exists."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A predictor that knows itself which words decided."""

    def explain(self, text: str) -> list[tuple[str, float]]:
        """The words of a text, each with nats for the answer against the next likely label."""
        ...
