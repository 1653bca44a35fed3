"""Scores, their evidence and signatures; surprisals and contrasts that add up to them."""

from math import log

import numpy as np
import pytest
import torch

from foretell.contracts.errors import ForetellError, Incomparable
from foretell.contracts.evidence import Evidence
from foretell.evaluation.comparing import measure
from foretell.evaluation.intervals import ratio_interval
from foretell.evaluation.scoring import Reading, read_texts, score_texts, sign
from foretell.evaluation.surprisal import contrasts, surprisals
from foretell.models.mixture import Mixture
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.network import NeuralModel
from foretell.models.ngram import NGram, estimate
from foretell.models.sliding import Sliding
from foretell.tokenizers import Bytes, Characters, Subwords, Words

TEXTS = ["the cat sat on the mat, 床前明月光 ok " * 3, "a dog ate the cat's 123 hats\n" * 4]
HELD_OUT = ["the dog sat on the zebra 床前鹅 é", "hats", "the cat ate"]


def ngram(tokenizer, order=3, texts=TEXTS):
    tokens = [encoding.tokens for encoding in tokenizer.encode_many(texts)]
    size, boundary = tokenizer.vocabulary_size, tokenizer.boundary
    return NGram(estimate(tokens, vocabulary_size=size, boundary=boundary, order=order), tokenizer)


def gpt(tokenizer):
    torch.manual_seed(0)
    sizes = GPT2Sizes(tokenizer.vocabulary_size, context=12, width=16, heads=2, layers=1)
    return NeuralModel(GPT2(sizes), tokenizer)


TOKENIZERS = {
    "bytes": Bytes(),
    "characters": Characters.train(TEXTS),
    "words": Words.train(TEXTS),
    "bpe": Subwords.train(TEXTS, size=280),
}
MODELS = {
    "ngram": ngram,
    "gpt": gpt,
    "mixture": lambda tokenizer: Mixture([ngram(tokenizer), Sliding(gpt(tokenizer))], [1, 2]),
}
PAIRS = [("ngram", kind) for kind in TOKENIZERS]
PAIRS += [("gpt", "words"), ("gpt", "bpe"), ("mixture", "words")]


@pytest.mark.parametrize(("family", "kind"), PAIRS)
@pytest.mark.parametrize("end_of_text", [False, True])
def test_evidence_is_that_of_reading_token_by_token(
    family: str, kind: str, end_of_text: bool
) -> None:
    tokenizer = TOKENIZERS[kind]
    model = MODELS[family](tokenizer)
    reader = model if model.context is None else Sliding(model)
    for text, reading in zip(
        HELD_OUT, read_texts(model, HELD_OUT, end_of_text=end_of_text), strict=True
    ):
        tokens, byte_lengths = tokenizer.encode(text)
        if end_of_text:
            tokens = np.append(tokens, np.int32(tokenizer.boundary))
        step, nats = reader.begin(), []
        for token in tokens:
            nats.append(-float(step.logprobs[0, -1, token]))
            step = reader.advance(step.state, np.array([[token]], np.int32))
        found = reading.evidence
        assert found.nats == pytest.approx(sum(nats), rel=1e-4)
        assert found.tokens == len(tokens) == len(reading.logprobs) == len(reading.byte_lengths)
        assert found.bytes == len(text.encode())
        assert found.characters == len(text)
        assert found.words == len(text.split())
        unknown = np.zeros(0) if kind != "words" else tokens == tokenizer.unknown
        assert found.unknown == unknown.sum()
        spelled = 0 if kind != "words" else byte_lengths[tokenizer.encode(text).tokens == 0].sum()
        assert found.unknown_bytes == spelled
        assert found.spelled_nats == pytest.approx(found.nats + spelled * log(256))


@pytest.mark.parametrize(("family", "kind"), PAIRS)
def test_surprisals_add_up_to_the_score(family: str, kind: str) -> None:
    model = MODELS[family](TOKENIZERS[kind])
    for text in HELD_OUT:
        found = surprisals(model, text)
        (evidence,) = score_texts(model, [text], end_of_text=False)
        assert sum(each.bits for each in found) == pytest.approx(
            evidence.nats / log(2), rel=1e-4, abs=1e-4
        )
        assert sum(each.bytes for each in found) == evidence.bytes
        for each in found:
            assert each.probability == pytest.approx(2**-each.bits, rel=1e-4)
            chances = [chance for _, chance in each.alternatives]
            assert len(chances) == 5
            assert chances == sorted(chances, reverse=True)
            assert each.probability <= chances[0] * 1.0001
            assert each.decided_by.startswith("order ") == (family == "ngram")


def test_surprisals_of_little() -> None:
    model = ngram(TOKENIZERS["bytes"])
    assert surprisals(model, "") == ()
    (one,) = surprisals(model, "t", alternatives=2)
    assert one.text == "t"
    assert len(one.alternatives) == 2
    assert len(surprisals(model, "t", alternatives=10_000)[0].alternatives) == 257


