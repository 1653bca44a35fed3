from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.contracts.errors import ForetellError
from foretell.corpus.index import Index, build_index
from foretell.corpus.index_shards import Indexes, deal
from foretell.models.infinigram import InfiniGram

B = 0
TEXTS = st.lists(st.lists(st.integers(1, 3), max_size=12), min_size=1, max_size=8)


def index_of(texts: list[list[int]], size: int = 4, first: int = 0) -> Index:
    return build_index(
        [np.array(text, np.int32) for text in texts],
        names=[str(first + number) for number in range(len(texts))],
        vocabulary_size=size,
        boundary=B,
    )


def cut(texts: list[list[int]], shards: int) -> Indexes:
    edges = np.cumsum([0, *deal([len(text) for text in texts], shards)]).tolist()
    return Indexes(tuple(index_of(texts[a:b], first=a) for a, b in pairwise(edges)))


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(1, 4), st.lists(st.integers(0, 4), max_size=10), st.integers(0, 9))
def test_shards_answer_as_one_index(
    texts: list[list[int]], shards: int, phrase: list[int], most: int
) -> None:
    one, many = index_of(texts), cut(texts, min(shards, len(texts)))
    assert len(many) == len(one)
    assert many.match_lengths(phrase).tolist() == one.match_lengths(phrase).tolist()
    assert many.match_suffix(phrase) == one.match_suffix(phrase)
    plain = [token for token in phrase if token != B]
    for asked in ([], [B], [B, B], plain, [B, *plain], [*plain, B]):
        assert many.count(asked) == one.count(asked)
        if len(asked) < 2 or asked[-1] != B:
            found, expected = many.continuations(asked), one.continuations(asked)
            assert found.tokens.tolist() == expected.tokens.tolist()
            assert found.counts.tolist() == expected.counts.tolist()
        count, places = many.occurrences(asked, most=most)
        assert count == one.count(asked)
        if asked and asked[0] != B:
            assert [
                (holder.names[number], at - holder.documents[number])
                for holder, at in places
                for number in [holder.document_at(at)]
            ] == [
                (one.names[number], at - one.documents[number])
                for _, at in one.occurrences(asked, most=most)[1]
                for number in [one.document_at(at)]
            ]


@given(TEXTS, st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(1, 9))
def test_the_first_places_are_the_first_of_all(
    texts: list[list[int]], phrase: list[int], most: int
) -> None:
    index = index_of(texts)
    size = len(phrase)
    stream = index.stream.tolist()
    stands = [k for k in range(len(stream) - size + 1) if stream[k : k + size] == phrase]
    count, places = index.occurrences(phrase, most=most)
    assert count == len(stands)
    assert [at for _, at in places] == stands[:most]


def test_busy_contexts_of_shards_add_up() -> None:
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 600, 4_000).tolist() for _ in range(4)]
    one = index_of(texts, 600)
    many = Indexes((index_of(texts[:2], 600), index_of(texts[2:], 600)))
    assert all(len(shard.busy.rows) for shard in many.shards)
    for context in ([], [5], [5, 7]):
        found, expected = many.continuations(context), one.continuations(context)
        np.testing.assert_array_equal(found.tokens, expected.tokens)
        np.testing.assert_array_equal(found.counts, expected.counts)


def test_a_boundary_inside_is_refused() -> None:
    many = cut([[1, 2], [2, 1]], 2)
    for ask in (many.count, many.continuations):
        with pytest.raises(ValueError, match="boundary"):
            ask([1, B, 2])


def test_shards_are_of_one_tokenizer() -> None:
    with pytest.raises(ValueError, match="one tokenizer"):
        Indexes((index_of([[1]], 4), index_of([[1]], 5)))
    with pytest.raises(ValueError, match="one or more"):
        Indexes(())


def test_documents_are_dealt_in_order_by_their_bytes() -> None:
    assert deal([1] * 12, 4) == [3, 3, 3, 3]
    assert deal([9, 1, 1, 1], 2) == [1, 3]
    assert deal([1, 1, 1, 9], 2) == [3, 1]
    assert deal([1, 1, 1, 90], 3) == [2, 1, 1]
    assert deal([90, 1, 1, 1], 3) == [1, 1, 2]
    assert deal([5, 4, 5], 2) == [2, 1]
    assert deal([7], 1) == [1]
    with pytest.raises(ForetellError, match="3 shards need as many documents, and the text has 2"):
        deal([1, 1], 3)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 30))
def test_a_shard_is_off_by_one_document_at_most(sizes: list[int], shards: int) -> None:
    shards = min(shards, len(sizes))
    counts = deal(sizes, shards)
    assert len(counts) == shards
    assert sum(counts) == len(sizes)
    assert min(counts) >= 1
    edges = np.cumsum([0, *counts])
    summed = np.cumsum([0, *sizes])
    aims = summed[-1] * np.arange(shards + 1) / shards
    if max(sizes) * shards <= summed[-1]:
        assert (np.abs(summed[edges] - aims) <= max(sizes) / 2 + 1e-9).all()


def test_the_infinity_gram_wants_one_index() -> None:
    many = cut([[1, 2], [2, 1]], 2)
    with pytest.raises(ForetellError, match="without --shards"):
        InfiniGram(many, None)  # type: ignore[arg-type]
