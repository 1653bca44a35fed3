from pathlib import Path

import numpy as np
import pytest

from foretell.models.ngram.smoothing import estimate
from foretell.models.ngram.trie import Trie, load_trie


def build() -> Trie:
    texts = [np.array(text, np.int32) for text in ([1, 2, 1, 3], [2, 1], [3, 3, 1, 2])]
    return estimate(texts, vocabulary_size=5, boundary=0, order=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build().save(tmp_path)
    return tmp_path


def test_the_children_of_a_context_lie_side_by_side() -> None:
    trie = build()
    for below, order in zip(trie.orders, trie.orders[1:], strict=False):
        assert below.children[0] == 0
        assert below.children[-1] == len(order.tokens)
        for start, end in zip(below.children, below.children[1:], strict=False):
            assert (np.diff(order.tokens[start:end].astype(int)) > 0).all()
        childless = np.diff(below.children) == 0
        assert (below.backoffs[childless] == 0).all()
        assert (below.backoffs[~childless] < 0).all()
    assert len(trie.orders[-1].children) == 0
    assert len(trie.orders[-1].backoffs) == 0


def test_what_is_loaded_is_what_was_saved(folder: Path) -> None:
    trie = load_trie(folder)
    assert trie.recipe == build().recipe
    for mine, theirs in zip(trie.orders, build().orders, strict=True):
        for field in ("tokens", "logprobs", "backoffs", "children"):
            np.testing.assert_array_equal(getattr(mine, field), getattr(theirs, field))
            assert getattr(mine, field).dtype == getattr(theirs, field).dtype


def test_an_order_without_ngrams_is_saved_and_loaded(tmp_path: Path) -> None:
    trie = estimate([np.array([1])], vocabulary_size=2, boundary=0, order=5, prune=(0, 9))
    trie.save(tmp_path)
    loaded = load_trie(tmp_path)
    assert [len(order.tokens) for order in loaded.orders] == [2, 0, 0, 0, 0]
    line = np.array([[0, 1, 0]])
    known = np.ones(line.shape, bool)
    np.testing.assert_array_equal(
        loaded.score(line, known).logprobs, trie.score(line, known).logprobs
    )
    assert np.exp(loaded.distributions(line, known, 3)).sum(-1) == pytest.approx(1)
