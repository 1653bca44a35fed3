"""Any translator, for texts of more sentences than it learned from: a few sentences at a time, each
line for itself, and put together again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from foretell.tasks.examples.sentences import sentences
from foretell.tasks.examples.texts import Writes, Written, one_text

MOST_HAVE = 0.99
"""Share of the examples whose number of sentences a translator is taken to know."""


@dataclass(frozen=True)
class BySentence:
    """A writer."""

    writer: Writes
    most: int
    """Sentences that it takes together."""

    @property
    def rung(self) -> str:
        return self.writer.rung

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        lines = [_lines_of(text, self.most) for text in texts]
        pieces = [piece for text in lines for line in text for piece in line]
        written = iter(self.writer.write(pieces, alternatives=alternatives))
        found = []
        for text in lines:
            answers = [[next(written) for _ in line] for line in text]
            found.append(_joined(answers, alternatives))
        return found


def by_sentence(writer: Writes, most: int | None) -> Writes:
    """The writer itself where it is not told how many sentences it knows."""
    return writer if most is None else BySentence(writer, most)


def usual_sentences(texts: Iterable[str]) -> int:
    """That most of these have at most."""
    counts = [sum(map(len, _lines_of(text, 1))) for text in texts]
    return int(np.quantile(counts, MOST_HAVE, method="inverted_cdf"))


def _lines_of(text: str, most: int) -> list[list[str]]:
    """Of each line what is to be written together; a text of no more sentences is one piece."""
    lines = [sentences(line) if line.strip() else [] for line in one_text(text).split("\n")]
    if sum(map(len, lines)) <= most:
        return [[text]]
    return [[" ".join(line[at : at + most]) for at in range(0, len(line), most)] for line in lines]


class _Text(NamedTuple):
    """Put together from the first pieces."""

    lines: tuple[tuple[str, ...], ...]
    logprob: float | None
    behind: float
    """Nats, or places where none are known, by which its pieces lie behind the first of each."""


def _joined(lines: list[list[list[Written]]], most: int) -> list[Written]:
    """The best texts that can be made of answers to pieces: of all the first, then by how little is
    lost."""
    best = [_Text((), 0.0, 0.0)]
    for line in lines:
        best = [each._replace(lines=(*each.lines, ())) for each in best]
        for answers in line:
            grown = [
                _longer(text, place, said, answers[0])
                for text in best
                for place, said in enumerate(answers)
            ]
            best = sorted(grown, key=lambda text: text.behind)[:most]
    return [Written("\n".join(map(_line, each.lines)), each.logprob) for each in best]


def _longer(text: _Text, place: int, said: Written, first: Written) -> _Text:
    lines = (*text.lines[:-1], (*text.lines[-1], said.text))
    if text.logprob is None or said.logprob is None or first.logprob is None:
        return _Text(lines, None, text.behind + place)
    lost = max(0.0, first.logprob - said.logprob)
    return _Text(lines, text.logprob + said.logprob, text.behind + lost)


def _line(pieces: Sequence[str]) -> str:
    """With blanks between, but behind Chinese."""
    said = [piece for piece in pieces if piece]
    return "".join(
        piece + ("" if at == len(said) or _ends_chinese(piece) else " ")
        for at, piece in enumerate(said, 1)
    )


def _ends_chinese(text: str) -> bool:
    return unicodedata.east_asian_width(text[-1]) in "WF"
