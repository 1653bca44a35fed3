from collections.abc import Sequence
from mmap import mmap
from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.language_model import (
    DocumentScorer,
    LanguageModel,
    Truncatable,
    score_by_reading,
)
from foretell.models.ngram import NGram, NGramState, estimate, load
from foretell.tokenizers import Bytes

TEXTS = [
    "the cat sat on the mat",
    "the cat ate the rat",
    "",
    "a rat sat on a cat",
    "the mat sat",
    "on the mat the cat sat and sat",
] * 3


def build(order: int, prune: Sequence[int] = (0,)) -> NGram:
    tokenizer = Bytes()
    texts = [tokenizer.encode(text).tokens for text in TEXTS]
    trie = estimate(
        texts,
        vocabulary_size=tokenizer.vocabulary_size,
        boundary=tokenizer.boundary,
        order=order,
        prune=prune,
    )
    return NGram(trie, tokenizer)


@pytest.fixture(params=[(1, (0,)), (2, (0,)), (4, (0,)), (4, (0, 0, 1, 4)), (40, (0,))], ids=str)
def model(request: pytest.FixtureRequest) -> NGram:
    return build(*request.param)


def rows(*texts: str) -> tuple[np.ndarray, np.ndarray]:
    """Texts as padded rows (B, T) and lengths (B,); pads are no tokens at all."""
    encoded = [Bytes().encode(text).tokens for text in texts]
    lengths = np.array([len(tokens) for tokens in encoded], np.int32)
    out = np.full((len(texts), lengths.max()), -7, np.int32)
    for row, tokens in zip(out, encoded, strict=True):
        row[: len(tokens)] = tokens
    return out, lengths


def test_fulfils_the_contract(model: NGram) -> None:
    assert isinstance(model, LanguageModel)
    assert isinstance(model, DocumentScorer)
    assert not isinstance(model.begin().state, Truncatable)
    assert model.context is None


def test_distributions_are_normalised(model: NGram) -> None:
    tokens, lengths = rows("the cat sat on zzz\x00 the mat")
    found = model.advance(model.begin().state, tokens, keep=int(lengths[0])).logprobs
    assert found.dtype == np.float32
    assert np.abs(np.exp(found.astype(np.float64)).sum(-1) - 1).max() <= 1e-5
    first = model.begin(3).logprobs
    assert first.shape == (3, 1, 257)
    assert np.abs(np.exp(first.astype(np.float64)).sum(-1) - 1).max() <= 1e-5


def test_reading_in_chunks_is_reading_at_once(model: NGram) -> None:
    tokens, lengths = rows("the cat sat on the")
    width = int(lengths[0])
    whole = model.advance(model.begin().state, tokens, keep=width)
    for split in range(width + 1):
        one = model.advance(model.begin().state, tokens[:, :split], keep=split)
        two = model.advance(one.state, tokens[:, split:], keep=width - split)
        both = np.concatenate([one.logprobs, two.logprobs], axis=1)
        np.testing.assert_array_equal(both, whole.logprobs)
        assert_same_state(two.state, whole.state)


def assert_same_state(one: object, two: object) -> None:
    assert isinstance(one, NGramState)
    assert isinstance(two, NGramState)
    np.testing.assert_array_equal(one.lengths, two.lengths)
    np.testing.assert_array_equal(one.known, two.known)
    for mine, theirs, known in zip(one.history, two.history, one.known, strict=True):
        width = len(mine)
        np.testing.assert_array_equal(mine[width - known :], theirs[width - known :])


def test_scoring_is_gathering_from_distributions(model: NGram) -> None:
    tokens, lengths = rows("the cat sat", "a", "", "zebra on the mat")
    scores = model.score(tokens, lengths=lengths)
    legal = np.where(tokens < 0, 0, tokens)
    expected = score_by_reading(model, legal, lengths=lengths, chunk=5)
    np.testing.assert_array_equal(scores, expected)
    assert (scores[np.arange(tokens.shape[1]) >= lengths[:, None]] == 0).all()


def test_documents_are_scored_as_rows_are(model: NGram) -> None:
    texts = ["the cat sat", "", "on the mat"]
    documents = [Bytes().encode(text).tokens for text in texts]
    for document, found in zip(documents, model.score_documents(documents), strict=True):
        np.testing.assert_array_equal(found, model.score(document[None])[0])
    assert model.score_documents([]) == []


def test_old_states_stay_good(model: NGram) -> None:
    tokens, _ = rows("the cat")
    state = model.advance(model.begin().state, tokens, keep=0).state
    mat, sat = (rows(text)[0] for text in (" mat", " sat"))
    before = model.advance(state, sat).logprobs
    model.advance(state, mat)
    np.testing.assert_array_equal(model.advance(state, sat).logprobs, before)


