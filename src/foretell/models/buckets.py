"""A mixture that trusts its parts by what it knows of the past: weights for each cell of a grid.

    guide    matched 7, support 2, sparse  ─┐
                                            ├─ cell ─ weights .05 .60 .05 .30
    gauge    entropy 1.7 nats              ─┘
    P(w | past) = .05 P_0(w | past) + .60 P_1(w | past) + ...

Facts: the cell is found from the past alone, before the token is seen, and the weights of a cell
add up to one, so mass is proper and nothing looks ahead; weights of 1 on a part give that part,
to the last bit. `training.bucketing` learns the weights.

Source: Jelinek & Mercer 1980, weights in buckets; Drozdov et al. 2022, by how good a match is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import (
    LanguageModel,
    Lengths,
    LogProbs,
    Parametric,
    Signalling,
    Signals,
    State,
    Step,
    Tokens,
    full_lengths,
    score_by_documents,
    score_documents,
)
from foretell.models.grid import Grid, no_signals, pick, read_grid
from foretell.threads import in_threads

LOGPROBS_AT_ONCE = 2**21
"""Read from the gauge for its entropy; larger batches fall out of the cache."""
ROWS = 32
Documents = Sequence[NDArray[np.int32]]


@dataclass(frozen=True)
class BucketsState:
    """The parts' states, side by side."""

    lengths: Lengths
    parts: tuple[State, ...]

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> BucketsState:
        rows = np.asarray(rows, np.int64)
        return BucketsState(self.lengths[rows], tuple(part.select(rows) for part in self.parts))

    def join(self, other: BucketsState) -> BucketsState:
        pairs = zip(self.parts, other.parts, strict=True)
        return BucketsState(
            np.concatenate([self.lengths, other.lengths]), tuple(a.join(b) for a, b in pairs)
        )


@dataclass(frozen=True)
class Observed:
    """One document as the parts read it; what was known stands before each token."""

    logprobs: NDArray[np.float64]
    """(T, P) ln P of each token by each part."""
    signals: Signals
    """(T,) of the guide."""
    entropy: NDArray[np.float64]
    """(T,) of the gauge, in nats."""


class Parts:
    """Models that read the same tokens; of one, what it matched, of one, how unsure it is."""

    def __init__(
        self, models: Sequence[LanguageModel], *, guide: int | None, gauge: int | None
    ) -> None:
        """guide, gauge: numbers of parts, or None to look at neither.

        Raises ForetellError if the parts do not fit together, or the guide tells nothing.
        """
        if not models:
            raise ForetellError("a mixture needs a part; give at least one model")
        if len({model.tokenizer.fingerprint for model in models}) > 1:
            names = ", ".join(model.tokenizer.name for model in models)
            raise ForetellError(f"parts of a mixture must share one tokenizer; these have {names}")
        for number in (guide, gauge):
            if number is not None and not 0 <= number < len(models):
                raise ForetellError(f"there is no part {number}; there are 0 to {len(models) - 1}")
        if guide is not None and not isinstance(models[guide], Signalling):
            raise ForetellError(
                f"part {guide} does not say what it matched; let an infinity-gram be the guide"
            )
        self.models = tuple(models)
        self.guide, self.gauge = guide, gauge

    def __len__(self) -> int:
        return len(self.models)

    def observe(self, documents: Documents) -> list[Observed]:
        """All that mixing needs of each token of each document; V numbers only for the gauge."""
        columns = []
        entropies = [np.zeros(len(document)) for document in documents]
        for number, model in enumerate(self.models):
            if number == self.gauge:
                scores, entropies = read_unsure(model, documents)
                columns.append(scores)
            else:
                columns.append(score_documents(model, documents))
        told = in_threads(
            lambda number: self._read_signals(documents[number]),
            ((number,) for number in range(len(documents))),
        )
        return [
            Observed(np.stack(scores, axis=-1).astype(np.float64), signals, entropy)
            for scores, signals, entropy in zip(
                zip(*columns, strict=True), told, entropies, strict=True
            )
        ]

    def _read_signals(self, document: NDArray[np.int32]) -> Signals:
        if self.guide is None or not len(document):
            return no_signals(document.shape)
        guide = self.models[self.guide]
        assert isinstance(guide, Signalling)
        # What is known after the last token is asked by nobody, so the last is not read.
        told = guide.signals(self.models[self.guide].begin().state, document[None, :-1])
        return pick(told, 0)


