"""Mixtures are weighted sums of probabilities, and refuse what cannot be summed."""

from pathlib import Path

import numpy as np
import pytest

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.models.mixture import Mixture, fit_weights
from foretell.models.ngram import NGram, estimate
from foretell.testing.toys import ToyModel, ToyTokenizer
from foretell.tokenizers import Bytes


def toys(count: int = 3) -> list[ToyModel]:
    return [ToyModel(ToyTokenizer(), order=None, seed=seed) for seed in range(count)]


TOKENS = np.array([[0, 3, 2, 5, 1], [4, 4, 0, 2, 2]], np.int32)


def test_it_is_the_weighted_sum() -> None:
    parts = toys()
    mixture = Mixture(parts, [1, 3, 4])
    np.testing.assert_allclose(mixture.weights, [1 / 8, 3 / 8, 4 / 8])

    def everything(model) -> np.ndarray:
        step = model.begin(2)
        rest = model.advance(step.state, TOKENS, keep=5).logprobs
        return np.concatenate([step.logprobs, rest], axis=1).astype(np.float64)

    expected = np.log(sum(w * np.exp(everything(p)) for w, p in zip(mixture.weights, parts)))  # noqa: B905
    np.testing.assert_allclose(everything(mixture), expected, atol=1e-5)
    np.testing.assert_allclose(np.exp(everything(mixture)).sum(-1), 1, atol=1e-5)
    picked = np.take_along_axis(expected[:, :5], TOKENS[..., None].astype(int), 2)[..., 0]
    np.testing.assert_allclose(mixture.score(TOKENS), picked, atol=1e-5)
    documents = mixture.score_documents(list(TOKENS))
    np.testing.assert_allclose(np.stack(documents), picked, atol=1e-5)


def test_a_part_of_weight_zero_and_a_mixture_of_one_change_nothing() -> None:
    parts = toys(2)
    for mixture in (Mixture(parts, [1, 0]), Mixture(parts[:1], [0.3])):
        np.testing.assert_allclose(mixture.score(TOKENS), parts[0].score(TOKENS), atol=1e-6)


@pytest.mark.parametrize("weights", [[1.0], [0, 0], [-1, 2], [float("nan"), 1], [1, float("inf")]])
def test_weights_that_make_no_mixture_are_refused(weights: list[float]) -> None:
    with pytest.raises(ForetellError):
        Mixture(toys(2), weights)


def test_parts_of_two_tokenizers_are_refused() -> None:
    with pytest.raises(ForetellError, match="share one tokenizer"):
        Mixture([ToyModel(ToyTokenizer()), ToyModel(ToyTokenizer("xyz"))], [1, 1])
    with pytest.raises(ForetellError, match="do not make a mixture"):
        Mixture([], [])


def test_the_smallest_window_binds() -> None:
    tokenizer = ToyTokenizer()
    parts = [ToyModel(tokenizer), ToyModel(tokenizer, context=9), ToyModel(tokenizer, context=5)]
    assert Mixture(parts, [1, 1, 1]).context == 5
    assert Mixture(parts[:1], [1]).context is None


def test_mixtures_of_mixtures_come_back_from_a_folder(tmp_path: Path) -> None:
    tokenizer = Bytes()
    tokens = [tokenizer.encode(text).tokens for text in ("the cat sat", "a hat", "床前明月光")]
    grams = [
        NGram(estimate(tokens, vocabulary_size=257, boundary=256, order=order), tokenizer)
        for order in (1, 2, 3)
    ]
    mixture = Mixture([Mixture(grams[:2], [1, 2]), grams[2]], [1, 1])
    models.save(mixture, tmp_path / "model")
    loaded = models.load(tmp_path / "model")
    assert isinstance(loaded, Mixture)
    np.testing.assert_array_equal(loaded.weights, mixture.weights)
    text = tokenizer.encode("the hat 明").tokens[None]
    np.testing.assert_array_equal(loaded.score(text), mixture.score(text))


def test_a_step_of_em_by_hand() -> None:
    # Token 1: 0.5 x 0.8 against 0.5 x 0.2; token 2: 0.5 x 0.1 against 0.5 x 0.3.
    logs = np.log([[0.8, 0.2], [0.1, 0.3]])
    np.testing.assert_allclose(
        fit_weights(logs, np.array([0.5, 0.5])), [(0.8 + 0.25) / 2, (0.2 + 0.75) / 2]
    )


def test_em_bears_impossible_tokens() -> None:
    with np.errstate(divide="ignore"):
        logs = np.log([[0.5, 0.0], [0.5, 0.0], [0.5, 0.9]])
    weights = np.array([0.5, 0.5])
    for _ in range(50):
        weights = fit_weights(logs, weights)
        assert weights.sum() == pytest.approx(1)
        assert np.isfinite(weights).all()
    assert fit_weights(logs, np.array([1.0, 0.0])).tolist() == [1.0, 0.0]
