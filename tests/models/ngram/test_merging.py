from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.models.ngram import NGram, estimate
from foretell.models.ngram.lines import estimate_lines
from foretell.models.ngram.merging import merge, tune
from foretell.tokenizers import Bytes
from tests.interop.test_arpa import text_of


@pytest.fixture(scope="module")
def pair() -> tuple[NGram, NGram]:
    other = text_of(300, seed=3).replace(b"w1", b"v1") + b"zebra w2 w3\n"
    return estimate_lines(text_of(300), order=3), estimate_lines(other, order=2)


def distribution(model: NGram, words: str) -> dict[bytes, float]:
    tokens = model.tokenizer.encode(words).tokens
    step = model.advance(model.begin().state, tokens[None]) if words else model.begin()
    found = np.exp(step.logprobs[0, -1].astype(np.float64))
    return dict(zip(model.tokenizer.words(), found.tolist(), strict=True))


CONTEXTS = ["", "w0", "w0 w2", "v1", "zebra", "zebra w2", "never", "w1 w0", "w3 w1 v1"]


@pytest.mark.parametrize("kind", ["linear", "loglinear"])
def test_every_distribution_sums_to_one(pair: tuple[NGram, NGram], kind: str) -> None:
    merged = merge(pair, (0.6, 0.4), kind=kind)  # type: ignore[arg-type]
    assert merged.order == 3
    for words in CONTEXTS:
        assert abs(sum(distribution(merged, words).values()) - 1) < 1e-5


def test_log_linear_is_the_product_over_its_sum(pair: tuple[NGram, NGram]) -> None:
    merged = merge(pair, (0.7, 0.5), kind="loglinear")
    for words in CONTEXTS:
        one, other = (distribution(model, words) for model in pair)
        vocabulary = list(merged.tokenizer.words())
        shares = [1 + len(vocabulary) - len(each) for each in (one, other)]

        def part(of: dict[bytes, float], share: int, word: bytes) -> float:
            known = word in of and word != b"<unk>"
            return of[word] if known else of[b"<unk>"] / share

        product = {
            word: part(one, shares[0], word) ** 0.7 * part(other, shares[1], word) ** 0.5
            for word in vocabulary
        }
        whole = sum(product.values())
        found = distribution(merged, words)
        for word in vocabulary:
            np.testing.assert_allclose(found[word], product[word] / whole, rtol=2e-4)


def test_linear_is_the_sum_wherever_an_ngram_is_listed(pair: tuple[NGram, NGram]) -> None:
    merged = merge(pair, (3.0, 1.0))
    one, other = (distribution(model, "w0") for model in pair)
    found = distribution(merged, "w0")
    for word in (b"w0", b"w2", b"</s>"):
        np.testing.assert_allclose(found[word], 0.75 * one[word] + 0.25 * other[word], rtol=1e-4)


def test_one_model_alone_stays_itself(pair: tuple[NGram, NGram]) -> None:
    same = merge((pair[0], pair[0]), (0.5, 0.5))
    for words in ("", "w0", "w0 w2"):
        one, found = distribution(pair[0], words), distribution(same, words)
        np.testing.assert_allclose(list(found.values()), list(one.values()), rtol=1e-4)


def test_tuned_weights_foretell_best(pair: tuple[NGram, NGram]) -> None:
    texts = text_of(60, seed=9).decode().splitlines()
    linear = tune(pair, texts)
    assert abs(sum(linear) - 1) < 1e-9
    assert linear[0] > linear[1]
    powers = tune(pair, texts, kind="loglinear")

    def cost(weights: tuple[float, ...]) -> float:
        merged = merge(pair, weights, kind="loglinear")
        tokens = [encoding.tokens for encoding in merged.tokenizer.encode_many(texts)]
        return -float(np.concatenate(merged.score_documents(tokens)).mean())

    assert cost(powers) < cost((0.5, 0.5))


def test_refuses(pair: tuple[NGram, NGram], tmp_path: Path) -> None:
    with pytest.raises(ForetellError, match="2 or more"):
        merge(pair[:1], (1.0,))
    with pytest.raises(ForetellError, match="weights"):
        merge(pair, (-1.0, 2.0))
    with pytest.raises(ForetellError, match="no text"):
        tune(pair, ["", " "])
    tokenizer = Bytes()
    tokens = [np.array([97, 98, 97], np.int32)] * 3
    letters = NGram(
        estimate(
            tokens,
            vocabulary_size=tokenizer.vocabulary_size,
            boundary=tokenizer.boundary,
            order=2,
        ),
        tokenizer,
    )
    with pytest.raises(ForetellError, match="Mixture"):
        merge((letters, letters), (1.0, 1.0))