class Buckets:
    """Linear interpolation with weights for each cell of what is known of the past.

    Good: Buckets(Parts([kneser_ney, infinigram, lstm], guide=1, gauge=2), grid, table)
    Bad:  Buckets(Parts([kneser_ney, lstm], guide=0, gauge=1), grid, table)    ForetellError
    """

    family = "buckets"

    def __init__(self, parts: Parts, grid: Grid, table: NDArray[np.float64]) -> None:
        """table: weights (cells, P), 0 or more; those of a cell are divided by their sum.

        Raises ForetellError for a table that is none.
        """
        table = np.asarray(table, np.float64)
        shape = int(np.prod(grid.shape)), len(parts)
        if table.shape != shape:
            raise ForetellError(f"the grid and parts need weights {shape}, got {table.shape}")
        if (table < 0).any() or not np.isfinite(table).all() or (table.sum(axis=1) <= 0).any():
            raise ForetellError("weights must be 0 or more, and in no cell all 0")
        self.parts = parts
        self.grid = grid
        self.table = table / table.sum(axis=1, keepdims=True)
        self.tokenizer = parts.models[0].tokenizer
        limits = [part.context for part in parts.models if part.context is not None]
        self.context = min(limits, default=None)

    @property
    def parameters(self) -> int:
        """Of the networks among the parts."""
        counts = (part.parameters for part in self.parts.models if isinstance(part, Parametric))
        return sum(counts)

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        steps = [part.begin(rows, mid_text=mid_text) for part in self.parts.models]
        state = BucketsState(steps[0].state.lengths, tuple(step.state for step in steps))
        if mid_text:
            return Step(steps[0].logprobs, state)
        nothing = np.zeros((rows, 0), np.int32)
        return Step(self._mix(steps, state, nothing, np.zeros(rows, np.int32)), state)

    def advance(
        self, state: BucketsState, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        tokens = np.asarray(tokens, np.int32)
        lengths = full_lengths(tokens, lengths)
        steps = [
            part.advance(before, tokens, lengths=lengths, keep=keep)
            for part, before in zip(self.parts.models, state.parts, strict=True)
        ]
        after = BucketsState(steps[0].state.lengths, tuple(step.state for step in steps))
        if keep == 0:
            return Step(steps[0].logprobs, after)
        return Step(self._mix(steps, state, tokens, lengths), after)

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        return score_by_documents(self, tokens, lengths=lengths)

    def score_documents(self, documents: Documents) -> list[NDArray[np.float32]]:
        """ln P of each token (T,) of each document."""
        return [
            blend(
                list(seen.logprobs.T), self._weigh(seen.signals, seen.entropy), distributions=False
            )
            for seen in self.parts.observe(documents)
        ]

    def save(self, folder: Path) -> None:
        for number, part in enumerate(self.parts.models):
            (folder / f"part-{number}").mkdir()
            models.write(part, folder / f"part-{number}")
        content = {
            "parts": len(self.parts),
            "guide": self.parts.guide,
            "gauge": self.parts.gauge,
            "grid": self.grid.to_json(),
            "table": self.table.tolist(),
        }
        (folder / "buckets.json").write_text(json.dumps(content, indent=1) + "\n")

    def _weigh(self, signals: Signals, entropy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights (..., P) of places."""
        return self.grid.look_up(self.table, self.grid.place(signals, entropy))

    def _mix(
        self, steps: list[Step], before: BucketsState, tokens: Tokens, lengths: Lengths
    ) -> LogProbs:
        """The parts' distributions after the last of tokens (B, T) read from `before`; T = 0: at
        `before` itself."""
        rows, keep, _ = steps[0].logprobs.shape
        signals, entropy = no_signals((rows, keep)), np.zeros((rows, keep))
        if self.parts.guide is not None:
            guide = self.parts.models[self.parts.guide]
            assert isinstance(guide, Signalling)
            told = guide.signals(before.parts[self.parts.guide], tokens, lengths=lengths)
            kept = lengths[:, None] + np.arange(1 - keep, 1)
            signals = pick(told, (np.arange(rows)[:, None], kept))
        if self.parts.gauge is not None:
            entropy = find_entropy(steps[self.parts.gauge].logprobs)
        return blend(
            [step.logprobs for step in steps], self._weigh(signals, entropy), distributions=True
        )


def load(folder: Path) -> Buckets:
    """The mixture that `save` wrote into a folder."""
    said = json.loads((folder / "buckets.json").read_text("utf-8"))
    parts = [models.load(folder / f"part-{number}") for number in range(said["parts"])]
    return Buckets(
        Parts(parts, guide=said["guide"], gauge=said["gauge"]),
        read_grid(said["grid"]),
        np.array(said["table"], np.float64),
    )


def blend(
    logs: Sequence[NDArray[np.floating]], weights: NDArray[np.float64], *, distributions: bool
) -> NDArray[np.float32]:
    """ln of the sum of weights (..., P) times exp of the logs of P parts, each (...) or, of whole
    distributions, (..., V)."""
    with np.errstate(divide="ignore"):
        heavy = np.moveaxis(np.log(weights), -1, 0)
    if distributions:
        heavy = heavy[..., None]
    total = heavy[0] + logs[0].astype(np.float64)
    for weight, each in zip(heavy[1:], logs[1:], strict=True):
        np.logaddexp(total, weight + each, out=total)
    return total.astype(np.float32)


def find_entropy(logprobs: LogProbs) -> NDArray[np.float64]:
    """Of distributions (..., V), in nats, (...)."""
    chances = np.exp(logprobs.astype(np.float64))
    weighed = chances * np.where(chances > 0, logprobs, 0)
    found: NDArray[np.float64] = -weighed.sum(axis=-1)
    return found


def read_unsure(
    model: LanguageModel, documents: Documents
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float64]]]:
    """For each token (T,) of each document, its ln P and the entropy of what stood before it."""
    scores = [np.zeros(len(document), np.float32) for document in documents]
    entropies = [np.zeros(len(document), np.float64) for document in documents]
    order = sorted(range(len(documents)), key=lambda number: len(documents[number]))
    for first in range(0, len(order), ROWS):
        group = order[first : first + ROWS]
        for alive, start, targets, logprobs in _read_side_by_side(
            model, [documents[number] for number in group]
        ):
            unsure = find_entropy(logprobs)
            picked = np.take_along_axis(logprobs, targets[..., None].astype(np.int64), axis=2)
            for row, number in enumerate(group[alive:]):
                real = min(targets.shape[1], len(documents[number]) - start)
                scores[number][start : start + real] = picked[row, :real, 0]
                entropies[number][start : start + real] = unsure[row, :real]
    return scores, entropies


def _read_side_by_side(
    model: LanguageModel, documents: Documents
) -> Iterator[tuple[int, int, Tokens, LogProbs]]:
    """Documents, the shorter first, a chunk at a time: the first that goes on, where the chunk
    starts, its tokens (B, T), and what foretold them (B, T, V).

    A document that ends in a chunk is read on to the chunk's end, as a boundary again and again,
    and what is foretold there is not used.
    """
    lengths = np.array([len(document) for document in documents])
    width = int(lengths[-1])
    grid = np.full((len(documents), width), model.tokenizer.boundary, np.int32)
    for row, document in enumerate(documents):
        grid[row, : len(document)] = document
    before, state = model.begin(len(documents))
    alive = start = 0
    while start < width:
        ended = int(np.searchsorted(lengths, start, side="right")) - alive
        if ended:
            before, state = before[ended:], state.select(range(ended, len(documents) - alive))
            alive += ended
        chunk = LOGPROBS_AT_ONCE // ((len(documents) - alive) * model.tokenizer.vocabulary_size)
        end = min(start + max(1, chunk), width)
        targets = grid[alive:, start:end]
        # The last token is foretold and never read, so a row may be as long as the context.
        read = targets if end < width else targets[:, :-1]
        later = model.advance(state, read, keep=read.shape[1])
        after = np.concatenate([before[:, -1:], later.logprobs], axis=1)
        yield alive, start, targets, after[:, : targets.shape[1]]
        before, state, start = after, later.state, end