def test_texts_that_differ_are_incomparable() -> None:
    model = ngram(TOKENIZERS["bytes"])
    score = measure(model, HELD_OUT, end_of_text=False)
    for other in (
        measure(model, HELD_OUT[::-1], end_of_text=False),
        measure(model, [*HELD_OUT[:-1], HELD_OUT[-1] + " "], end_of_text=False),
        measure(model, HELD_OUT[:-1], end_of_text=False),
    ):
        with pytest.raises(Incomparable, match="text is"):
            score.against(other)
    with pytest.raises(Incomparable, match="end of text"):
        score.against(measure(model, HELD_OUT, end_of_text=True))


def test_perplexities_of_two_tokenizers_are_incomparable_and_bits_are_not() -> None:
    one, other = ngram(TOKENIZERS["bytes"]), gpt(TOKENIZERS["words"])
    a, b = (measure(model, HELD_OUT, end_of_text=True) for model in (one, other))
    found = a.against(b).interval
    assert found.value == pytest.approx(a.total.bits_per_byte - b.total.bits_per_byte)
    signs = [sign(model, HELD_OUT, end_of_text=True, metric="perplexity") for model in (one, other)]
    with pytest.raises(Incomparable, match="tokenizer"):
        signs[0].check_comparable(signs[1])
    with pytest.raises(Incomparable, match="metric"):
        signs[0].check_comparable(a.signature)


def test_a_signature_names_window_and_overlap() -> None:
    found = sign(gpt(TOKENIZERS["bytes"]), HELD_OUT, end_of_text=True)
    assert (found.window, found.overlap) == (12, 6)
    assert "window:12/6" in str(found)
    assert "window:document" in str(sign(ngram(TOKENIZERS["bytes"]), HELD_OUT, end_of_text=True))


def test_a_score_is_the_ratio_of_its_sums() -> None:
    score = measure(ngram(TOKENIZERS["words"]), HELD_OUT, end_of_text=True)
    assert score.bits_per_byte == ratio_interval(score.bits, score.bytes)
    assert score.bits_per_byte.value == pytest.approx(score.total.bits_per_byte)
    assert score.total.bits_per_byte > score.total.bits_per_byte_unspelled
    assert score.total == Evidence.sum(score.evidence)
    assert score.total.documents == 3
    with pytest.raises(ForetellError):
        _ = measure(ngram(TOKENIZERS["words"]), HELD_OUT[:1], end_of_text=True).bits_per_byte


def reading(text: str, pieces: list[str], bits: list[float]) -> Reading:
    """A reading with bits set by hand, the end of the text charged."""
    assert "".join(pieces) == text
    lengths = np.array([*(len(piece.encode()) for piece in pieces), 0], np.int32)
    logprobs = -np.array([*bits, 3.0], np.float32) * np.float32(log(2))
    (evidence,) = score_texts(ngram(TOKENIZERS["bytes"]), [text], end_of_text=True)
    return Reading(logprobs, lengths, evidence)


def test_contrasts_find_a_planted_word_across_tokenizers() -> None:
    text = "深 the zebra ran"
    whole = reading(text, ["深", " the", " zebra", " ran"], [2, 4, 12, 4])
    letters = reading(text, list(text), [2, 1, 1, 1, 1, 9, 9, 9, 9, 9, 9, 1, 1, 1, 1])
    found = {each.word: each for each in contrasts([text, text], [letters] * 2, [whole] * 2)}
    # 5 letters x 9 bits against 5/6 of a token of 12 bits, in each of two texts.
    assert found["zebra"].bits == pytest.approx(2 * (45 - 10))
    assert found["zebra"].count == 2
    assert "▮zebra▮" in found["zebra"].example
    assert next(iter(found)) == "zebra"
    assert "the" not in found  # 3 bits against 3/4 of 4: neither saved nor lost
    back = contrasts([text, text], [whole] * 2, [letters] * 2)
    assert back[-1].word == "zebra"
    assert back[-1].bits == pytest.approx(-70)


def test_contrasts_between_real_models_find_what_one_was_taught() -> None:
    taught = [*TEXTS, "the zebra and the zebra and a zebra " * 6]
    texts = ["the zebra ate the hat", "on a zebra sat the cat"]
    one = ngram(TOKENIZERS["characters"])
    other = ngram(TOKENIZERS["bpe"], texts=taught)
    readings = [read_texts(model, texts, end_of_text=False) for model in (one, other)]
    found = contrasts(texts, *readings)
    assert found[0].word == "zebra"
    assert found[0].count == 2
    assert found[0].bits > 0


def test_contrasts_split_chinese_by_character_beside_latin_words() -> None:
    text = "用GPT模型"
    one, other = (reading(text, list(text), [bits] * 6) for bits in (5.0, 2.0))
    words = {each.word for each in contrasts([text], [one], [other], most=24)}
    assert words == {"用", "gpt", "模", "型"}
