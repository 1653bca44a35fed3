import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.models.ngram.counts import OrderCounts, count_stream, count_texts

B = 0


def tokens(*texts: str) -> list[np.ndarray]:
    """Letters as tokens: a is 1, b is 2, ..."""
    return [np.array([ord(letter) - 96 for letter in text], np.int32) for text in texts]


def contexts(counts: OrderCounts) -> list[int]:
    """The context of each n-gram."""
    return np.repeat(np.arange(len(counts.children) - 1), np.diff(counts.children)).tolist()


def test_counts_of_a_text_one_can_count_by_hand() -> None:
    counts = count_texts(tokens("aba", "b"), vocabulary_size=4, boundary=B, order=3)
    unigrams, bigrams, trigrams = counts.orders

    assert unigrams.raw.tolist() == [2, 2, 2, 0]  # </s>, a, b, never seen
    assert unigrams.adjusted.tolist() == [2, 2, 2, 0]  # after a b; after B b; after a B

    pairs = list(zip(contexts(bigrams), bigrams.tokens.tolist(), strict=True))
    assert pairs == [(B, 1), (B, 2), (1, B), (1, 2), (2, B), (2, 1)]
    assert bigrams.suffixes.tolist() == bigrams.tokens.tolist()
    assert bigrams.raw.tolist() == [1] * 6
    assert bigrams.adjusted.tolist() == [1] * 6

    threes = [(pairs[c], t) for c, t in zip(contexts(trigrams), trigrams.tokens, strict=True)]
    assert threes == [((B, 1), 2), ((B, 2), B), ((1, 2), 1), ((2, 1), B)]
    assert [pairs[s] for s in trigrams.suffixes] == [(1, 2), (2, B), (2, 1), (1, B)]


def test_what_begins_with_the_boundary_keeps_its_raw_count() -> None:
    bigrams = count_texts(tokens("ab", "ab", "cab"), vocabulary_size=4, boundary=B, order=3).orders[
        1
    ]
    found = dict(
        zip(
            zip(contexts(bigrams), bigrams.tokens.tolist(), strict=True),
            zip(bigrams.raw.tolist(), bigrams.adjusted.tolist(), strict=True),
            strict=True,
        )
    )
    assert found[B, 1] == (2, 2)
    assert found[1, 2] == (3, 2)


def test_an_empty_text_is_an_end_after_a_beginning() -> None:
    counts = count_texts(tokens("", ""), vocabulary_size=2, boundary=B, order=3)
    assert counts.orders[0].raw.tolist() == [2, 0]
    assert counts.orders[1].raw.tolist() == [2]
    assert len(counts.orders[2].raw) == 0


def test_the_last_ngram_by_suffix_is_that_of_the_newest_word() -> None:
    # KenLM's issue 427: the newest letter is a, seen twice, both times after o.
    counts = count_texts(tokens("rot", "oar", "oat"), vocabulary_size=27, boundary=B, order=3)
    assert counts.last_open[0] == 1
    last = counts.orders[1]
    number = counts.last_open[1]
    assert number is not None
    assert (contexts(last)[number], last.tokens[number]) == (15, 1)


def test_an_order_longer_than_the_last_ngram_has_none_open() -> None:
    counts = count_texts(tokens("ab", "c"), vocabulary_size=4, boundary=B, order=4)
    assert [number is None for number in counts.last_open] == [False, False, True]


def test_a_stream_without_a_last_boundary_does_not_count_its_end() -> None:
    stream = np.array([B, 1, 2, B, 1], np.int32)
    counts = count_stream(stream, vocabulary_size=3, boundary=B, order=3)
    assert counts.orders[0].raw.tolist() == [1, 2, 1]
    pairs = list(zip(contexts(counts.orders[1]), counts.orders[1].tokens.tolist(), strict=True))
    assert pairs == [(B, 1), (1, 2), (2, B)]
    assert counts.orders[1].raw.tolist() == [2, 1, 1]
    assert counts.orders[2].raw.tolist() == [1, 1]


def test_bad_texts_are_refused() -> None:
    with pytest.raises(ForetellError, match="no text"):
        count_texts([], vocabulary_size=4, boundary=B, order=2)
    with pytest.raises(ValueError, match="holds the boundary"):
        count_texts([np.array([1, B, 2])], vocabulary_size=4, boundary=B, order=2)
    for token in (-1, 4):
        with pytest.raises(ValueError, match="not in 0"):
            count_texts([np.array([1, token])], vocabulary_size=4, boundary=B, order=2)
