"""Training batches with documents kept apart, in an order keyed by (seed, pass).

For models with a window, `pack`: documents are cut into chunks of at most `width` tokens, and
chunks share rows, longest first into the fullest row that takes them (best fit). `segments` tells
the chunks of a row apart, and attention stays inside them:

    tokens     |a a a a a a b b b|      a, b: chunks; each predicts its next token
    segments   |1 1 1 1 1 1 2 2 2|      0 where a row is empty
    positions  |0 1 2 3 4 5 0 1 2|

For models with a state, `lanes`: documents of like length side by side, read chunk after chunk
while the state is carried; a new group begins with a new state. A document of more than `STRETCH`
chunks is read in stretches of that many, in any order: one long text, read to its end before
another is begun, would teach the model to forget the others.

    group 1    |a a a a|a a . .|        group 2   |c c c .|
               |b b b b|b . . .|                  |d d . .|
      fresh     yes     no                         yes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRETCH = 16
"""Chunks of one document in a row, through which a state is carried."""


@dataclass(frozen=True)
class Batch:
    """All arrays (B, T). A target counts where `scored`."""

    tokens: NDArray[np.int32]
    targets: NDArray[np.int32]
    scored: NDArray[np.bool_]
    segments: NDArray[np.int32] | None
    """Which chunk of its row a token belongs to; None if every row is one chunk."""
    positions: NDArray[np.int32] | None
    fresh: bool
    """True if the rows begin anew; False if they go on where the batch before ended."""

    @property
    def count(self) -> int:
        return int(self.scored.sum())

    def take(self, rows: slice, *, scored: bool = True) -> Batch:
        """Some of the rows; scored: False if nothing of them counts."""
        return Batch(
            tokens=self.tokens[rows],
            targets=self.targets[rows],
            scored=self.scored[rows] & scored,
            segments=None if self.segments is None else self.segments[rows],
            positions=None if self.positions is None else self.positions[rows],
            fresh=self.fresh,
        )


def with_boundaries(
    documents: Sequence[NDArray[np.int32]], boundary: int, first: int | None = None
) -> list[NDArray[np.int32]]:
    """Each document (T,) between two boundaries, (T + 2,). first: another token before it."""
    end = np.array([boundary], np.int32)
    begin = end if first is None else np.array([first], np.int32)
    return [np.concatenate([begin, tokens, end]) for tokens in documents]


@dataclass(frozen=True)
class Packed:
    """Batches that are made as they are read."""

    members: list[list[NDArray[np.int32]]]
    """Chunks of each row."""
    rows: int
    width: int

    def __len__(self) -> int:
        return -(-len(self.members) // self.rows)

    def __iter__(self) -> Iterator[Batch]:
        return self.since(0)

    def since(self, done: int) -> Iterator[Batch]:
        """All after the first `done`."""
        for start in range(done * self.rows, len(self.members), self.rows):
            yield _pack_rows(self.members[start : start + self.rows], self.width)


def pack(
    documents: Sequence[NDArray[np.int32]], *, rows: int, width: int, key: Sequence[int]
) -> Packed:
    """Best-fit batches (rows, width) of documents that carry their boundaries.

    Long documents are cut at places that move with `key`, so that no pass sees the same cuts.
    The last batch may hold fewer rows.
    """
    generator = np.random.default_rng(list(key))
    chunks: list[NDArray[np.int32]] = []
    for index in generator.permutation(len(documents)):
        document, start = documents[index], 0
        if len(document) > width + 1:
            start = -int(generator.integers(width))
        while start < len(document) - 1:
            chunk = document[max(0, start) : start + width + 1]
            if len(chunk) > 1:
                chunks.append(chunk)
            start += width
    packed = best_fit([len(chunk) - 1 for chunk in chunks], width)
    order = generator.permutation(len(packed))
    return Packed([[chunks[i] for i in packed[r]] for r in order], rows, width)


def best_fit(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Indices of pieces (each at most width long), one list a row: longest piece first, into the
    fullest row with room (Johnson 1973: at most 22% over the least number of rows)."""
    by_room: list[list[list[int]]] = [[] for _ in range(width + 1)]
    rows: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        length = lengths[index]
        room = next((r for r in range(length, width + 1) if by_room[r]), None)
        if room is None:
            row: list[int] = []
            rows.append(row)
            room = width
        else:
            row = by_room[room].pop()
        row.append(index)
        by_room[room - length].append(row)
    return rows


