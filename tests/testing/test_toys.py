"""The toys keep the contract that everything else is tested with."""

import numpy as np
import pytest

from foretell.contracts.errors import ContextExceeded, DamagedModel, ForetellError
from foretell.contracts.language_model import LanguageModel, Truncatable
from foretell.contracts.tokenizer import Tokenizer
from foretell.testing.toys import ToyModel, ToyTokenizer

TOKENIZER = ToyTokenizer("abc 深海", words=("ab", "abc "))


def random_tokens(rows, width, seed=0):
    draws = np.random.default_rng(seed).integers(0, TOKENIZER.vocabulary_size, (rows, width))
    return draws.astype(np.int32)


def test_they_satisfy_the_protocols():
    model = ToyModel(TOKENIZER)
    assert isinstance(TOKENIZER, Tokenizer)
    assert isinstance(model, LanguageModel)
    assert isinstance(model.begin().state, Truncatable)


@pytest.mark.parametrize("text", ["", "ab 深", "abc abcab", "深海深", "x\u00e9深", "\ud800a"])
def test_byte_lengths_add_up_and_text_comes_back(text):
    encoding = TOKENIZER.encode(text)
    assert encoding.byte_lengths.sum() == len(text.encode("utf-8", "surrogatepass"))
    assert TOKENIZER.boundary not in encoding.tokens
    assert TOKENIZER.encode_many([text, text])[1].tokens.tolist() == encoding.tokens.tolist()
    if TOKENIZER.unknown not in encoding.tokens:
        assert TOKENIZER.decode(encoding.tokens) == text


def test_words_win_and_characters_are_split():
    assert len(TOKENIZER.encode("abc ab深").tokens) == 1 + 1 + 3
    assert len(TOKENIZER.encode("é").tokens) == 1  # unknown, whole


def test_all_bytes_are_lossless():
    tokenizer = ToyTokenizer(None)
    assert tokenizer.lossless
    assert not TOKENIZER.lossless
    assert tokenizer.decode(tokenizer.encode("naïve 😀 <boundary>").tokens) == "naïve 😀 <boundary>"


def test_fingerprints_tell_tokenizers_apart():
    assert ToyTokenizer("ab").fingerprint == ToyTokenizer("ab").fingerprint
    assert ToyTokenizer("ab").fingerprint != ToyTokenizer("ab", words=("ab",)).fingerprint


def test_distributions_sum_to_one():
    step = ToyModel(TOKENIZER, order=2).begin(2)
    step = ToyModel(TOKENIZER, order=2).advance(step.state, random_tokens(2, 9), keep=9)
    np.testing.assert_allclose(np.exp(step.logprobs.astype(float)).sum(axis=2), 1, atol=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, None])
def test_chunks_pads_and_neighbours_change_nothing(order):
    model = ToyModel(TOKENIZER, order=order, seed=1)
    tokens = random_tokens(3, 6)
    lengths = np.array([6, 4, 5], np.int32)
    together = model.advance(model.begin(3).state, tokens, lengths=lengths, keep=2)
    for row, length in enumerate(lengths):
        state = model.advance(model.begin().state, tokens[row : row + 1, :2], keep=0).state
        alone = model.advance(state, tokens[row : row + 1, 2:length], keep=2)
        np.testing.assert_array_equal(alone.logprobs[0], together.logprobs[row])
        assert together.state.lengths[row] == length + 1


def test_states_are_values():
    model = ToyModel(TOKENIZER)
    state = model.advance(model.begin(2).state, random_tokens(2, 4)).state
    first = model.advance(state, random_tokens(2, 3, seed=1))
    model.advance(state, random_tokens(2, 3, seed=2))
    again = model.advance(state, random_tokens(2, 3, seed=1))
    np.testing.assert_array_equal(first.logprobs, again.logprobs)
    assert state.lengths.tolist() == [5, 5]


