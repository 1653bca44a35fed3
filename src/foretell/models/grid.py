"""Cells of what is known of the past, each with numbers of its own.

    matched   0 | 1 | 2 | 3 | 4 | 5 | 6 7 | 8 ...      tokens of the past found in an index
    support   0 1 | 2 | 3 4 | 5 ...                    how often
    sparse    no | yes                                 one continuation alone
    entropy       0.5 ──── 1.5 ──── 3.0 ──── 5.0       knots: between two, a bit of both

Facts: counts are whole, and fall into buckets; an entropy is a sum of fractions, which comes out
a little otherwise when read in pieces, so its numbers run on from knot to knot without a jump.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import Signals

MATCHED = (1, 2, 3, 4, 5, 6, 8, 12, 20)
SUPPORT = (2, 3, 5, 10, 100)
Floats = NDArray[np.floating]
Cells = NDArray[np.int64]


class Placed(NamedTuple):
    """Where places stand in a grid: on one cell, or between two."""

    cells: Cells
    """(..., 2) numbers of cells, in the order of a table's rows."""
    shares: NDArray[np.float64]
    """(..., 2) how much of each; they add up to one."""


@dataclass(frozen=True)
class Grid:
    """Axes: matched, support, sparse, entropy.

    Good: Grid(knots=(0.5, 2.0, 4.0))
    Bad:  Grid(matched=(3, 2))
    """

    matched: tuple[int, ...] = MATCHED
    """The least number of each bucket but the first."""
    support: tuple[int, ...] = SUPPORT
    knots: tuple[float, ...] = (0.0,)
    """Nats, rising; a single one means that no entropy is looked at."""

    def __post_init__(self) -> None:
        for edges in (self.matched, self.support, self.knots):
            if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
                raise ForetellError(f"the edges of buckets must rise; got {edges}")
        if not self.knots:
            raise ForetellError("a grid needs a knot; give (0.0,) to look at no entropy")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.matched) + 1, len(self.support) + 1, 2, len(self.knots)

    def place(self, signals: Signals, entropy: Floats) -> Placed:
        """Where places stand, from signals (...) and entropies (...) in nats."""
        length = np.searchsorted(self.matched, signals.matched, side="right")
        support = np.searchsorted(self.support, signals.support, side="right")
        at = np.interp(entropy, self.knots, np.arange(len(self.knots), dtype=np.float64))
        below = np.minimum(at.astype(np.int64), max(0, len(self.knots) - 2))
        above = np.minimum(below + 1, len(self.knots) - 1)
        knots = np.stack([below, above], axis=-1)
        cells = ((length * self.shape[1] + support) * 2 + signals.sparse) * self.shape[3]
        share = at - below
        return Placed(cells[..., None] + knots, np.stack([1 - share, share], axis=-1))

    def look_up(self, table: NDArray[np.float64], placed: Placed) -> NDArray[np.float64]:
        """Numbers (..., P) of places, from a table (cells, P)."""
        first, second = placed.cells[..., 0], placed.cells[..., 1]
        shares = placed.shares
        return shares[..., :1] * table[first] + shares[..., 1:] * table[second]

    def coarsen(self, axes: tuple[int, ...]) -> Cells:
        """For each cell, its number among those that differ in `axes` alone, (cells,)."""
        where = np.indices(self.shape).reshape(4, -1)
        merged = np.zeros(where.shape[1], np.int64)
        for axis in axes:
            merged = merged * self.shape[axis] + where[axis]
        return merged

    def to_json(self) -> dict[str, Any]:
        return {
            "matched": list(self.matched),
            "support": list(self.support),
            "knots": list(self.knots),
        }


def read_grid(said: dict[str, Any]) -> Grid:
    """What `Grid.to_json` gave."""
    return Grid(tuple(said["matched"]), tuple(said["support"]), tuple(said["knots"]))


def pick(signals: Signals, where: Any) -> Signals:
    """Signals of some places; where: as an array is indexed."""
    return Signals(signals.matched[where], signals.support[where], signals.sparse[where])


def chain(several: Sequence[Signals]) -> Signals:
    """Signals (N,) side by side."""
    return Signals(
        np.concatenate([each.matched for each in several]),
        np.concatenate([each.support for each in several]),
        np.concatenate([each.sparse for each in several]),
    )


def no_signals(shape: tuple[int, ...]) -> Signals:
    """Of a mixture without a guide: nothing found anywhere."""
    nothing = np.zeros(shape, np.int32)
    return Signals(nothing, nothing, np.zeros(shape, bool))
