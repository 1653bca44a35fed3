import json

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.evaluation.forecast import ScaledRun, Scaling, write_count
from foretell.evaluation.scaling import (
    REUSE,
    FittedLaw,
    Law,
    Runs,
    effective_tokens,
    fit_law,
    fit_with_bands,
)

TRUE = Law(floor=1.2, a=20.0, alpha=0.35, b=60.0, beta=0.4)
SIZES = np.repeat([5e4, 1.5e5, 4e5, 1e6], 4)
TEXTS = np.tile([1.7e5, 3.4e5, 6.8e5, 1.4e6], 4)
LOSSES = np.array([TRUE.loss(n, d) for n, d in zip(SIZES, TEXTS, strict=True)])
BEYOND = 4e6, 2.8e6


def noisy(seed: int, noise: float = 0.004) -> Runs:
    """Runs off the law by about so much, on 30 documents that are not equally hard."""
    chance = np.random.default_rng(seed)
    sizes = chance.uniform(1500, 2500, 30)
    hard = 1 + chance.normal(0, 0.05, 30)
    hard *= sizes.sum() / (sizes * hard).sum()
    off = np.exp(chance.normal(0, noise, len(LOSSES)))
    return Runs(SIZES, TEXTS, (LOSSES * off)[:, None] * sizes * hard, sizes)


def test_a_law_without_noise_is_found() -> None:
    found = fit_law(SIZES, TEXTS, LOSSES)
    for name in ("floor", "a", "alpha", "b", "beta"):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=1e-4)


def test_hoffmanns_own_constants_are_found_at_their_own_scale() -> None:
    published = Law(1.69, 406.4, 0.34, 410.7, 0.28)
    sizes, texts = (
        np.repeat(np.geomspace(7e7, 1.6e10, 5), 4),
        np.tile(np.geomspace(1e9, 1e12, 4), 5),
    )
    losses = np.array([published.loss(n, d) for n, d in zip(sizes, texts, strict=True)])
    found = fit_law(sizes, texts, losses)
    assert found.alpha == pytest.approx(0.34, rel=1e-3)
    assert found.beta == pytest.approx(0.28, rel=1e-3)
    assert found.floor == pytest.approx(1.69, rel=1e-3)


def test_one_run_that_went_wrong_hardly_moves_it() -> None:
    wrong = LOSSES.copy()
    wrong[5] *= 1.2
    found = fit_law(SIZES, TEXTS, wrong)
    assert found.loss(*BEYOND) == pytest.approx(TRUE.loss(*BEYOND), rel=0.005)


def test_bands_cover() -> None:
    covered, gains, errors = 0, 0, []
    true = TRUE.loss(*BEYOND)
    gain = TRUE.loss(1e6, 2.8e6) - TRUE.loss(1e6, 1.4e6)
    for seed in range(8):
        fitted = fit_with_bands(noisy(seed), resamples=40, seed=seed)
        foretold = fitted.predict(*BEYOND)
        band = fitted.band(lambda law: law.loss(1e6, 2.8e6) - law.loss(1e6, 1.4e6))
        covered += foretold.low <= true <= foretold.high
        gains += band.low <= gain <= band.high
        errors.append(abs(foretold.value / true - 1))
    assert covered >= 7
    assert gains >= 7
    assert np.median(errors) < 0.03


def test_more_noise_makes_wider_bands() -> None:
    widths = []
    for noise in (0.001, 0.02):
        foretold = fit_with_bands(noisy(3, noise), resamples=40).predict(*BEYOND)
        widths.append(foretold.high - foretold.low)
    assert widths[1] > 1.5 * widths[0]


def test_the_balance_is_where_both_buy_as_much() -> None:
    tokens = 1.4e6
    size = TRUE.balance(tokens)
    here = TRUE.loss(size, tokens)
    parameters = TRUE.loss(size * 1.001, tokens) - here
    text = TRUE.loss(size, tokens * 1.001) - here
    assert parameters == pytest.approx(text, rel=1e-2)


@pytest.mark.parametrize("kept", [slice(0, 8), slice(0, 16, 4), slice(0, 5)])
def test_too_few_different_runs_are_refused(kept: slice) -> None:
    with pytest.raises(ForetellError, match="a law needs six runs"):
        fit_law(SIZES[kept], TEXTS[kept], LOSSES[kept])


def test_passes_are_worth_less_and_less() -> None:
    assert effective_tokens(100, 50) == 50
    assert effective_tokens(100, 100) == 100
    # Muennighoff et al. 2023: four passes are worth almost as much as fresh text, forty are not.
    assert 370 < effective_tokens(100, 400) < 380
    assert effective_tokens(100, 4000) < 1600
    assert effective_tokens(100, 1e9) == pytest.approx(100 * (1 + REUSE))


def scaling() -> Scaling:
    measured = noisy(1)
    runs = tuple(
        ScaledRun(int(n), int(d), 1, float(loss), 1.0)
        for n, d, loss in zip(SIZES, TEXTS, measured.losses, strict=True)
    )
    fitted = fit_with_bands(measured, resamples=40)
    return Scaling(
        *("text", "f", 0, "gpt", "BPE 1k", "t", 1_400_000, 4_000_000, 1, 1024, "s"), runs, fitted
    )


def test_answers_are_about_the_largest_model_on_all_of_the_text() -> None:
    answers = scaling().answer()
    assert (answers.parameters, answers.tokens) == (1_000_000, 1_400_000)
    assert answers.now.value == pytest.approx(TRUE.loss(1e6, 1.4e6), rel=0.01)
    assert answers.both.value == pytest.approx(
        answers.more_text.value + answers.more_parameters.value
    )
    assert answers.both.value < answers.more_text.value < 0


def test_what_is_written_is_read_back() -> None:
    made = scaling()
    assert Scaling.of_dict(json.loads(json.dumps(made.as_dict()))) == made
    assert isinstance(made.fitted, FittedLaw)


def test_a_check_says_how_far_off_it_was() -> None:
    made = scaling()
    foretold = made.fitted.predict(4e6, 1.4e6).value
    check = made.check(4_000_000, 1024, 1_400_000, foretold / 1.01)
    assert check.error == pytest.approx(0.01)
    assert not check.note
    assert not made.check(4_000_000, 1024, 1_400_000, 2 * foretold).inside
    assert "4,096 tokens" in made.check(4_000_000, 4096, 1_400_000, 1.0).note


@pytest.mark.parametrize(
    ("count", "said"), [(49_152, "49k"), (921_600, "0.92M"), (3_686_400, "3.7M"), (385_000, "385k")]
)
def test_counts_are_short(count: int, said: str) -> None:
    assert write_count(count) == said
