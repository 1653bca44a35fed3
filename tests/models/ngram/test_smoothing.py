from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.contracts.errors import ForetellError
from foretell.models.ngram.counts import count_texts
from foretell.models.ngram.smoothing import FALLBACK, _count_counts, discounts_from, estimate
from foretell.testing.oracles import KneserNey

B = 0


def arrays(texts: Sequence[Sequence[int]]) -> list[np.ndarray]:
    return [np.array(text, np.int32) for text in texts]


def letters(*texts: str) -> list[np.ndarray]:
    return [np.array([ord(letter) - 96 for letter in text], np.int32) for text in texts]


def zipf_texts(seed: int, texts: int = 60, size: int = 12) -> list[list[int]]:
    """Texts long and uneven enough for discounts to be estimated at several orders."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, size)
    weights /= weights.sum()
    return [
        rng.choice(np.arange(1, size), rng.integers(0, 9), p=weights).tolist() for _ in range(texts)
    ]


def assert_twins_agree(
    texts: list[list[int]], size: int, order: int, prune: tuple[int, ...], probes: list[list[int]]
) -> None:
    trie = estimate(arrays(texts), vocabulary_size=size, boundary=B, order=order, prune=prune)
    twin = KneserNey(texts, vocabulary_size=size, boundary=B, order=order, prune=trie.recipe.prune)
    np.testing.assert_allclose(trie.recipe.discounts, twin.discounts, rtol=1e-12)
    for history in probes:
        line = np.array([[B, *history]])
        found = trie.distributions(line, np.ones(line.shape, bool), 1)[0, 0].astype(np.float64)
        expected = [twin.probability(history, token) for token in range(size)]
        np.testing.assert_allclose(found, np.log(expected), rtol=0, atol=1e-5)
        assert abs(np.exp(found).sum() - 1) <= 1e-5

        target = np.array([[B, *history, B]])
        scores = trie.score(target, np.ones(target.shape, bool))
        whole = [*history, B]
        np.testing.assert_allclose(scores.logprobs[0, 1:], twin.score(whole), rtol=0, atol=1e-5)
        orders = [twin.matched_order(whole[:i], token) for i, token in enumerate(whole)]
        assert scores.orders[0, 1:].tolist() == orders


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_the_dictionary_twin_on_random_strings(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 6))
    text = st.lists(st.integers(1, size - 1), max_size=12)
    texts = data.draw(st.lists(text, min_size=1, max_size=8))
    order = data.draw(st.integers(1, 5))
    steps = data.draw(st.lists(st.integers(0, 1), max_size=order - 1))
    prune = (0, *np.cumsum(steps).tolist())
    probes = data.draw(st.lists(text, min_size=1, max_size=4))
    assert_twins_agree(texts, size, order, prune, [*probes, []])


@pytest.mark.parametrize("prune", [(0,), (0, 0, 1), (0, 1, 2)])
@pytest.mark.parametrize("seed", [1, 2])
def test_equals_the_twin_where_discounts_are_estimated(seed: int, prune: tuple[int, ...]) -> None:
    texts = zipf_texts(seed, 200)
    trie = estimate(arrays(texts), vocabulary_size=40, boundary=B, order=3)
    assert any(d != FALLBACK for d in trie.recipe.discounts)
    assert_twins_agree(texts, 40, 3, prune, zipf_texts(seed + 10))


@pytest.mark.parametrize("compat", ["exact", "kenlm"])
@pytest.mark.parametrize("order", [1, 2, 5])
@pytest.mark.parametrize("prune", [(0,), (0, 1), (0, 3)])
def test_every_distribution_sums_to_one(compat: Any, order: int, prune: tuple[int, ...]) -> None:
    texts = arrays(zipf_texts(5, 300, 30))
    trie = estimate(
        texts, vocabulary_size=31, boundary=B, order=order, prune=prune[:order], compat=compat
    )
    stream = np.concatenate([np.append([B], text) for text in texts])[None]
    known = np.ones(stream.shape, bool)
    found = trie.distributions(stream, known, stream.shape[1]).astype(np.float64)
    assert np.abs(np.exp(found).sum(-1) - 1).max() <= 1e-5


def test_discounts_by_hand() -> None:
    # y = 4/(4+2*2) = 1/2
    assert discounts_from([4, 2, 1, 0]) == pytest.approx((0.5, 2 - 3 * 0.5 * 1 / 2, 3.0))
    for none in ([0, 2, 1, 1], [4, 0, 1, 1], [4, 2, 0, 1]):
        assert discounts_from(none) is None
    assert discounts_from([3, 2, 4, 5]) is None  # D2 = -0.571, KenLM's refusal on golden chars.txt
    # D2 = 2 - 3 (2/3) 1/1 = 0 would leave contexts that take off nothing.
    assert discounts_from([4, 1, 1, 0]) is None
    assert discounts_from([4, 1, 1, 0], allow_zero=True) == pytest.approx((2 / 3, 0.0, 3.0))


def test_kenlm_files_the_last_open_ngram_under_its_raw_count() -> None:
    counts = count_texts(letters("rot", "oar", "oat"), vocabulary_size=27, boundary=B, order=3)
    assert _count_counts(counts, 1, "exact") == [1, 4, 0, 0]
    assert _count_counts(counts, 1, "kenlm") == [0, 5, 0, 0]  # what its issue 427 reports
    assert _count_counts(counts, 3, "exact") == _count_counts(counts, 3, "kenlm")


def test_kenlm_mode_moves_discounts_on_a_small_text_and_nothing_else() -> None:
    # The newest token, 99, is seen three times after two different tokens.
    texts = arrays([*zipf_texts(8, 200, 90), [1, 99], [1, 99], [2, 99]])
    both = [
        estimate(texts, vocabulary_size=100, boundary=B, order=3, compat=compat)
        for compat in ("exact", "kenlm")
    ]
    assert both[0].recipe.discounts != both[1].recipe.discounts
    for exact, kenlm in zip(both[0].orders, both[1].orders, strict=True):
        assert exact.tokens.tolist() == kenlm.tokens.tolist()


def test_fallback_is_a_notice_that_names_order_and_counts() -> None:
    trie = estimate(letters("ab"), vocabulary_size=3, boundary=B, order=2)
    assert trie.recipe.discounts == (FALLBACK, FALLBACK)
    assert trie.recipe.notices[0] == (
        "order 1: discounts cannot be estimated from n1=3, n2=0, n3=0, n4=0; "
        "used 0.5, 1, 1.5 instead"
    )


def test_strict_discounts_raise() -> None:
    with pytest.raises(ForetellError, match=r'order 1: discounts.*discounts="auto"'):
        estimate(letters("ab"), vocabulary_size=3, boundary=B, order=2, discounts="strict")


def test_only_the_failing_order_falls_back() -> None:
    texts = arrays(zipf_texts(1, 300, 14))
    trie = estimate(texts, vocabulary_size=14, boundary=B, order=3)
    fallen = [d == FALLBACK for d in trie.recipe.discounts]
    assert fallen == [True, False, False]
    assert len(trie.recipe.notices) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"order": 0}, "order 0"),
        ({"prune": (1,)}, "unigrams stay"),
        ({"prune": (0, 2, 1)}, "falls"),
        ({"prune": ()}, "0 numbers"),
        ({"prune": (0, 0, 0, 0)}, "4 numbers for order 3"),
        ({"discounts": "guess"}, "auto, strict"),
        ({"compat": "srilm"}, "exact, kenlm"),
    ],
)
def test_bad_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"vocabulary_size": 3, "boundary": B, "order": 3}
    with pytest.raises(ForetellError, match=message):
        estimate(letters("ab"), **(good | wrong))


def test_thresholds_repeat_the_last() -> None:
    trie = estimate(letters("ab"), vocabulary_size=3, boundary=B, order=4, prune=(0, 1))
    assert trie.recipe.prune == (0, 1, 1, 1)
