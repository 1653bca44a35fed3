"""What networks make of sentences, before they decide: how likely each word is to be a predicate,
and of each predicate how likely the tags of all words are. One decides alone, or several together:

    ln P = w1 ln P1 + w2 ln P2 + ... - ln Z

Shapes: T words, K tags.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from foretell import tasks
from foretell.tasks.counts.tag_counts import as_tagging
from foretell.tasks.examples.frames import Frame
from foretell.tasks.examples.spans import Matches, Span, allowed, f1

Floats = NDArray[np.float64]
SHARES = np.linspace(0, 1, 11)
"""Weights that are tried."""


class Heard(NamedTuple):
    """Of a sentence, or of as many of its words as are read."""

    odds: Floats
    """(T,) ln P(predicate) / P(none)."""
    marks: tuple[int, ...]
    """Words whose roles were asked for, but for those that are not read."""
    frames: tuple[Floats, ...]
    """(T, K) ln P of the tags for each."""

    @property
    def predicates(self) -> list[int]:
        found: list[int] = np.flatnonzero(self.odds > 0).tolist()
        return found


class Decides(ABC):
    """A predictor of frames by what it hears."""

    rung: str

    @property
    @abstractmethod
    def tags(self) -> Sequence[str]: ...

    @abstractmethod
    def hear(self, texts: Sequence[Sequence[str]], marks: Sequence[Sequence[int]]) -> list[Heard]:
        """marks: words of each text whose roles are asked for."""

    def find(self, texts: Sequence[Sequence[str]]) -> list[list[int]]:
        return [each.predicates for each in self.hear(texts, [()] * len(texts))]

    def label(
        self, texts: Sequence[Sequence[str]], predicates: Sequence[Sequence[int]]
    ) -> list[list[Frame]]:
        return decide(texts, predicates, self.hear(texts, predicates), self.tags)


def decide(
    texts: Sequence[Sequence[str]],
    predicates: Sequence[Sequence[int]],
    heard: Sequence[Heard],
    tags: Sequence[str],
) -> list[list[Frame]]:
    """The likeliest tags that may follow each other."""
    may, found = allowed(tags), []
    for words, marks, each in zip(texts, predicates, heard, strict=True):
        # Of words after those that are read, nothing is known.
        frames = {mark: Frame(mark, "", ()) for mark in marks}
        for mark, logprobs in zip(each.marks, each.frames, strict=True):
            said = as_tagging(words, tags, logprobs, may, None)
            frames[mark] = Frame(mark, "", said.spans, said.sure)
        found.append([frames[mark] for mark in marks])
    return found


@dataclass(frozen=True)
class FramesTogether(Decides):
    """Several that know the same tags, as one."""

    parts: tuple[Decides, ...]
    weights: tuple[float, ...]

    rung = tasks.TOGETHER

    @property
    def tags(self) -> Sequence[str]:
        return self.parts[0].tags

    def hear(self, texts: Sequence[Sequence[str]], marks: Sequence[Sequence[int]]) -> list[Heard]:
        each = [part.hear(texts, marks) for part in self.parts]
        return [_pool(of, self.weights) for of in zip(*each, strict=True)]


def _pool(heard: Sequence[Heard], weights: Sequence[float]) -> Heard:
    """As many words as all have read."""
    shortest = min(heard, key=lambda each: len(each.odds))
    count, marks = len(shortest.odds), shortest.marks
    odds = sum(w * each.odds[:count] for w, each in zip(weights, heard, strict=True))
    frames = []
    for mark in marks:
        parts = [each.frames[each.marks.index(mark)][:count] for each in heard]
        frames.append(
            log_softmax(sum(w * part for w, part in zip(weights, parts, strict=True)), axis=1)
        )
    return Heard(np.asarray(odds), marks, tuple(frames))


def weigh(
    one: Decides,
    other: Decides,
    texts: Sequence[Sequence[str]],
    marks: Sequence[Sequence[int]],
    gold: Sequence[Sequence[Sequence[Span]]],
) -> FramesTogether:
    """Both, by how many of the roles are then right of predicates (marks) that are known. gold: the
    roles of each."""
    heard = [part.hear(texts, marks) for part in (one, other)]

    def right(share: float) -> float:
        pooled = [_pool(of, (1 - share, share)) for of in zip(*heard, strict=True)]
        said = decide(texts, marks, pooled, one.tags)
        return f1(
            [
                Matches.of(spans, frame.args)
                for of, frames in zip(gold, said, strict=True)
                for spans, frame in zip(of, frames, strict=True)
            ]
        )

    best = float(max(SHARES, key=right))
    return FramesTogether((one, other), (1 - best, best))
