"""Every target of every document is scored once a pass, and documents never meet."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.corpus.batches import (
    STRETCH,
    Batch,
    best_fit,
    count_lanes,
    count_packed,
    lanes,
    pack,
    with_boundaries,
)

BOUNDARY = 999_999
Arrange = Callable[..., Iterator[Batch]]


def make(lengths: Sequence[int]) -> list[np.ndarray]:
    """Documents in which every token is unique, so that a pair of tokens names its place."""
    starts = np.cumsum([1, *lengths])
    inner = [
        np.arange(start, start + length, dtype=np.int32)
        for start, length in zip(starts, lengths, strict=False)
    ]
    # Edges are unique too: a shared boundary would hide a target scored in the wrong document.
    documents = with_boundaries(inner, BOUNDARY)
    for index, document in enumerate(documents):
        document[0], document[-1] = BOUNDARY + 2 * index, BOUNDARY + 2 * index + 1
    return documents


def pairs(documents: Sequence[np.ndarray]) -> Counter[tuple[int, int]]:
    return Counter(
        (a, b)
        for document in documents
        for a, b in zip(document[:-1].tolist(), document[1:].tolist(), strict=True)
    )


def scored_pairs(batches: Sequence[Batch]) -> Counter[tuple[int, int]]:
    found: Counter[tuple[int, int]] = Counter()
    for batch in batches:
        tokens, targets = batch.tokens[batch.scored], batch.targets[batch.scored]
        found.update(zip(tokens.tolist(), targets.tolist(), strict=True))
    return found


LENGTHS = st.lists(st.integers(0, 40), max_size=25)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 5), st.integers(1, 12), st.integers(0, 50))
@pytest.mark.parametrize("arrange", [pack, lanes])
def test_every_target_is_scored_once(
    arrange: Arrange, lengths: list[int], rows: int, width: int, number: int
) -> None:
    documents = make(lengths)
    batches = list(arrange(documents, rows=rows, width=width, key=(7, number)))
    assert scored_pairs(batches) == pairs(documents)
    assert sum(batch.count for batch in batches) == sum(length + 1 for length in lengths)
    assert all(len(batch.tokens) <= rows for batch in batches)
    assert all(batch.scored.any() for batch in batches)


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), max_size=60), st.integers(30, 50))
def test_best_fit_never_overflows_and_loses_nothing(lengths: list[int], width: int) -> None:
    rows = best_fit(lengths, width)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    loads = [sum(lengths[index] for index in row) for row in rows]
    assert all(0 < load <= width for load in loads)
    # Two rows that would fit into one: the longest-first rule never leaves such a pair.
    assert sum(load * 2 <= width for load in loads) <= 1


def test_best_fit_takes_the_fullest_row() -> None:
    assert best_fit([6, 5, 4, 3, 1], 10) == [[0, 2], [1, 3, 4]]
    assert best_fit([10, 10], 10) == [[0], [1]]
    assert best_fit([], 10) == []


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 4), st.integers(1, 12), st.integers(0, 5))
def test_packed_rows_keep_documents_apart(
    lengths: list[int], rows: int, width: int, number: int
) -> None:
    documents = make(lengths)
    owner = {int(t): index for index, document in enumerate(documents) for t in document}
    place = {int(t): at for document in documents for at, t in enumerate(document)}
    for batch in pack(documents, rows=rows, width=width, key=(0, number)):
        assert batch.fresh
        assert batch.tokens.shape[1] == width
        assert (batch.segments is None) == (batch.positions is None)
        for b in range(len(batch.tokens)):
            real = batch.scored[b]
            # Pads stand on the right, and only there.
            assert real.tolist() == sorted(real.tolist(), reverse=True)
            segments = np.ones(width, int) if batch.segments is None else batch.segments[b]
            positions = np.arange(width) if batch.positions is None else batch.positions[b]
            assert batch.segments is None or ((segments > 0) == real).all()
            for segment in set(segments[real].tolist()):
                at = np.flatnonzero(real & (segments == segment))
                tokens = batch.tokens[b, at].tolist()
                assert at.tolist() == list(range(at[0], at[-1] + 1))
                assert positions[at].tolist() == list(range(len(at)))
                assert len({owner[token] for token in tokens}) == 1
                places = [place[token] for token in tokens]
                assert places == list(range(places[0], places[0] + len(places)))


def test_one_chunk_a_row_needs_no_segments() -> None:
    (batch,) = pack(make([4, 4]), rows=4, width=5, key=(0, 0))
    assert batch.segments is None
    (batch,) = pack(make([1, 1]), rows=4, width=5, key=(0, 0))
    assert batch.segments is not None
    assert batch.segments.tolist() == [[1, 1, 2, 2, 0]]
    assert batch.positions is not None
    assert batch.positions[0, :4].tolist() == [0, 1, 0, 1]


def test_cuts_move_from_pass_to_pass() -> None:
    documents = make([200])

    def cuts(number: int) -> set[int]:
        return {
            int(batch.tokens[b, at])
            for batch in pack(documents, rows=4, width=16, key=(0, number))
            for b in range(len(batch.tokens))
            for at in np.flatnonzero(batch.scored[b])
            if at == 0 or (batch.positions is not None and batch.positions[b, at] == 0)
        }

    seen = [frozenset(cuts(number)) for number in range(8)]
    assert len(set(seen)) > 4


@pytest.mark.parametrize("arrange", [pack, lanes])
def test_the_key_decides_the_order(arrange: Arrange) -> None:
    documents = make(list(range(1, 60)))

    def read(*key: int) -> list[bytes]:
        batches = arrange(documents, rows=4, width=16, key=key)
        return [batch.tokens.tobytes() + batch.scored.tobytes() for batch in batches]

    assert read(3, 1) == read(3, 1)
    assert read(3, 1) != read(3, 2)
    assert read(3, 1) != read(4, 1)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 120), max_size=12),
    st.integers(1, 4),
    st.integers(1, 9),
    st.integers(0, 5),
)
def test_lanes_carry_each_stretch_of_a_document_through_one_row(
    lengths: list[int], rows: int, width: int, number: int
) -> None:
    documents = make(lengths)
    running: list[list[int]] = []
    seen: list[list[int]] = []
    for batch in lanes(documents, rows=rows, width=width, key=(1, number)):
        assert batch.segments is None
        if batch.fresh:
            seen.extend(running)
            running = [[] for _ in range(len(batch.tokens))]
        # A batch that goes on has the rows of the one before.
        assert len(running) == len(batch.tokens)
        for b, row in enumerate(running):
            row.extend(batch.tokens[b][batch.scored[b]].tolist())
            assert batch.scored[b].tolist() == sorted(batch.scored[b].tolist(), reverse=True)
    seen.extend(running)
    stretches = [
        document[start : min(start + STRETCH * width, len(document) - 1)].tolist()
        for document in documents
        for start in range(0, len(document) - 1, STRETCH * width)
    ]
    assert sorted(seen) == sorted(stretches)


def test_lanes_begin_fresh() -> None:
    for number in range(5):
        batches = list(lanes(make([30, 3, 17, 8]), rows=2, width=5, key=(0, number)))
        assert batches[0].fresh
        assert sum(batch.fresh for batch in batches) == 2
        assert len(batches) > 2


@pytest.mark.parametrize("length", [6, 12, 13, 14, 22])
def test_lanes_are_at_most_width_wide(length: int) -> None:
    """As the docstring of `lanes` says."""
    batches = list(lanes(make([length]), rows=2, width=10, key=(0, 0)))
    assert max(batch.tokens.shape[1] for batch in batches) <= 10


def test_boundaries_stand_on_both_sides() -> None:
    documents = with_boundaries([np.array([1, 2], np.int32), np.zeros(0, np.int32)], 9)
    assert [document.tolist() for document in documents] == [[9, 1, 2, 9], [9, 9]]
    assert all(document.dtype == np.int32 for document in documents)


@pytest.mark.parametrize("arrange", [pack, lanes])
def test_nothing_gives_no_batches(arrange: Arrange) -> None:
    assert list(arrange([], rows=2, width=4, key=(0, 0))) == []


COUNTS: dict[Arrange, Callable[..., int]] = {pack: count_packed, lanes: count_lanes}


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 120), max_size=40),
    st.integers(1, 5),
    st.integers(1, 14),
    st.integers(0, 50),
)
@pytest.mark.parametrize("arrange", [pack, lanes])
def test_batches_are_counted_without_making_them(
    arrange: Arrange, lengths: list[int], rows: int, width: int, number: int
) -> None:
    keyed = {"rows": rows, "width": width, "key": (3, number)}
    sizes = np.array(lengths, np.int64) + 2
    assert COUNTS[arrange](sizes, **keyed) == len(list(arrange(make(lengths), **keyed)))
