"""The floor of summaries: parts that stand in the text.

lead     the first sentence
count    the part that is most like those that were good summaries of other texts (`choosing`): a
         sentence, or where words are characters, as in Chinese, a clause from some character on.
         Told is beside what a part says where it stands, how long it is, what stands around it, and
         how often its words recur.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import Any

from foretell.tasks.examples.sentences import MARKS, clauses_of, sentences
from foretell.tasks.examples.texts import Part, Written
from foretell.tasks.examples.words import Words, mostly_han

PLACES = 8
"""From either end of a text that are told apart."""
LATEST, SHORTEST = 13, 5
"""Character of a clause at which a part may begin at last, and characters of the shortest part."""


def parts_of(text: str) -> list[Part]:
    """All that may be its summary; at least one."""
    words = Words().tokenize(text)
    alone, pairs = Counter(words), Counter(pairwise(words))
    if not mostly_han([(text,)]):
        found = sentences(text)
        return [
            Part(x, _tell(x, at, len(found), "", "", alone, pairs)) for at, x in enumerate(found)
        ]
    clauses = clauses_of(text)
    parts = []
    for at, clause in enumerate(clauses):
        body = clause.rstrip(MARKS)
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