def test_rows_are_selected_and_joined(model: NGram) -> None:
    tokens, lengths = rows("the c", "a rat", "on the ma")
    state = model.advance(model.begin(3).state, tokens, lengths=lengths).state
    more, _ = rows("at", "sa", "t ")
    each = model.advance(state, more, keep=2)
    for choice in ([2, 0, 0], [1], []):
        chosen = state.select(choice)
        keep = 2 if choice else 0
        step = model.advance(chosen, more[choice], keep=keep)
        np.testing.assert_array_equal(step.logprobs, each.logprobs[choice][:, :keep])
        assert_same_state(step.state, each.state.select(choice))
    joined = state.select([0]).join(state.select([2, 1]))
    np.testing.assert_array_equal(
        model.advance(joined, more[[0, 2, 1]], keep=2).logprobs, each.logprobs[[0, 2, 1]]
    )


def test_ragged_rows_read_as_each_alone(model: NGram) -> None:
    texts = ["the cat sat on", "at", "a rat s"]
    tokens, lengths = rows(*texts)
    together = model.advance(model.begin(3).state, tokens, lengths=lengths, keep=2)
    assert together.state.lengths.tolist() == [15, 3, 8]
    for row, text in enumerate(texts):
        alone = model.advance(model.begin().state, rows(text)[0], keep=2)
        np.testing.assert_array_equal(together.logprobs[row], alone.logprobs[0])


def test_reading_the_boundary_begins_again(model: NGram) -> None:
    tokens, _ = rows("the cat")
    end = np.array([[model.tokenizer.boundary]], np.int32)
    start = model.begin()
    step = model.advance(model.advance(start.state, tokens).state, end)
    np.testing.assert_array_equal(step.logprobs, start.logprobs)
    assert isinstance(step.state, NGramState)
    assert isinstance(start.state, NGramState)
    assert step.state.known.tolist() == start.state.known.tolist()
    assert step.state.lengths.tolist() == [9]
    after = model.advance(step.state, tokens, keep=7).logprobs
    np.testing.assert_array_equal(after, model.advance(start.state, tokens, keep=7).logprobs)


def test_inside_a_text_nothing_is_known() -> None:
    model = build(4)
    step = model.begin(2, mid_text=True)
    assert step.logprobs.shape == (2, 0, 257)
    assert step.state.lengths.tolist() == [0, 0]
    tokens, _ = rows("a ", "a ")  # as a text's beginning, only "a rat" has it
    found = model.advance(step.state, tokens, keep=1).logprobs[0, 0]
    context = np.array([[ord("x"), *tokens[0]]], np.int32)
    expected = model.trie.distributions(context, np.array([[False, True, True]]), 1)[0, 0]
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(found, model.advance(model.begin().state, tokens[:1]).logprobs[0, 0])


def test_matched_orders_say_which_ngram_decided() -> None:
    tokens, lengths = rows("the cat sq", "q")
    found = build(4).matched_orders(tokens, lengths=lengths)
    assert found.tolist() == [[2, 3, 4, 4, 4, 4, 4, 4, 4, 1], [1, *[0] * 9]]


def test_wrong_calls_are_refused() -> None:
    model = build(3)
    state = model.begin().state
    tokens, _ = rows("ab")
    with pytest.raises(TypeError, match="another model"):
        model.advance(build(2).begin().state, tokens)
    with pytest.raises(ValueError, match="keep=3"):
        model.advance(state, tokens, keep=3)
    with pytest.raises(ValueError, match="2 rows of tokens for a state of 1"):
        model.advance(state, np.repeat(tokens, 2, axis=0))
    for token in (-1, 257):
        with pytest.raises(ValueError, match="not in 0"):
            model.score(np.array([[token]]))
    with pytest.raises(ValueError, match="estimate with the tokenizer's own"):
        NGram(estimate([tokens[0]], vocabulary_size=300, boundary=0), Bytes())


def test_a_saved_model_foretells_the_same(model: NGram, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = load(tmp_path)
    assert loaded.trie.recipe == model.trie.recipe
    assert loaded.tokenizer.fingerprint == model.tokenizer.fingerprint
    mapped: object = loaded.trie.orders[0].rows
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    assert isinstance(mapped, mmap)
    tokens, _ = rows("the cat sat on a zebra")
    np.testing.assert_array_equal(loaded.score(tokens), model.score(tokens))
    np.testing.assert_array_equal(
        loaded.advance(loaded.begin().state, tokens, keep=9).logprobs,
        model.advance(model.begin().state, tokens, keep=9).logprobs,
    )
