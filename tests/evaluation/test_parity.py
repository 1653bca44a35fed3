"""Two models against each other: the same, another, and one that reads other tokens."""

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.evaluation.parity import compare_models
from foretell.models.ngram import NGram, estimate
from foretell.tokenizers import Bytes, Characters

TEXTS = ["the cat sat on the mat, 床前明月光 " * 8, "a dog"]


def ngram(order: int, tokenizer) -> NGram:
    tokens = [encoding.tokens for encoding in tokenizer.encode_many(TEXTS)]
    size, boundary = tokenizer.vocabulary_size, tokenizer.boundary
    return NGram(estimate(tokens, vocabulary_size=size, boundary=boundary, order=order), tokenizer)


def test_a_model_equals_itself() -> None:
    found = compare_models(ngram(3, Bytes()), ngram(3, Bytes()), TEXTS)
    assert (found.largest, found.largest_anywhere, found.equal_choices) == (0.0, 0.0, 1.0)
    assert found.tokens == sum(len(text.encode()) for text in TEXTS)
    assert found.worse == 0.0


def test_how_far_another_one_is_off_is_what_scoring_says() -> None:
    one, other = ngram(3, Bytes()), ngram(1, Bytes())
    found = compare_models(one, other, TEXTS)
    scores = [
        [model.score(Bytes().encode(text).tokens[None])[0] for text in TEXTS]
        for model in (one, other)
    ]
    apart = max(np.abs(a - b).max() for a, b in zip(*scores, strict=True))
    assert found.largest == pytest.approx(apart, abs=1e-5)
    assert found.largest_anywhere >= found.largest - 1e-5
    assert found.equal_choices < 0.9
    bits = [-sum(s.sum() for s in each) / np.log(2) / found.tokens for each in scores]
    assert found.bits_per_byte == pytest.approx(bits, rel=1e-5)


def test_other_tokens_are_refused() -> None:
    with pytest.raises(ForetellError, match="other tokens"):
        compare_models(ngram(2, Bytes()), ngram(2, Characters.train(TEXTS)), TEXTS)
    with pytest.raises(ForetellError, match="no text"):
        compare_models(ngram(2, Bytes()), ngram(2, Bytes()), [""])


def test_a_text_longer_than_a_context_is_read_to_its_end_in_pieces() -> None:
    one, other = ngram(3, Bytes()), Short(ngram(3, Bytes()))
    found = compare_models(one, other, TEXTS)
    assert found.tokens == sum(len(text.encode()) for text in TEXTS)
    assert found.largest == 0.0


class Short:
    """A model of little context."""

    family, context = "short", 16

    def __init__(self, inner: NGram) -> None:
        self.inner, self.tokenizer = inner, inner.tokenizer

    def begin(self, rows=1, *, mid_text=False):
        return self.inner.begin(rows, mid_text=mid_text)

    def advance(self, state, tokens, *, lengths=None, keep=1):
        assert state.lengths.max() + tokens.shape[1] <= self.context
        return self.inner.advance(state, tokens, lengths=lengths, keep=keep)