def _pack_rows(rows: list[list[NDArray[np.int32]]], width: int) -> Batch:
    shape = (len(rows), width)
    tokens, targets = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    segments, positions = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for b, chunks in enumerate(rows):
        at = 0
        for number, chunk in enumerate(chunks, start=1):
            end = at + len(chunk) - 1
            tokens[b, at:end], targets[b, at:end] = chunk[:-1], chunk[1:]
            segments[b, at:end], positions[b, at:end] = number, np.arange(end - at)
            at = end
    # Right pads cannot reach back through causal attention, so lone chunks need no segments.
    lone = all(len(chunks) == 1 for chunks in rows)
    return Batch(
        tokens=tokens,
        targets=targets,
        scored=segments > 0,
        segments=None if lone else segments,
        positions=None if lone else positions,
        fresh=True,
    )


def lanes(
    documents: Sequence[NDArray[np.int32]], *, rows: int, width: int, key: Sequence[int]
) -> Iterator[Batch]:
    """Batches (at most rows, at most width) of documents that carry their boundaries."""
    generator = np.random.default_rng(list(key))
    documents = [
        document[start : start + STRETCH * width + 1]
        for document in documents
        for start in range(0, len(document) - 1, STRETCH * width)
    ]
    lengths = np.array([len(document) for document in documents])
    # Jitter before sorting: like stays beside like, and yet no pass has the same neighbours.
    order = np.argsort(lengths * generator.uniform(0.9, 1.1, len(lengths)), kind="stable")
    groups = [order[start : start + rows] for start in range(0, len(order), rows)]
    for group in generator.permutation(len(groups)):
        members = [documents[index] for index in groups[group]]
        steps = max(len(member) for member in members) - 1
        pieces = max(1, -(-steps // width))
        size = -(-steps // pieces)
        grid = np.zeros((len(members), pieces * size + 1), np.int32)
        real = np.zeros((len(members), pieces * size), bool)
        for b, member in enumerate(members):
            grid[b, : len(member)] = member
            real[b, : len(member) - 1] = True
        for start in range(0, steps, size):
            scored = real[:, start : start + size]
            if scored.any():
                yield Batch(
                    tokens=grid[:, start : start + size],
                    targets=grid[:, start + 1 : start + size + 1],
                    scored=scored,
                    segments=None,
                    positions=None,
                    fresh=start == 0,
                )


def count_packed(lengths: NDArray[np.int64], *, rows: int, width: int, key: Sequence[int]) -> int:
    """How many batches `pack` makes of documents of these lengths (N,), boundaries included,
    without the documents: draws as it does, and fits numbers in place of chunks."""
    generator = np.random.default_rng(list(key))
    steps = lengths[generator.permutation(len(lengths))] - 1
    cut = steps > width
    first = width - generator.integers(width, size=int(cut.sum()))
    after = steps[cut] - first
    pieces = np.bincount(np.concatenate([steps[~cut], first, after % width]), minlength=width + 1)
    pieces[width] += int((after // width).sum())
    return -(-_count_rows(pieces.tolist()) // rows)


def _count_rows(pieces: list[int]) -> int:
    """Rows that `best_fit` makes of so many pieces of length 0, 1, ... width; 0 takes no room."""
    width = len(pieces) - 1
    with_room, total = [0] * (width + 1), 0
    for length in range(width, 0, -1):
        left = pieces[length]
        for room in range(length, width + 1):
            # A row that takes one becomes the fullest that has room, and takes as many as go in.
            many, rest = divmod(room, length)
            taken = min(with_room[room], left // many)
            with_room[room] -= taken
            with_room[rest] += taken
            left -= taken * many
            if left and with_room[room]:
                with_room[room] -= 1
                with_room[room - left * length] += 1
                left = 0
            if not left:
                break
        many, rest = divmod(width, length)
        full, some = divmod(left, many)
        total += full + (some > 0)
        with_room[rest] += full
        if some:
            with_room[width - some * length] += 1
    return total


def count_lanes(lengths: NDArray[np.int64], *, rows: int, width: int, key: Sequence[int]) -> int:
    """How many batches `lanes` makes of documents of these lengths (N,), boundaries included."""
    generator = np.random.default_rng(list(key))
    stretch = STRETCH * width
    whole, rest = np.divmod(lengths - 1, stretch)
    stretches = whole + (rest > 0)
    sizes = np.full(int(stretches.sum()), stretch + 1)
    last = np.cumsum(stretches) - 1
    sizes[last[rest > 0]] = rest[rest > 0] + 1
    order = np.argsort(sizes * generator.uniform(0.9, 1.1, len(sizes)), kind="stable")
    if not len(order):
        return 0
    steps = np.maximum.reduceat(sizes[order], np.arange(0, len(order), rows)) - 1
    size = -(-steps // -(-steps // width))
    return int((-(-steps // size)).sum())
