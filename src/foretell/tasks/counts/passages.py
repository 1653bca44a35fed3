"""Answers that stand in a passage, among whose spans counts choose (`choosing`).

Of the sentences that share most with the question, spans that may be answers: between marks, words
of the question and numbers, or of any few words. What is known of a span (where it stands, how long
it is, its edges, how much of the question it has and is near to, and all this with each word of the
question) is weighed as n-grams are, by `weighed_counts`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import NamedTuple

from foretell.corpus.pairs import Pair
from foretell.tasks.counts.ngram_features import FACTS
from foretell.tasks.examples.texts import Part
from foretell.tasks.examples.units import Unit, units_of

SENTENCES = 5
"""In which answers are looked for, those that share most with the question."""
MOST_WORDS, MOST_CHARACTERS = 12, 80
"""Of a span; characters where they are words."""
MOST_KEYS = 16
"""Words of a question that are told with each span."""
_ENDS = frozenset("。！？!?；;\n.")
_CUTS = frozenset('，,、：:（）()《》“”"「」—-|')
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "the a an of in to is was are were did do does which and for on at by with has have had be "
        "this that it its his her their he she they from as",
    )
)
"""English words that say nothing of where an answer stands."""


class Span(NamedTuple):
    """What may be an answer."""

    rank: int
    """Of its sentence."""
    start: int
    """Its first word in the sentence."""
    end: int
    """Behind its last word."""


@dataclass(frozen=True)
class Sentence:
    """Of a passage, beside a question."""

    units: list[Unit]
    rank: int
    asked: list[bool]
    """Of each unit, whether the question has it."""

    @property
    def body(self) -> int:
        """Units without the marks that end it."""
        last = len(self.units)
        while last > 1 and self.units[last - 1].said in _ENDS:
            last -= 1
        return last

    def spans(self) -> Iterator[Span]:
        units, asked, body = self.units, self.asked, self.body
        inner = range(1, body)
        if any(unit.han for unit in units):
            starts = {0, *(at for at in inner if units[at - 1].said in _CUTS)}
            starts |= {at for at in inner if asked[at - 1] and not asked[at]}
            starts |= {at for at in inner if units[at].said[0].isdigit()}
            ends = {body, *(at for at in inner if units[at].said in _CUTS)}
            ends |= {at for at in inner if asked[at] and not asked[at - 1]}
            most = MOST_CHARACTERS
        else:
            starts, ends, most = set(range(body)), set(range(1, body + 1)), MOST_WORDS
        for start in sorted(starts):
            for end in sorted(ends):
                if 0 < end - start <= most:
                    yield Span(self.rank, start, end)

    def told(self, span: Span, keys: Sequence[str], passage: str) -> str:
        """What is known of a span, for counts to read."""
        units, (_, start, end) = self.units, span
        said = [unit.said for unit in units[start:end]]
        before = units[start - 1].said if start else "^"
        behind = units[end].said if end < len(units) else "$"
        long = f"L{_step(len(said), 2, 3, 5, 8, 12, 18, 26, 40, 60)}"
        numbers = _step(sum(word[0].isdigit() for word in said) / len(said), 0.01, 0.25, 0.5)
        shared = f"o{_step(sum(self.asked[start:end]) / len(said), 0.01, 0.2, 0.4, 0.6, 0.8)}"
        edges = f"e{self._edge(start - 1)}{self._edge(end)}"
        name = f"c{passage[units[start].start].isupper()}"
        alone = [
            *(f"r{span.rank}", long, shared, f"d{numbers}", edges, f"n{self._far(start, end)}"),
            *(f"{edges}{shared}", f"r{span.rank}{shared}", f"{long}{shared}", f"{name}{long}"),
            *(f"a={said[0]}", f"z={said[-1]}", f"b={before}", f"t={behind}"),
            *(f"aa={'_'.join(said[:2])}", f"zz={'_'.join(said[-2:])}"),
        ]
        with_keys = (long, f"d{numbers}", shared, edges, name, f"a={said[0]}", f"z={said[-1]}")
        both = (f"{key}{fact}" for key in keys for fact in (*with_keys, f"b={before}"))
        return " ".join([*alone, *both]) + FACTS

    def _edge(self, at: int) -> str:
        """What stands there: an end of the sentence, the question's words, a mark, or other."""
        if not 0 <= at < self.body:
            return "E"
        if self.asked[at]:
            return "Q"
        return "M" if self.units[at].said in _CUTS else "o"

    def _far(self, start: int, end: int) -> int:
        """How far from the question's words, in steps."""
        outside = [at for at, is_so in enumerate(self.asked) if is_so and not start <= at < end]
        nearest = min((min(abs(at - start), abs(at - end + 1)) for at in outside), default=99)
        return _step(nearest, 1, 2, 3, 5, 8, 16, 30)


def _step(value: float, *edges: float) -> int:
    return sum(value >= edge for edge in edges)


def _matters(units: Sequence[Unit]) -> list[tuple[int, str]]:
    """What is looked for of a question: words with their places, of Chinese pairs of characters."""
    found = []
    for at, unit in enumerate(units):
        if unit.han:
            if at + 1 < len(units) and units[at + 1].han:
                found.append((at, unit.said + units[at + 1].said))
        elif unit.said.isalnum() and unit.said not in _COMMON:
            found.append((at, unit.said))
    return found


def sentences_beside(passage: str, question: Sequence[Unit]) -> list[Sentence]:
    """Those of a passage that share most with a question, the rarer the more."""
    cut: list[list[Unit]] = [[]]
    for unit in units_of(passage):
        cut[-1].append(unit)
        # A full stop inside of a name or number is followed by no blank.
        inside = unit.said == "." and not passage[unit.end : unit.end + 1].isspace()
        if unit.said in _ENDS and not inside:
            cut.append([])
    rows = [row for row in cut if row]
    asked = {gram for _, gram in _matters(question)}
    grams = [{gram for _, gram in _matters(row)} for row in rows]
    counts = Counter(gram for each in grams for gram in each)
    scores = [sum(log(1 + len(rows) / counts[gram]) for gram in each & asked) for each in grams]
    best = sorted(range(len(rows)), key=lambda at: -scores[at])[:SENTENCES]
    return [Sentence(rows[at], rank, _asked(rows[at], asked)) for rank, at in enumerate(best)]


def _asked(units: Sequence[Unit], asked: set[str]) -> list[bool]:
    found = [False] * len(units)
    for at, gram in _matters(units):
        if gram in asked:
            found[at] = True
            if units[at].han:
                found[at + 1] = True
    return found


def _keys(question: Sequence[Unit]) -> list[str]:
    words = [unit.said for unit in question if not unit.han and unit.said.isalpha()]
    pairs = [a.said + b.said for a, b in pairwise(question) if a.han]
    first = "_".join(unit.said for unit in question[:2])
    return [f"q{key}" for key in (*[*words, *pairs][:MOST_KEYS], first)]


def parts_of(text: str) -> list[Part]:
    """Spans of a passage; a text is question and passage."""
    asked, passage = Pair.of(text)
    question = units_of(asked)
    keys, found = _keys(question), []
    for sentence in sentences_beside(passage, question):
        for span in sentence.spans():
            start, end = sentence.units[span.start].start, sentence.units[span.end - 1].end
            told = sentence.told(span, keys, passage)
            found.append(Part(passage[start:end], told, start))
    return found
