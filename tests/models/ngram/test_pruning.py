import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.models.ngram.lines import estimate_lines
from foretell.models.ngram.model import NGram
from foretell.models.ngram.pruning import prune
from tests.interop.test_arpa import text_of


@pytest.fixture(scope="module")
def model() -> NGram:
    return estimate_lines(text_of(600), order=3)


def sizes(model: NGram) -> list[int]:
    return [len(order) for order in model.trie.orders]


def held_out(model: NGram) -> float:
    lines = text_of(100, seed=1).decode().splitlines()
    tokens = [encoding.tokens for encoding in model.tokenizer.encode_many(lines)]
    return -float(np.concatenate(model.score_documents(tokens)).mean())


def test_nothing_is_dropped_for_nothing(model: NGram) -> None:
    same = prune(model, 0.0)
    for mine, theirs in zip(model.trie.orders, same.trie.orders, strict=True):
        if sizes(same) == sizes(model):
            np.testing.assert_allclose(mine.logprobs, theirs.logprobs)


def test_smaller_at_little_cost_and_whole(model: NGram) -> None:
    before = sizes(model)
    last = sum(before)
    for threshold in (1e-6, 1e-5, 1e-4, 1e-3):
        pruned = prune(model, threshold)
        now = sizes(pruned)
        assert now[0] == before[0]
        assert sum(now) < last
        last = sum(now)
        contexts = pruned.trie.grams(2)[::7]
        step = pruned.advance(pruned.begin(len(contexts), mid_text=True).state, contexts)
        np.testing.assert_allclose(np.exp(step.logprobs.astype(np.float64)).sum(-1), 1, atol=1e-5)
    assert held_out(prune(model, 1e-5)) < held_out(model) + 0.02
    assert sizes(prune(model, np.inf))[1:] == [0, 0]


def test_the_worth_of_one_ngram_is_what_the_model_loses(model: NGram) -> None:
    """Against the definition: the divergence between the distributions before and after."""
    order, context = (
        2,
        int(np.argmax(np.diff(model.trie.orders[0].children.astype(np.int64))[2:])) + 2,
    )
    from foretell.models.ngram import pruning

    trie = estimate_lines(text_of(600), order=order).trie
    grams = trie.grams(2)
    lower = np.exp(trie.unigrams[grams[:, 1]].astype(np.float64))
    family = pruning._Family(
        pruning._owners(trie, 1),
        trie.orders[1].logprobs.astype(np.float64),
        lower,
        len(trie.orders[0]),
    )
    here = np.flatnonzero(grams[:, 0] == context)
    worth = family.worth(np.ones(len(trie.orders[0])))[here]
    line = np.array([[context]])
    whole = np.exp(trie.distributions(line, np.ones((1, 1), bool), 1)[0, 0].astype(np.float64))
    unigrams = np.exp(trie.unigrams.astype(np.float64))
    for place, expected in zip(here, worth, strict=True):
        left = np.array([g for g in here if g != place])
        kept = np.zeros(len(whole), bool)
        kept[grams[left, 1]] = True
        without = np.where(kept, whole, 0.0)
        without[~kept] = unigrams[~kept] * (1 - without.sum()) / unigrams[~kept].sum()
        divergence = float((whole * np.log(whole / without)).sum())
        np.testing.assert_allclose(expected, divergence, rtol=1e-3, atol=1e-7)


def test_refuses_what_is_no_threshold(model: NGram) -> None:
    for threshold in (-1.0, float("nan")):
        with pytest.raises(ForetellError, match="threshold"):
            prune(model, threshold)