def test_select_join_and_truncate():
    model = ToyModel(TOKENIZER, order=None)
    tokens = random_tokens(2, 4)
    state = model.advance(model.begin(2).state, tokens).state
    mixed = state.select([1, 0, 1]).join(state)
    after = model.advance(mixed, np.zeros((5, 1), np.int32)).logprobs
    np.testing.assert_array_equal(after[[1, 0, 1]], after[[3, 4, 3]])
    short = model.advance(model.begin(2).state, tokens[:, :2]).state
    back = state.truncate(np.array([3, 3], np.int32))
    np.testing.assert_array_equal(
        model.advance(back, tokens[:, 2:], keep=2).logprobs,
        model.advance(short, tokens[:, 2:], keep=2).logprobs,
    )
    with pytest.raises(ValueError, match="cannot truncate"):
        short.truncate(np.array([9, 9], np.int32))
    with pytest.raises(ValueError, match="from 1"):
        short.truncate(np.array([0, 1], np.int32))


def test_reading_the_boundary_begins_a_text():
    model = ToyModel(TOKENIZER, order=None)
    begun = model.begin()
    end = np.array([[0, 1, TOKENIZER.boundary]], np.int32)
    np.testing.assert_array_equal(model.advance(begun.state, end).logprobs, begun.logprobs)


def test_mid_text_has_read_nothing():
    model = ToyModel(TOKENIZER, order=None)
    step = model.begin(2, mid_text=True)
    assert step.logprobs.shape == (2, 0, TOKENIZER.vocabulary_size)
    assert step.state.lengths.tolist() == [0, 0]
    inside = model.advance(step.state, np.zeros((2, 1), np.int32)).logprobs
    outset = model.advance(model.begin(2).state, np.zeros((2, 1), np.int32)).logprobs
    assert not np.array_equal(inside, outset)


def test_context_is_refused_before_reading():
    model = ToyModel(TOKENIZER, context=4)
    state = model.advance(model.begin().state, random_tokens(1, 3)).state
    with pytest.raises(ContextExceeded, match="mid_text"):
        model.advance(state, random_tokens(1, 1))


def test_wrong_calls():
    model = ToyModel(TOKENIZER)
    with pytest.raises(ValueError, match="keep=3"):
        model.advance(model.begin().state, random_tokens(1, 2), keep=3)
    with pytest.raises(ValueError, match="rows of tokens"):
        model.advance(model.begin().state, random_tokens(2, 2))
    with pytest.raises(ValueError, match="tokens must be 0 to"):
        model.advance(model.begin().state, np.array([[-1]], np.int32))
    with pytest.raises(TypeError, match="ToyState"):
        model.advance("state", random_tokens(1, 1))
    with pytest.raises(ForetellError, match="words must differ"):
        ToyTokenizer(words=("",))
    with pytest.raises(ForetellError, match="ending"):
        ToyModel(TOKENIZER, ending=0.0)
    with pytest.raises(ForetellError, match="order"):
        ToyModel(TOKENIZER, order=0)
    with pytest.raises(ForetellError, match="context"):
        ToyModel(TOKENIZER, context=0)


def test_save_and_load(tmp_path):
    model = ToyModel(TOKENIZER, order=None, context=32, seed=5)
    model.save(tmp_path)
    loaded = ToyModel.load(tmp_path)
    tokens = random_tokens(2, 8)
    np.testing.assert_array_equal(model.score(tokens), loaded.score(tokens))
    assert loaded.context == 32
    assert loaded.tokenizer.fingerprint == TOKENIZER.fingerprint


@pytest.mark.parametrize("name", ["table.npy", "toy.json", "tokenizer.json"])
def test_damage_names_the_file(tmp_path, name):
    ToyModel(TOKENIZER).save(tmp_path)
    (tmp_path / name).write_bytes(b"[]")
    with pytest.raises(DamagedModel, match=name):
        ToyModel.load(tmp_path)


def test_a_table_of_another_tokenizer_is_refused(tmp_path):
    ToyModel(TOKENIZER).save(tmp_path)
    ToyTokenizer("ab").save(tmp_path)
    with pytest.raises(DamagedModel, match="does not fit"):
        ToyModel.load(tmp_path)
