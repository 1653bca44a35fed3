"""What was said in this text so far foretells what is said next: a cache, and nothing else.

    text      t h e   c a t   s a t .   t h e  ?
    order 4                       matched |t h e|   once before, with a blank after it
    order 1   every token of the text, the recent ones weighing more (decay)

    P_1 = (decayed count + hold / V) / (decayed counts + hold)
    P_n = (count + hold x P_n-1)     / (counts + hold)             of what followed the last n-1

Facts: it learns nothing from any other text, so it can be a part of any mixture, and its weight
there says how much texts repeat themselves. Beneath it lies an even distribution and no other
model: in a mixture the other parts know better already, and would be read twice. A token is
foretold before it is counted; a boundary ends the text, and all of it is forgotten.

Source: Kuhn & De Mori 1990; Clarkson & Robinson 1997 for the decay; Jelinek et al. 1991 for
trigrams in the cache.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import (
    Lengths,
    Step,
    Tokens,
    check_keep,
    full_lengths,
    score_by_documents,
)
from foretell.contracts.tokenizer import Tokenizer
from foretell.threads import in_threads
from foretell.tokenizers import load_tokenizer

Ids = NDArray[np.int32]
BLOCK = 1024
"""Places that a thread foretells in one go."""


@dataclass(frozen=True)
class RecentSettings:
    order: int = 5
    """Tokens in the longest n-gram looked for, the foretold one included."""
    reach: int = 4096
    """Tokens that are remembered; the cost of a token grows with it."""
    decay: float = 0.995
    """What the weight of a unigram is multiplied by with each token after it."""
    hold: float = 1.0
    """Occurrences that a lower order is worth."""

    def __post_init__(self) -> None:
        if self.order < 1 or self.reach < 1 or not 0 < self.decay <= 1 or not self.hold > 0:
            raise ForetellError(
                f"{self} is no cache: order and reach must be 1 or more, decay above 0 and at "
                "most 1, hold above 0"
            )


@dataclass(frozen=True)
class RecentState:
    """lengths (B,) read; texts: for each row its tokens (T,) since the last boundary, as many as
    are remembered."""

    lengths: Lengths
    texts: tuple[Ids, ...]

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> RecentState:
        rows = np.asarray(rows, np.int64)
        return RecentState(self.lengths[rows], tuple(self.texts[row] for row in rows.tolist()))

    def join(self, other: RecentState) -> RecentState:
        return RecentState(np.concatenate([self.lengths, other.lengths]), self.texts + other.texts)


class RecentText:
    """A cache of the text being read, as a language model.

    Good: Mixture([kneser_ney, RecentText(kneser_ney.tokenizer)], [0.9, 0.1])
    Bad:  RecentText(tokenizer, RecentSettings(hold=0))
    """

    family = "recent"
    context: int | None = None

    def __init__(self, tokenizer: Tokenizer, settings: RecentSettings | None = None) -> None:
        self.tokenizer = tokenizer
        self.settings = settings or RecentSettings()
        self._weights = self.settings.decay ** np.arange(self.settings.reach, dtype=np.float64)

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        read = 0 if mid_text else 1
        size = self.tokenizer.vocabulary_size
        even = np.full((rows, read, size), -np.log(size), np.float32)
        nothing = np.zeros(0, np.int32)
        return Step(even, RecentState(np.full(rows, read, np.int32), (nothing,) * rows))

    def advance(
        self, state: RecentState, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        tokens = np.asarray(tokens, np.int32)
        lengths = full_lengths(tokens, lengths)
        check_keep(lengths, keep)
        size = self.tokenizer.vocabulary_size
        out = np.empty((len(tokens), keep, size), np.float32)
        texts = []
        for row, (past, length) in enumerate(zip(state.texts, lengths.tolist(), strict=True)):
            line = np.concatenate([past, tokens[row, :length]])
            starts = self._starts(line)
            for place in range(keep):
                end = len(line) - keep + 1 + place
                _spread(
                    line[starts[end] : end], self._weights, self._order, self._hold, out[row, place]
                )
            kept = line[starts[len(line)] :]
            texts.append(kept[max(0, len(kept) - self.settings.reach) :].copy())
        return Step(out, RecentState((state.lengths + lengths).astype(np.int32), tuple(texts)))

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        return score_by_documents(self, tokens, lengths=lengths)

    def score_documents(self, documents: Sequence[NDArray[np.int32]]) -> list[NDArray[np.float32]]:
        """ln P of each token (T,) of each document, without V numbers for any."""
        ends = np.cumsum([0, *map(len, documents)])
        out = np.empty(ends[-1], np.float32)
        lines = [np.ascontiguousarray(document, np.int32) for document in documents]
        starts = [self._starts(line) for line in lines]
        size = self.tokenizer.vocabulary_size

        def work(index: int, low: int) -> None:
            into = out[ends[index] + low : min(ends[index] + low + BLOCK, ends[index + 1])]
            _score(
                lines[index], starts[index], low, self._weights, self._order, self._hold, size, into
            )

        in_threads(
            work,
            ((i, low) for i, line in enumerate(lines) for low in range(0, len(line), BLOCK)),
        )
        return [out[low:high].copy() for low, high in pairwise(ends.tolist())]

    def save(self, folder: Path) -> None:
        self.tokenizer.save(folder)
        content = {
            "order": self._order,
            "reach": self.settings.reach,
            "decay": self.settings.decay,
            "hold": self._hold,
        }
        (folder / "recent.json").write_text(json.dumps(content, indent=1) + "\n")

    @property
    def _order(self) -> int:
        return self.settings.order

    @property
    def _hold(self) -> float:
        return self.settings.hold

    def _starts(self, line: Ids) -> NDArray[np.int64]:
        """Where the text that stands before each place of line (W,) begins, and that before its
        end, (W + 1,): after the last boundary."""
        size = self.tokenizer.vocabulary_size
        if len(line) and (line.min() < 0 or line.max() >= size):
            raise ValueError(
                f"a token is not in 0 ... {size - 1}; encode with this model's tokenizer"
            )
        after = np.where(line == self.tokenizer.boundary, np.arange(1, len(line) + 1), 0)
        return np.concatenate([[0], np.maximum.accumulate(after)]).astype(np.int64)


def load(folder: Path) -> RecentText:
    """The model of a folder that `save` wrote."""
    said = json.loads((folder / "recent.json").read_text("utf-8"))
    return RecentText(load_tokenizer(folder), RecentSettings(**said))


@njit(nogil=True, cache=True, inline="always")
def _matched(text, at, most):  # type: ignore[no-untyped-def]
    """Tokens, at most `most`, that stand both before place `at` of text (T,) and at its end."""
    length = 0
    size = len(text)
    while length < most and length < at and text[at - 1 - length] == text[size - 1 - length]:
        length += 1
    return length


@njit(nogil=True, cache=True)
def _score(line, starts, first, weights, order, hold, size, out):  # type: ignore[no-untyped-def]
    """Into out (M,), ln P of the tokens of line (W,) from `first` on."""
    hits, totals = np.zeros(order, np.float64), np.zeros(order, np.float64)
    for place in range(len(out)):
        end = first + place
        text = line[max(starts[end], end - len(weights)) : end]
        target = line[end]
        hits[:] = 0
        totals[:] = 0
        for at in range(len(text)):
            weight = weights[len(text) - 1 - at]
            same = text[at] == target
            totals[0] += weight
            if same:
                hits[0] += weight
            for n in range(_matched(text, at, order - 1)):
                totals[n + 1] += 1
                if same:
                    hits[n + 1] += 1
        chance = 1.0 / size
        for n in range(order):
            chance = (hits[n] + hold * chance) / (totals[n] + hold)
        out[place] = np.log(chance)


@njit(nogil=True, cache=True)
def _spread(text, weights, order, hold, out):  # type: ignore[no-untyped-def]
    """Into out (V,), ln P of every token after text (T,), from its last part that is remembered."""
    size = len(out)
    text = text[max(0, len(text) - len(weights)) :]
    chances = np.full(size, 1.0 / size)
    hits, lengths = np.zeros(size, np.float64), np.empty(len(text), np.int64)
    for at in range(len(text)):
        lengths[at] = _matched(text, at, order - 1)
    for n in range(order):
        total = 0.0
        hits[:] = 0
        for at in range(len(text)):
            if lengths[at] >= n:
                weight = weights[len(text) - 1 - at] if n == 0 else 1.0
                hits[text[at]] += weight
                total += weight
        if total > 0:
            for token in range(size):
                chances[token] = (hits[token] + hold * chances[token]) / (total + hold)
    for token in range(size):
        out[token] = np.log(chances[token])
