"""The floor of summaries: sentences that stand in the text.

lead     the first sentence
count    the sentence that is most like those that were good summaries of other texts: counts of
         n-grams of good and of other sentences, weighed (`weighed_counts`), and the place it has
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from foretell.tasks.examples import Example
from foretell.tasks.text_measures import Scale
from foretell.tasks.texts import TextExample, Written
from foretell.tasks.weighed_counts import WeighedCounts
from foretell.tasks.weighed_counts import learn as learn_counts

GOOD, OTHER = "good", "other"
PLACES = 8
"""Sentences from the beginning whose place is told; the others are late."""


def sentences(text: str) -> list[str]:
    """In order: cut at newlines, and behind what ends a sentence."""
    found = []
    for line in text.split("\n"):
        parts = re.split(r"(?<=[。！？!?；;])|(?<=\.)\s+(?=[A-Z\"“(\[])", line)
        found += [part.strip() for part in parts if part.strip()]
    return found or [text.strip()]


@dataclass(frozen=True)
class Lead:
    """A writer."""

    rung = "lead"

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        return [[Written(each, None) for each in sentences(text)[:alternatives]] for text in texts]

    @property
    def facts(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Path) -> None:
        """There is nothing to it."""


@dataclass(frozen=True)
class Extract:
    """A writer."""

    counts: WeighedCounts

    rung = "count"

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        found = []
        for text in texts:
            parts = sentences(text)
            said = self.counts.predict(
                [told(part, at, len(parts)) for at, part in enumerate(parts)]
            )
            good = [each.probabilities[GOOD] for each in said]
            best = np.argsort(-np.array(good), kind="stable")[:alternatives]
            found.append([Written(parts[at], None) for at in best])
        return found

    @property
    def facts(self) -> dict[str, Any]:
        return {"labels": [GOOD, OTHER]}

    def save(self, folder: Path) -> None:
        self.counts.save(folder)


def told(sentence: str, place: int, count: int) -> str:
    """A sentence with the place it has, for counts to read."""
    from_end = count - 1 - place
    first = f"first{place}" if place < PLACES else "late"
    last = f"last{from_end}" if from_end < PLACES else "early"
    return f"{first} {last} {sentence}"


def learn(
    examples: Sequence[TextExample], dev: Sequence[TextExample], scale: Scale
) -> Extract | None:
    """From the sentence of each text that the scale likes best; None if texts are of one."""
    learned, kept = _labelled(examples, scale), _labelled(dev, scale)
    if {each.label for each in learned} != {GOOD, OTHER} or len(kept) < len("ab"):
        return None
    return Extract(learn_counts(learned, kept, (GOOD, OTHER))[0])


def _labelled(examples: Sequence[TextExample], scale: Scale) -> list[Example]:
    found = []
    for each in examples:
        parts = sentences(each.text)
        figures = scale.rows([each.targets] * len(parts), parts)[:, 0]
        best = int(figures.argmax())
        for at, part in enumerate(parts):
            label = GOOD if at == best else OTHER
            found.append(Example(told(part, at, len(parts)), label, each.place))
    return found


def load(folder: Path, facts: dict[str, Any]) -> Extract:
    return Extract(WeighedCounts.load(folder, facts))
