"""Learning how far to trust whom, cell by cell, on text that no part has learned from.

    level 0   one set of weights for all               passes 0 ... 19
    level 1   one for each match, however often seen   passes 20 ... 39, drawn towards level 0
    ...
    the last  one for each cell                        drawn towards the level before

The parts are frozen: each token of the text is read once by each part, and a pass is one step of
expectation maximisation over those numbers. A cell that saw little stays near its parent, as if
`strength` tokens had been seen there with the parent's weights (MacKay & Peto 1995).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.corpus import fingerprint_texts
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel, Signals, score_documents
from foretell.contracts.learner import Progress
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.index import Index
from foretell.models.buckets import Buckets, Parts
from foretell.models.grid import Grid, Placed, chain, pick
from foretell.models.infinigram import LONGEST, InfiniGram

PASSES = 20
"""Steps of EM a level."""
STRENGTH = 50.0
MATCHED, SUPPORT, SPARSE, ENTROPY = range(4)
LEVELS = (
    (),
    (MATCHED, SPARSE),
    (MATCHED, SPARSE, ENTROPY),
    (MATCHED, SUPPORT, SPARSE, ENTROPY),
)
"""Axes of the grid that tell cells apart, from all cells in one to each alone."""
KNOTS = 6
Floats = NDArray[np.float64]


def fit_cells(
    chances: Floats, placed: Placed, weights: Floats, parents: Floats, strength: float
) -> tuple[Floats, float]:
    """One step of EM: P of N tokens by each part (N, P), where they stand (N, 2), the weights of
    the cells and those they are drawn to (cells, P), to better weights, and the nats before it.

    The likelihood times the prior never falls (Dempster et al. 1977), and is concave.
    """
    joint = placed.shares[..., None] * weights[placed.cells] * chances[:, None, :]
    total = joint.sum(axis=(1, 2))
    with np.errstate(divide="ignore"):
        nats = -float(np.log(total).sum())
    joint /= np.where(total > 0, total, 1.0)[:, None, None]
    flat, size = placed.cells.reshape(-1), len(weights)
    shares = [
        np.bincount(flat, part, minlength=size) for part in joint.reshape(-1, joint.shape[2]).T
    ]
    seen = np.stack(shares, axis=1) + strength * parents
    whole = seen.sum(axis=1, keepdims=True)
    return np.where(whole > 0, seen / np.where(whole > 0, whole, 1.0), parents), nats


@dataclass
class Descent:
    """From one set of weights for all down to one for each cell, a step of EM at a time."""

    grid: Grid
    strength: float
    parts: int
    levels: tuple[tuple[int, ...], ...] = LEVELS
    tables: list[Floats] = field(default_factory=list)
    """For each level that was begun, the weights of the grid's cells (cells, P)."""
    chances: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    scale: float = 0.0
    """Nats by which the chances were raised, so that none vanishes."""
    placed: Placed | None = None

    @property
    def passes(self) -> int:
        """Until the last level is done."""
        return PASSES * len(self.levels)

    def take(self, logprobs: Floats, signals: Signals, entropy: Floats) -> None:
        """What the parts said of N tokens: ln P (N, P), signals and entropies (N,)."""
        if not len(logprobs):
            raise ForetellError("there is no text to tune on; give more text")
        best = logprobs.max(axis=1, keepdims=True)
        best = np.where(np.isfinite(best), best, 0.0)
        self.chances, self.scale = np.exp(logprobs - best), float(best.sum())
        self.placed = self.grid.place(signals, entropy)

    def level_of(self, pass_number: int) -> int:
        return min(pass_number // PASSES, len(self.levels) - 1)

    def step(self, level: int) -> Progress:
        assert self.placed is not None, "take() comes first"
        groups = self.grid.coarsen(self.levels[level])
        first = np.unique(groups, return_index=True)[1]
        if level == len(self.tables):
            above = (
                self.tables[-1]
                if self.tables
                else np.full((len(groups), self.parts), 1 / self.parts)
            )
            self.tables.append(above)
        parents = self.tables[level - 1] if level else self.tables[0]
        merged = Placed(groups[self.placed.cells], self.placed.shares)
        found, nats = fit_cells(
            self.chances,
            merged,
            self.tables[level][first],
            parents[first],
            self.strength if level else 0.0,
        )
        self.tables[level] = found[groups]
        return Progress(nats - self.scale, len(self.chances))

    @property
    def table(self) -> Floats:
        """The weights as they stand, (cells, P)."""
        if self.tables:
            return self.tables[-1]
        return np.full((int(np.prod(self.grid.shape)), self.parts), 1 / self.parts)

    def save(self, folder: Path) -> None:
        content = {"grid": self.grid.to_json(), "tables": [each.tolist() for each in self.tables]}
        (folder / "weights.json").write_text(json.dumps(content))

    def restore(self, folder: Path) -> None:
        said = json.loads((folder / "weights.json").read_text("utf-8"))
        self.tables = [np.array(table, np.float64) for table in said["tables"]]


class BucketLearner:
    """Weights of parts for each cell of what is known of the past.

    Good: fit(learner := BucketLearner(parts), tuning, budget=Budget(passes=learner.passes))
    """

    def __init__(
        self,
        parts: Parts,
        *,
        grid: Grid | None = None,
        strength: float = STRENGTH,
    ) -> None:
        """grid: without it, knots of entropy are set where the tuning text has as many tokens
        between any two. strength: tokens that a parent's weights are worth."""
        self.parts = parts
        self.tokenizer: Tokenizer = parts.models[0].tokenizer
        self._asked = grid
        self._descent = Descent(grid or Grid(), strength, len(parts))
        self._texts = ""

    @property
    def recipe(self) -> str:
        asked, parts = self._descent, self.parts
        return (
            f"buckets {len(parts)} {parts.guide} {parts.gauge} {self._asked} {asked.strength} "
            f"{self.tokenizer.fingerprint}"
        )

    @property
    def passes(self) -> int:
        """Until weights of the finest cells are learned."""
        return self._descent.passes

    def feed(self, texts: Sequence[str]) -> None:
        if self._texts == fingerprint_texts(texts):
            return
        self._texts = fingerprint_texts(texts)
        seen = self.parts.observe(_encode(self.tokenizer, texts))
        logprobs = np.concatenate([each.logprobs for each in seen])
        entropy = np.concatenate([each.entropy for each in seen])
        if self._asked is None and self.parts.gauge is not None:
            self._descent.grid = Grid(knots=spread_knots(entropy))
        self._descent.take(logprobs, chain([each.signals for each in seen]), entropy)

    def batches(self, pass_number: int) -> Iterable[int]:
        yield self._descent.level_of(pass_number)

    def update(self, batch: int, *, spent: float) -> Progress:
        return self._descent.step(batch)

    def end_pass(self) -> None:
        """A pass is one batch, so the update has done it all."""

    def model(self) -> Buckets:
        return Buckets(self.parts, self._descent.grid, self._descent.table)

    def save(self, folder: Path) -> None:
        self._descent.save(folder)

    def restore(self, folder: Path) -> None:
        self._descent.restore(folder)


class InfiniGramLearner:
    """How far an infinity-gram trusts a match, for each cell, over the model beneath it.

    The text must be unknown to both: a text that the index holds is matched from end to end.
    """

    def __init__(
        self,
        index: Index,
        beneath: LanguageModel,
        *,
        grid: Grid | None = None,
        longest: int = LONGEST,
        strength: float = STRENGTH,
    ) -> None:
        self.tokenizer = beneath.tokenizer
        self._model = InfiniGram(index, beneath, grid=grid, longest=longest)
        levels = ((), (MATCHED, SPARSE), (MATCHED, SUPPORT, SPARSE))
        self._descent = Descent(self._model.grid, strength, 2, levels)
        self._texts = ""

    @property
    def recipe(self) -> str:
        model = self._model
        return f"own {model.grid} {model.longest} {self._descent.strength} " + (
            self.tokenizer.fingerprint
        )

    @property
    def passes(self) -> int:
        return self._descent.passes

    def feed(self, texts: Sequence[str]) -> None:
        if self._texts == fingerprint_texts(texts):
            return
        self._texts = fingerprint_texts(texts)
        documents = _encode(self.tokenizer, texts)
        shares, told = self._model.match_documents(documents)
        beneath = np.concatenate(score_documents(self._model.beneath, documents))
        share = np.concatenate(shares)
        signals = chain(told)
        # Where nothing matched there is nothing to trust, and nothing to learn.
        there = signals.matched > 0
        with np.errstate(divide="ignore"):
            logprobs = np.stack([np.log(share), beneath.astype(np.float64)], axis=1)
        self._descent.take(logprobs[there], pick(signals, there), np.zeros(int(there.sum())))

    def batches(self, pass_number: int) -> Iterable[int]:
        yield self._descent.level_of(pass_number)

    def update(self, batch: int, *, spent: float) -> Progress:
        return self._descent.step(batch)

    def end_pass(self) -> None:
        """A pass is one batch, so the update has done it all."""

    def model(self) -> InfiniGram:
        return InfiniGram(
            self._model.index,
            self._model.beneath,
            grid=self._model.grid,
            own=self._descent.table[:, 0],
            longest=self._model.longest,
        )

    def save(self, folder: Path) -> None:
        self._descent.save(folder)

    def restore(self, folder: Path) -> None:
        self._descent.restore(folder)


def spread_knots(entropy: Floats) -> tuple[float, ...]:
    """Knots for entropies (N,), as many of them between any two."""
    at = np.quantile(entropy, np.linspace(0.05, 0.95, KNOTS))
    return tuple(float(knot) for knot in np.unique(at.round(3)))


def _encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[NDArray[np.int32]]:
    documents = [encoding.tokens for encoding in tokenizer.encode_many(list(texts))]
    if not any(len(document) for document in documents):
        raise ForetellError("there is no text to tune on; give more text")
    return documents
