import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from foretell.corpus.suffix_array import sort_suffixes
from foretell.corpus.suffix_search import (
    JUMP,
    find_range,
    keep_whole,
    list_continuations,
    longest_suffix,
    match_lengths,
)

STREAMS = st.lists(st.integers(0, 3), min_size=1, max_size=60)
PHRASES = st.lists(st.integers(-1, 4), max_size=8)


def sort(stream: list[int], kind: type = np.uint16) -> tuple[NDArray[np.integer], NDArray]:
    places = sorted(range(len(stream)), key=lambda place: stream[place:])
    return np.array(stream, kind), np.array(places, np.int32)


def ids(tokens: list[int]) -> NDArray[np.int32]:
    return np.array(tokens, np.int32)


def places_of(stream: list[int], phrase: list[int]) -> list[int]:
    return [k for k in range(len(stream)) if stream[k : k + len(phrase)] == phrase]


@settings(max_examples=200, deadline=None)
@given(STREAMS, PHRASES, st.sampled_from([np.uint16, np.uint32]))
def test_a_range_holds_every_place_of_a_phrase(
    stream: list[int], phrase: list[int], kind: type
) -> None:
    tokens, places = sort(stream, kind)
    low, high = find_range(tokens, places, ids(phrase), 0, len(places), 0)
    assert sorted(places[low:high].tolist()) == places_of(stream, phrase)


@settings(max_examples=100, deadline=None)
@given(STREAMS, PHRASES, PHRASES)
def test_a_range_is_narrowed_by_more_tokens(
    stream: list[int], phrase: list[int], more: list[int]
) -> None:
    tokens, places = sort(stream)
    low, high = find_range(tokens, places, ids(phrase), 0, len(places), 0)
    low, high = find_range(tokens, places, ids(more), low, high, len(phrase))
    assert sorted(places[low:high].tolist()) == places_of(stream, phrase + more)


@settings(max_examples=200, deadline=None)
@given(STREAMS, st.lists(st.integers(-1, 4), max_size=40))
def test_the_longest_suffix_that_occurs_is_found(stream: list[int], context: list[int]) -> None:
    tokens, places = sort(stream)
    length, low, high = longest_suffix(tokens, places, ids(context))
    occurring = [n for n in range(len(context) + 1) if places_of(stream, context[-n:] if n else [])]
    assert length == max(occurring)
    suffix = context[-length:] if length else []
    assert sorted(places[low:high].tolist()) == places_of(stream, suffix)


@settings(max_examples=200, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 3), max_size=3))
def test_continuations_are_counted(stream: list[int], context: list[int]) -> None:
    tokens, places = sort(stream)
    low, high = find_range(tokens, places, ids(context), 0, len(places), 0)
    out, counts = np.zeros(4, np.int32), np.zeros(4, np.int64)
    found = list_continuations(tokens, places, low, high, len(context), out, counts)
    ends = [place + len(context) for place in places_of(stream, context)]
    following = [stream[end] for end in ends if end < len(stream)]
    assert out[:found].tolist() == sorted(set(following))
    assert counts[:found].tolist() == [following.count(token) for token in sorted(set(following))]


def longest_at(stream: list[int], text: list[int], begin: int) -> int:
    length = 0
    while begin + length < len(text) and places_of(stream, text[begin : begin + length + 1]):
        length += 1
    return length


@settings(max_examples=200, deadline=None)
@given(STREAMS, st.lists(st.integers(-1, 4), max_size=30))
def test_matches_are_the_longest(stream: list[int], text: list[int]) -> None:
    tokens, places = sort(stream)
    found = match_lengths(tokens, places, ids(text)).tolist()
    assert found == [longest_at(stream, text, begin) for begin in range(len(text))]


@pytest.mark.parametrize("seed", range(5))
def test_long_matches_that_are_leapt_over_are_the_longest_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stream = rng.integers(0, 3, 200).tolist()
    text: list[int] = []
    while len(text) < 100:
        begin = int(rng.integers(0, 150))
        text += stream[begin : begin + int(rng.integers(1, 4 * JUMP))]
    tokens, places = sort(stream)
    found = match_lengths(tokens, places, ids(text)).tolist()
    assert max(found) > JUMP
    assert found == [longest_at(stream, text, begin) for begin in range(len(text))]


def test_a_long_copy_is_compared_once() -> None:
    # Compared at every place, these would be 10^10 tokens.
    stream = np.random.default_rng(0).integers(0, 1000, 200_000).astype(np.uint16)
    places = sort_suffixes(stream)
    text = np.concatenate([stream[:100_000], stream[50_000:150_000]]).astype(np.int32)
    lengths = match_lengths(stream, places, text)
    assert lengths[0] == 100_000
    assert lengths[100_000] == 100_000


def test_places_in_bytes_become_places_of_tokens() -> None:
    places = np.array([5, 6, 0, 3, 1, 9, 2, 4], np.int32)
    keep_whole(places, 3)
    assert places[:4].tolist() == [2, 0, 1, 3]
