"""Which runs a scaling law is fitted to: sizes x amounts of text, as many as the time allows.

         U/8   U/4   U/2   U        U: tokens to learn from, or what the time allows of them
  50k     .     .     .     .       every run reads its part equally often, with a schedule of
 135k     .     .     .     .       its own that is over when the run is
 365k     .     .     .     .
1000k     .     .     .     .
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from foretell.contracts.errors import ForetellError

SIZES = (50_000, 135_000, 365_000, 1_000_000)
"""Parameters of the layers; the largest is as much as a scaling law should cost."""
HALVINGS = 3
"""Of the text, from all of it down."""
FEWEST = 3
"""Sizes and amounts of text that a law needs."""
LEAST_UPDATES = 100
"""Of the smallest run. With fewer the law is one of how quickly a network begins to learn."""
PASSES = (1, 2, 4, 8, 16)
SPARE = 0.1
"""Share of the time that is not planned: reading, the fit, runs slower than the first updates."""


@dataclass(frozen=True)
class Cell:
    """One run, before it is made."""

    parameters: int
    """As asked for; the network has about as many."""
    tokens: int
    """Different ones to learn from, as asked for."""


@dataclass(frozen=True)
class Grid:
    """All runs of a law."""

    passes: int
    sizes: tuple[int, ...]
    texts: tuple[int, ...]
    """Tokens, from the fewest."""

    @property
    def cells(self) -> list[Cell]:
        """From the cheapest to the dearest."""
        cells = [Cell(size, text) for size in self.sizes for text in self.texts]
        return sorted(cells, key=lambda cell: (cell.parameters * cell.tokens, cell.tokens))


def choose_passes(tokens: int, batches: Mapping[int, int]) -> int:
    """How often each run reads its text: as seldom as lets the smallest run learn.

    batches: tokens of an update by passes, which decide how long a run takes.
    """
    smallest = tokens >> HALVINGS
    enough = (p for p in PASSES if p * smallest / batches[p] >= LEAST_UPDATES)
    return next(enough, PASSES[-1])


def choose_grid(
    tokens: int, passes: int, seconds: float, rates: Mapping[int, float], reading: int
) -> Grid:
    """The largest grid that fits.

    tokens: of the text. rates: seconds a token, by size. reading: tokens that each run must be
    able to learn in the time that measuring it takes. Raises ForetellError if none fits.
    """
    whole = Grid(passes, SIZES, tuple(tokens >> n for n in range(HALVINGS, -1, -1)))
    for grid in _ever_cheaper(whole):
        least = estimate_seconds(grid, rates, reading)
        if least <= seconds * (1 - SPARE):
            return grid
    raise ForetellError(
        f"a scaling law of this text takes {least / (1 - SPARE):.0f} s at least; "
        "give a larger --budget"
    )


def estimate_seconds(grid: Grid, rates: Mapping[int, float], reading: int) -> float:
    """Time of all runs, one after another."""
    return sum(
        rates[cell.parameters] * (grid.passes * cell.tokens + reading) for cell in grid.cells
    )


def _ever_cheaper(grid: Grid) -> Iterator[Grid]:
    """First without the largest size, then without all of the text, then with ever less of it."""
    yield grid
    grid = replace(grid, sizes=grid.sizes[:FEWEST])
    yield grid
    grid = replace(grid, texts=_fewest(grid.texts))
    yield grid
    while grid.passes > 1:
        grid = replace(grid, passes=grid.passes // 2)
        yield grid
    while grid.texts[0] > 2_000:
        grid = replace(grid, texts=tuple(text // 2 for text in grid.texts))
        yield grid


def _fewest(texts: Sequence[int]) -> tuple[int, ...]:
    return tuple(texts[:FEWEST])
