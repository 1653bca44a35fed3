"""The floor of summaries: parts that stand in the text.

lead     the first sentence
count    the part that is most like those that were good summaries of other texts: a sentence, or
         where words are characters, as in Chinese, a clause from some character on. Counts of
         n-grams of good and of other parts, weighed (`weighed_counts`), and beside what a part
         says: where it stands, how long it is, what stands around it, how often its words recur.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from foretell.tasks.examples import Example
from foretell.tasks.text_measures import Scale, Words, mostly_han
from foretell.tasks.texts import TextExample, Written
from foretell.tasks.weighed_counts import WeighedCounts
from foretell.tasks.weighed_counts import learn as learn_counts

GOOD, OTHER = "good", "other"
PLACES = 8
"""From either end of a text that are told apart."""
LATEST, SHORTEST = 13, 5
"""Character of a clause at which a part may begin at last, and characters of the shortest part."""
NEARLY, CLEARLY = 0.95, 0.8
"""Of the best figure of a text: from what share on a part is good, and up to what it is not."""
MOST_GOOD, MOST_OTHERS = 5, 15
"""Parts of a text that are learned from."""
_STOPS = "。！？!?；;"
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
# A full stop ends a Chinese sentence too, and an English one where a capital follows.
_SENTENCE = re.compile(
    rf"(?<=[{_STOPS}])|(?<=[{_HAN})）]\.)|(?<=\.)(?=[{_HAN}])|(?<=[.!?][\"”’)])\s+(?=[A-Z])"
    r"|(?<=\.)\s+(?=[A-Z\"“(\[])"
)
_CLAUSE = re.compile(rf"(?<=[{_STOPS},，:：])|(?<=[{_HAN})）]\.)")
_MARKS = f"{_STOPS},，:：. "


def sentences(text: str) -> list[str]:
    """In order: cut at newlines, and behind what ends a sentence."""
    return _cut(_SENTENCE, text) or [text.strip()]


def _cut(where: re.Pattern[str], text: str) -> list[str]:
    parts = (part.strip() for line in text.split("\n") for part in where.split(line))
    return [part for part in parts if part.strip(_MARKS)]


class Part(NamedTuple):
    """Of a text."""

    said: str
    told: str
    """It and what is known of it, for counts to read."""


def parts_of(text: str) -> list[Part]:
    """All that may be its summary; at least one."""
    words = Words().tokenize(text)
    alone, pairs = Counter(words), Counter(pairwise(words))
    if not mostly_han([(text,)]):
        found = sentences(text)
        return [
            Part(x, _tell(x, at, len(found), "", "", alone, pairs)) for at, x in enumerate(found)
        ]
    clauses = _cut(_CLAUSE, text)
    parts = []
    for at, clause in enumerate(clauses):
        body = clause.rstrip(_MARKS)
        for start in range(max(1, min(LATEST + 1, len(body) - SHORTEST + 1))):
            around = body[max(0, start - 2) : start] or "start", clause[len(body) :] or "no"
            told = _tell(body[start:], at, len(clauses), *around, alone, pairs)
            parts.append(Part(body[start:], told))
    return parts or [Part(text.strip(), text)]


def _tell(
    said: str,
    place: int,
    count: int,
    before: str,
    behind: str,
    alone: Counter[str],
    pairs: Counter[tuple[str, str]],
) -> str:
    words = Words().tokenize(said)
    two = list(pairwise(words))
    recur = _steps(sum(alone[word] for word in words), len(words))
    recur_two = _steps(sum(pairs[pair] for pair in two), len(two))
    known = [f"f{min(place, PLACES)}", f"l{min(count - 1 - place, PLACES)}"]
    known += [f"n{min(PLACES, len(words) // 3)}", f"r{recur}", f"q{recur_two}"]
    if before:
        known += [f"b{before}", f"b{before[-1]}", f"e{behind}"]
    return " ".join([*known, said])


def _steps(total: int, count: int) -> int:
    """How much the mean is, in half octaves."""
    return int(2 * log2(total / count)) if count and total else -1


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
            parts = parts_of(text)
            said = self.counts.predict([part.told for part in parts])
            good = np.array([each.probabilities[GOOD] for each in said])
            best = np.argsort(-good, kind="stable")[:alternatives]
            found.append([Written(parts[at].said, None) for at in best])
        return found

    @property
    def facts(self) -> dict[str, Any]:
        return {"labels": [GOOD, OTHER]}

    def save(self, folder: Path) -> None:
        self.counts.save(folder)


def learn(
    examples: Sequence[TextExample], dev: Sequence[TextExample], scale: Scale, *, seed: int
) -> Extract | None:
    """From the parts of each text that the scale likes best, and others; None if texts have no
    parts. seed: of which others."""
    chance = np.random.default_rng(seed)
    learned, kept = (_labelled(each, scale, chance) for each in (examples, dev))
    if any({example.label for example in each} != {GOOD, OTHER} for each in (learned, kept)):
        return None
    return Extract(learn_counts(learned, kept, (GOOD, OTHER))[0])


def _labelled(
    examples: Sequence[TextExample], scale: Scale, chance: np.random.Generator
) -> list[Example]:
    found = []
    for each in examples:
        parts = parts_of(each.text)
        figures = scale.rows([each.targets] * len(parts), [part.said for part in parts])[:, 0]
        for label, is_so, most in (
            (GOOD, figures >= NEARLY * figures.max(), MOST_GOOD),
            (OTHER, figures < CLEARLY * figures.max(), MOST_OTHERS),
        ):
            drawn = chance.permutation(np.flatnonzero(is_so))[:most]
            found += [Example(parts[at].told, label, each.place) for at in sorted(drawn)]
    return found


def load(folder: Path, facts: dict[str, Any]) -> Extract:
    return Extract(WeighedCounts.load(folder, facts))
