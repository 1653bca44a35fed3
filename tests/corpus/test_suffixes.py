import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.contracts.errors import ForetellError
from foretell.corpus.suffixes import (
    Suffixes,
    check_length,
    compare,
    lay_out,
    sort_pairs,
    sort_to_depth,
)

B = 0


def follow(stream: list[int], place: int, depth: int) -> list[int]:
    """What stands at a place, to the end of its text."""
    tokens = stream[place : place + 1]
    for token in stream[place + 1 : place + depth]:
        tokens.append(token)
        if token == B:
            break
    return tokens


def check(stream: list[int], found: Suffixes, depth: int) -> None:
    runs = [follow(stream, place, depth) for place in found.places.tolist()]
    assert sorted(found.places.tolist()) == list(range(len(stream)))
    assert runs == sorted(runs)
    assert found.reach.tolist() == [len(run) for run in runs]
    for before, run, shared in zip(runs, runs[1:], found.shared[1:].tolist(), strict=False):
        common = 0
        while common < min(len(before), len(run)) and before[common] == run[common]:
            common += 1
        assert shared == common


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_places_are_sorted_by_what_follows_them(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([2, 3, 5, 300]))
    stream = [B, *data.draw(st.lists(st.integers(0, size - 1), max_size=60))]
    depth = data.draw(st.integers(1, 12))
    found = sort_to_depth(np.array(stream, np.int32), depth=depth, vocabulary_size=size, boundary=B)
    check(stream, found, depth)


@pytest.mark.parametrize("size", [3, 60_000, 2**21])
def test_large_buckets_and_wide_vocabularies_are_sorted_too(size: int) -> None:
    rng = np.random.default_rng(1)
    stream = np.where(rng.random(5000) < 0.5, rng.integers(0, 3, 5000), size - 1).astype(np.int32)
    stream[0] = B
    found = sort_to_depth(stream, depth=6, vocabulary_size=size, boundary=B)
    check(stream.tolist(), found, 6)


def test_a_finished_suffix_array_is_compared_the_same() -> None:
    stream = [B, 1, 2, 1, B, 2, B]
    places = sorted(range(7), key=lambda place: follow(stream, place, 9))
    starts = np.array([0, 3, 5, 7])
    found = compare(
        np.array(stream, np.int32), np.array(places, np.int32), starts, depth=9, boundary=B
    )
    check(stream, found, 9)


@pytest.mark.parametrize("size", [1, 20, 190, 3000])
@pytest.mark.parametrize("bits", [7, 40, 64])
def test_pairs_are_sorted_by_key(size: int, bits: int) -> None:
    rng = np.random.default_rng(size)
    keys = rng.integers(0, 2**64, size, dtype=np.uint64) >> np.uint64(64 - bits)
    values = np.arange(size, dtype=np.int32)
    before = keys.copy()
    sort_pairs(keys, values, np.empty_like(keys), np.empty_like(values), bits)
    np.testing.assert_array_equal(keys, np.sort(before))
    np.testing.assert_array_equal(before[values], keys)


def test_texts_are_laid_out_between_boundaries() -> None:
    texts = [np.array([1, 2]), np.zeros(0, np.int32), np.array([2])]
    stream = lay_out(texts, vocabulary_size=3, boundary=B)
    assert stream.tolist() == [B, 1, 2, B, B, 2, B]


def test_too_long_a_stream_is_refused() -> None:
    with pytest.raises(ForetellError, match="fewer than 2\\^31"):
        check_length(2**31)
