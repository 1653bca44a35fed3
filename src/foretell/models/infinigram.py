"""The infinity-gram as a language model: the longest past that an index knows, foretold from there.

    read        B  t h e   c a t   s a          B the boundary, which stands for the text's start
    the index         ... h e   c a t   s a t | h e   c a t   s a i d | ...
    matched              |h e   c a t   s a|    the longest suffix that goes on somewhere there
    foretold    own x { t 1/2, i 1/2 }  +  (1 - own) x P(w | what was read) of the model beneath

Facts: mass is proper, since the model beneath gives every token some; `own` depends on the match
alone, never on what comes next; what stands before a match can be forgotten, because the match
after the next token lies within it, so a state is the match and the state beneath.

Source: Liu et al. 2024, Infini-gram; Jelinek & Mercer 1980 for the sum.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import (
    LanguageModel,
    Lengths,
    Parametric,
    Signals,
    State,
    Step,
    Tokens,
    check_keep,
    full_lengths,
    score_by_documents,
    score_documents,
)
from foretell.corpus.index import Index, Match, Searchable, open_index
from foretell.corpus.suffix_search import find_range
from foretell.models.grid import Grid, pick, read_grid
from foretell.threads import in_threads

LONGEST = 64
BEYOND = 7
"""Shorter matches are better left to a 5-gram; docs/decisions/infinity-gram.md."""
BLOCK = 4096
"""Tokens that a thread matches in one go."""
Ids = NDArray[np.int32]


class Matches(NamedTuple):
    """At each of some places, the longest match and its range in the sorted places."""

    lengths: Ids
    lows: NDArray[np.int64]
    highs: NDArray[np.int64]

    def at(self, where: Any) -> Matches:
        """Those of some places; where: as an array is indexed."""
        return Matches(self.lengths[where], self.lows[where], self.highs[where])

    def write(self, where: Any, found: Matches) -> None:
        self.lengths[where] = found.lengths
        self.lows[where] = found.lows
        self.highs[where] = found.highs


@dataclass(frozen=True)
class InfiniState:
    """lengths (B,); history (B, L), the last tokens, right-aligned; matched (B,) of them, those
    that the index knows; the state beneath."""

    lengths: Lengths
    history: Ids
    matched: Lengths
    beneath: State

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> Self:
        rows = np.asarray(rows, np.int64)
        return type(self)(
            self.lengths[rows], self.history[rows], self.matched[rows], self.beneath.select(rows)
        )

    def join(self, other: Self) -> Self:
        return type(self)(
            np.concatenate([self.lengths, other.lengths]),
            np.concatenate([self.history, other.history]),
            np.concatenate([self.matched, other.matched]),
            self.beneath.join(other.beneath),
        )


def default_own(grid: Grid, *, beyond: int = BEYOND) -> NDArray[np.float64]:
    """What a match is trusted before anything was fitted, for each cell of a grid, (cells,).

    beyond: a match no longer is not trusted at all, as the model beneath knows better: at least
    the tokens that it sees itself, and for Kneser-Ney more. Longer ones get c / (c + t), c the
    least support of the cell and t the fewest different continuations that it can have (Witten &
    Bell 1991).
    """
    length = np.array([0, *grid.matched])[:, None, None, None]
    support = np.array([1, *grid.support])[None, :, None, None]
    continuations = np.array([2, 1])[None, None, :, None]
    own = np.where(length > beyond, support / (support + continuations), 0.0)
    return np.broadcast_to(own, grid.shape).reshape(-1).copy()


class InfiniGram:
    """Trusts the longest match as far as `own` says, and the model beneath for the rest.

    Good: InfiniGram(index, kneser_ney)
    Bad:  InfiniGram(index_of_bytes, kneser_ney_of_words)        other tokens: ForetellError
    """

    family = "infinigram"

    def __init__(
        self,
        index: Searchable,
        beneath: LanguageModel,
        *,
        grid: Grid | None = None,
        own: NDArray[np.float64] | None = None,
        longest: int = LONGEST,
    ) -> None:
        """own: 0 to 1 for each cell of the grid, (cells,), which `training.bucketing` fits; None
        is `default_own`. longest: tokens, beyond which no match is sought.

        Raises ForetellError for an index of other tokens, or one in shards.
        """
        if not isinstance(index, Index):
            raise ForetellError(
                "the infinity-gram searches one index, not shards; build the index without --shards"
            )
        tokenizer = beneath.tokenizer
        theirs = index.vocabulary_size, index.boundary
        if theirs != (tokenizer.vocabulary_size, tokenizer.boundary) or (
            index.tokenizer_fingerprint not in ("", tokenizer.fingerprint)
        ):
            raise ForetellError(
                f"the index was built with another tokenizer than {tokenizer.name}, that of the "
                "model beneath; build the index with the same"
            )
        self.grid = grid or Grid()
        self.own = default_own(self.grid) if own is None else np.asarray(own, np.float64)
        if self.own.shape != (int(np.prod(self.grid.shape)),) or self.grid.shape[3] != 1:
            raise ForetellError("`own` needs one number for each cell of a grid without entropy")
        if not ((self.own >= 0) & (self.own <= 1)).all():
            raise ForetellError("`own` is a share of the mass; give numbers from 0 to 1")
        if longest < 1:
            raise ForetellError(f"longest must be at least 1 token, got {longest}")
        self.index = index
        self.beneath = beneath
        self.longest = longest
        self.tokenizer = tokenizer
        self.context = beneath.context
        self._stream, self._places = index.stream, index.places

    @property
    def parameters(self) -> int:
        """Of networks beneath."""
        return self.beneath.parameters if isinstance(self.beneath, Parametric) else 0

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        step = self.beneath.begin(rows, mid_text=mid_text)
        history = np.full((rows, self.longest), self.tokenizer.boundary, np.int32)
        nothing = InfiniState(step.state.lengths, history, np.zeros(rows, np.int32), step.state)
        if mid_text:
            return Step(step.logprobs, nothing)
        found = self._follow(nothing, history[:, :1], np.ones(rows, np.int32))
        state = InfiniState(nothing.lengths, history, found.lengths[:, 1], step.state)
        return Step(self._blend(step.logprobs, found, np.ones(rows, np.int32)), state)

    def advance(
        self, state: InfiniState, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        tokens = np.asarray(tokens, np.int32)
        lengths = full_lengths(tokens, lengths)
        check_keep(lengths, keep)
        step = self.beneath.advance(state.beneath, tokens, lengths=lengths, keep=keep)
        found = self._follow(state, tokens, lengths)
        line = np.concatenate([state.history, tokens], axis=1)
        window = lengths[:, None] + np.arange(self.longest)
        rows = np.arange(len(tokens))
        after = InfiniState(
            step.state.lengths,
            np.take_along_axis(line, window, axis=1),
            found.lengths[rows, lengths],
            step.state,
        )
        return Step(self._blend(step.logprobs, found, lengths), after)

    def signals(
        self, state: InfiniState, tokens: Tokens, *, lengths: Lengths | None = None
    ) -> Signals:
        """What is matched, at a state and after each of tokens (B, T); (B, T + 1)."""
        tokens = np.asarray(tokens, np.int32)
        found = self._follow(state, tokens, full_lengths(tokens, lengths))
        sparse = np.stack(
            [_find_sparse(self._stream, self._places, *found.at(row)) for row in range(len(tokens))]
        )
        return _tell(found, sparse)

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        return score_by_documents(self, tokens, lengths=lengths)

    def score_documents(self, documents: Sequence[NDArray[np.int32]]) -> list[NDArray[np.float32]]:
        """ln P of each token (T,) of each document, without V numbers for any."""
        known = score_documents(self.beneath, documents)
        shares, told = self.match_documents(documents)
        out = []
        for beneath, share, signals in zip(known, shares, told, strict=True):
            own = self._trust(signals)
            mixed = own * share + (1 - own) * np.exp(beneath.astype(np.float64))
            # Where the match is not trusted, the score beneath to the last bit.
            with np.errstate(divide="ignore"):
                logs = np.log(mixed).astype(np.float32)
            out.append(np.where(own > 0, logs, beneath))
        return out

    def match_documents(
        self, documents: Sequence[NDArray[np.int32]]
    ) -> tuple[list[NDArray[np.float64]], list[Signals]]:
        """For each token (T,) of each document, its share of the longest match's continuations
        (0 where nothing matched), and what was known before it."""
        starts = np.cumsum([0] + [len(document) + 1 for document in documents])
        line = np.full(starts[-1], self.tokenizer.boundary, np.int32)
        for start, document in zip(starts, documents, strict=False):
            line[start + 1 : start + 1 + len(document)] = document
        found = _no_matches(len(line))
        shares = np.zeros(len(line), np.float64)
        sparse = np.zeros(len(line), bool)

        def work(low: int) -> None:
            # A match is no longer than `longest`, so those before the block settle its first.
            first, high = max(0, low - self.longest), min(low + BLOCK, len(line))
            mine = self._match(line[first:high], 0, 0).at(slice(low - first, None))
            found.write(slice(low, high), mine)
            following = line[low + 1 : high + 1]
            _find_shares(self._stream, self._places, following, *mine, shares[low:high])
            sparse[low:high] = _find_sparse(self._stream, self._places, *mine)

        in_threads(work, ((low,) for low in range(0, len(line), BLOCK)))
        told = _tell(found, sparse)
        pieces = [slice(start, end - 1) for start, end in pairwise(starts.tolist())]
        return (
            [shares[piece] for piece in pieces],
            [pick(told, piece) for piece in pieces],
        )

    def save(self, folder: Path) -> None:
        (folder / "index").mkdir()
        self.index.save(folder / "index")
        (folder / "beneath").mkdir()
        models.write(self.beneath, folder / "beneath")
        content = {"longest": self.longest, "grid": self.grid.to_json(), "own": self.own.tolist()}
        (folder / "infinigram.json").write_text(json.dumps(content, indent=1) + "\n")

    def _trust(self, signals: Signals) -> NDArray[np.float64]:
        """The share of the mass that matches (M,) get, (M,); none where nothing matched."""
        placed = self.grid.place(signals, np.zeros(signals.matched.shape))
        own = self.grid.look_up(self.own[:, None], placed)[..., 0]
        return np.where(signals.matched > 0, own, 0.0)

    def _follow(self, state: InfiniState, tokens: Tokens, lengths: Lengths) -> Matches:
        """Matches at a state and after each of tokens (B, T), (B, T + 1)."""
        shape = len(tokens), tokens.shape[1] + 1
        out = _no_matches(shape)

        def work(row: int) -> None:
            matched = int(state.matched[row])
            past = state.history[row, self.longest - matched :]
            line = np.concatenate([past, tokens[row, : lengths[row]]])
            # The match at the state is known, but not where it stands.
            first = max(0, matched - 1)
            found = self._match(line, first, first)
            filled = slice(0 if matched else 1, int(lengths[row]) + 1)
            out.write((row, filled), found.at(slice(first, None)))

        if tokens.size > BLOCK:
            in_threads(work, ((row,) for row in range(len(tokens))))
        else:  # a pool of threads costs more than a short search
            for row in range(len(tokens)):
                work(row)
        return out

    def _match(self, line: Ids, first: int, length: int) -> Matches:
        """Matches at the places of line (W,) from `first` on; `length` tokens before it match."""
        found = _no_matches(len(line))
        boundary = self.tokenizer.boundary
        _match_line(self._stream, self._places, line, first, length, boundary, self.longest, *found)
        return found

    def _blend(
        self, logprobs: NDArray[np.float32], found: Matches, lengths: Lengths
    ) -> NDArray[np.float32]:
        """logprobs (B, K, V) beneath, to those of the last K of the places that were followed."""
        rows, keep, _ = logprobs.shape
        out = np.array(logprobs, np.float32)
        for row in range(rows if keep else 0):
            kept = slice(lengths[row] + 1 - keep, lengths[row] + 1)
            mine = found.at((row, kept))
            sparse = _find_sparse(self._stream, self._places, *mine)
            own = self._trust(_tell(mine, sparse))
            for place in np.flatnonzero(own > 0).tolist():
                match = Match(*(int(part[place]) for part in mine))
                following = self.index.list_continuations(match)
                shares = following.counts / (match.high - match.low)
                _mix_in(out[row, place], own[place], following.tokens, shares)
        return out


def load(folder: Path) -> InfiniGram:
    """The model that `save` wrote into a folder, its index mapped into memory."""
    said = json.loads((folder / "infinigram.json").read_text("utf-8"))
    return InfiniGram(
        open_index(folder / "index"),
        models.load(folder / "beneath"),
        grid=read_grid(said["grid"]),
        own=np.array(said["own"], np.float64),
        longest=said["longest"],
    )


def _no_matches(shape: int | tuple[int, int]) -> Matches:
    return Matches(np.zeros(shape, np.int32), np.zeros(shape, np.int64), np.zeros(shape, np.int64))


def _tell(found: Matches, sparse: NDArray[np.bool_]) -> Signals:
    support = np.minimum(found.highs - found.lows, np.iinfo(np.int32).max).astype(np.int32)
    return Signals(found.lengths, support, sparse)


@njit(nogil=True, cache=True)
def _match_line(  # type: ignore[no-untyped-def]
    stream, places, line, first, length, boundary, longest, lengths, lows, highs
):
    """At the places of line (W,) from `first` on, the longest suffix that goes on in the stream.

    length: of the match at the place before. A match grows by one token at most, so that looking
    for shorter ones costs, over a text, no more than one search a token.
    """
    size = len(places)
    for at in range(first, len(line)):
        if line[at] == boundary:
            length = 0
        length = min(length + 1, longest)
        while length > 0:
            low, high = find_range(stream, places, line[at - length + 1 : at + 1], 0, size, 0)
            if low < high and places[low] + length == size:
                low += 1  # the stream's last boundary, which nothing follows, sorts first
            if low < high:
                lengths[at], lows[at], highs[at] = length, low, high
                break
            length -= 1


@njit(nogil=True, cache=True)
def _find_sparse(stream, places, lengths, lows, highs):  # type: ignore[no-untyped-def]
    """Whether matches (M,) have one continuation alone."""
    sparse = np.zeros(len(lengths), np.bool_)
    for m in range(len(lengths)):
        if lengths[m] > 0:
            first = stream[places[lows[m]] + lengths[m]]
            sparse[m] = first == stream[places[highs[m] - 1] + lengths[m]]
    return sparse


@njit(nogil=True, cache=True)
def _find_shares(  # type: ignore[no-untyped-def]
    stream, places, following, lengths, lows, highs, shares
):
    """Into shares (M,), that of each following token (M,) among what follows the match before."""
    for m in range(len(following)):
        if lengths[m] > 0:
            token = following[m : m + 1]
            low, high = find_range(stream, places, token, lows[m], highs[m], lengths[m])
            shares[m] = (high - low) / (highs[m] - lows[m])


@njit(nogil=True, cache=True)
def _mix_in(out, own, tokens, shares):  # type: ignore[no-untyped-def]
    """Give `own` of the mass of logprobs (V,) to tokens (n,) by their shares of it."""
    rest = np.log1p(-own) if own < 1 else -np.inf
    for token in range(len(out)):
        out[token] += rest
    for k in range(len(tokens)):
        token = tokens[k]
        out[token] = np.log(np.exp(np.float64(out[token])) + own * shares[k])
