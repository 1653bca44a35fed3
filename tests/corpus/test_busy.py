from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from foretell.corpus import busy
from foretell.corpus.busy import find_busy
from foretell.corpus.suffix_array import sort_suffixes

B = 0


def spell(stream: list[int], places: NDArray[np.int32], row: list[int]) -> list[int]:
    low, _, depth = row
    place = int(places[low])
    return stream[place : place + depth]


@pytest.fixture
def low_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "ROWS", 20)
    monkeypatch.setattr(busy, "DIFFERENT", 4)


@pytest.mark.usefixtures("low_bars")
def test_every_busy_context_is_kept_with_its_continuations() -> None:
    rng = np.random.default_rng(0)
    stream = np.minimum(rng.zipf(1.5, 3000), 40).astype(np.uint16) - 1
    stream[0] = stream[-1] = B
    tokens = stream.tolist()
    places = sort_suffixes(stream)
    found = find_busy(stream, places, vocabulary_size=40, boundary=B)
    kept = {}
    for row in found.rows.tolist():
        continuations = found.find(*row)
        assert continuations is not None
        pairs = zip(continuations.tokens.tolist(), continuations.counts.tolist(), strict=True)
        kept[tuple(spell(tokens, places, row))] = dict(pairs)
    expected: dict[tuple[int, ...], Counter[int]] = {}
    for depth in range(busy.DEEPEST + 1):
        for place in range(len(tokens) - depth):
            context = tuple(tokens[place : place + depth])
            expected.setdefault(context, Counter())[tokens[place + depth]] += 1
    counts = Counter({context: sum(each.values()) for context, each in expected.items()})
    wanted = {
        context: dict(each)
        for context, each in expected.items()
        if len(each) >= 4 and counts[context] >= 20 and B not in context[1:]
    }
    # A range of just that size may count the end of the stream, which is no continuation.
    assert wanted.items() <= kept.items()
    assert all(
        counts[context] >= 19 and kept[context] == dict(expected[context]) for context in kept
    )
    assert len(wanted) > 20


@pytest.mark.usefixtures("low_bars")
def test_contexts_with_the_same_rows_are_told_apart_by_their_length() -> None:
    # After 1 comes always 2, so both have the same rows; only what follows 1 2 is many things.
    stream = np.array([B, *[t for k in range(30) for t in (1, 2, 3 + k % 6)], B], np.uint16)
    places = sort_suffixes(stream)
    found = find_busy(stream, places, vocabulary_size=9, boundary=B)
    (row,) = (row for row in found.rows.tolist() if row[2] == 2)
    assert spell(stream.tolist(), places, row) == [1, 2]
    assert found.find(row[0], row[1], 1) is None
    continuations = found.find(*row)
    assert continuations is not None
    assert continuations.counts.tolist() == [5] * 6


def test_a_short_stream_has_no_busy_context() -> None:
    stream = np.array([B, 1, B], np.uint16)
    found = find_busy(stream, sort_suffixes(stream), vocabulary_size=2, boundary=B)
    assert len(found.rows) == 0
    assert found.find(0, 3, 0) is None
