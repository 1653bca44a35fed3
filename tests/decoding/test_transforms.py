import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.decoding.transforms import (
    FIRST_LOOK,
    Forbid,
    MinP,
    Repetition,
    Temperature,
    TopK,
    TopP,
    normalize,
)

NONE = [np.array([], np.int32)]


def logs(*probabilities):
    with np.errstate(divide="ignore"):
        return np.log(np.array([probabilities], np.float32))


def kept(logprobs):
    return np.flatnonzero(np.isfinite(logprobs[0])).tolist()


def random_logprobs(rows, size, seed=0):
    return normalize(np.random.default_rng(seed).normal(0, 3, (rows, size)).astype(np.float32))


def test_temperature_is_a_power():
    got = np.exp(Temperature(0.5)(logs(0.1, 0.3, 0.6), NONE))
    np.testing.assert_allclose(got[0], np.array([0.01, 0.09, 0.36]) / 0.46, rtol=1e-5)


def test_temperature_to_zero_is_the_likeliest():
    logprobs = random_logprobs(4, 50)
    for tiny in (1e-3, 1e-30, 1e-308):
        cold = np.exp(Temperature(tiny)(logprobs, NONE * 4))
        np.testing.assert_allclose(cold.max(axis=1), 1, atol=1e-6)
        np.testing.assert_array_equal(cold.argmax(axis=1), logprobs.argmax(axis=1))


def test_top_k_keeps_the_k_likeliest():
    assert kept(TopK(2)(logs(0.1, 0.4, 0.2, 0.3), NONE)) == [1, 3]
    logprobs = random_logprobs(1, 200)
    assert kept(TopK(17)(logprobs, NONE)) == sorted(np.argsort(-logprobs[0])[:17].tolist())
    np.testing.assert_array_equal(TopK(500)(logprobs, NONE), logprobs)


def test_top_k_means_k_where_tokens_tie():
    assert kept(TopK(3)(logs(0.1, 0.5, 0.1, 0.1, 0.1, 0.1), NONE)) == [0, 1, 2]
    assert kept(TopK(1)(logs(0.25, 0.25, 0.25, 0.25), NONE)) == [0]
    assert kept(TopK(3)(logs(0.5, 0.5, 0.0, 0.0, 0.0), NONE)) == [0, 1]


def test_top_p_keeps_the_smallest_set_that_reaches_p():
    distribution = logs(0.1, 0.4, 0.2, 0.3)
    assert kept(TopP(0.65)(distribution, NONE)) == [1, 3]
    assert kept(TopP(0.71)(distribution, NONE)) == [1, 2, 3]
    assert kept(TopP(1e-9)(distribution, NONE)) == [1]
    assert kept(TopP(1.0)(distribution, NONE)) == [0, 1, 2, 3]
    assert kept(TopP(0.9)(logs(1.0, 0.0), NONE)) == [0]


@pytest.mark.parametrize("scale", [0.0, 0.3, 6.0])
def test_top_p_with_a_first_look_equals_sorting_all(scale):
    draws = np.random.default_rng(3).normal(0, scale, (1, 4 * FIRST_LOOK))
    logprobs = normalize(draws.round(1).astype(np.float32))  # rounded, so that many tie
    for p in (0.2, 0.9, 0.999):
        order = np.argsort(-logprobs[0], kind="stable")
        mass = np.cumsum(np.exp(logprobs[0][order].astype(float)))
        slow = order[: int((mass < p).sum()) + 1]
        assert kept(TopP(p)(logprobs, NONE)) == sorted(slow.tolist())


def test_min_p_keeps_a_share_of_the_likeliest():
    distribution = logs(0.1, 0.4, 0.15, 0.35)
    assert kept(MinP(0.3)(distribution, NONE)) == [1, 2, 3]
    assert kept(MinP(1.0)(distribution, NONE)) == [1]


def test_repetition_squares_what_was_seen_in_the_window():
    history = [np.array([0, 2, 2, 1], np.int32)]
    distribution = logs(0.1, 0.4, 0.2, 0.3)
    got = np.exp(Repetition(2.0, window=3)(distribution, history))
    want = np.array([0.1, 0.16, 0.04, 0.3])
    np.testing.assert_allclose(got[0], want / want.sum(), rtol=1e-5)
    got = np.exp(Repetition(2.0, window=None)(distribution, history))
    want = np.array([0.01, 0.16, 0.04, 0.3])
    np.testing.assert_allclose(got[0], want / want.sum(), rtol=1e-5)


def test_repetition_reads_each_rows_own_history():
    two = np.repeat(logs(0.5, 0.5), 2, axis=0)
    got = Repetition(2.0)(two, [np.array([0], np.int32), np.array([], np.int32)])
    assert got[0, 0] < got[0, 1]
    assert got[1, 0] == got[1, 1]


def test_forbidden_tokens_get_nothing():
    got = np.exp(Forbid((1,))(logs(0.2, 0.5, 0.3), NONE))
    np.testing.assert_allclose(got[0], [0.4, 0.0, 0.6], rtol=1e-5)
    assert Forbid(())(logs(1.0), NONE)[0, 0] == 0


@pytest.mark.parametrize(
    "transform",
    [Temperature(0.3), TopK(5), TopP(0.7), MinP(0.1), Repetition(1.7), Forbid((0, 3))],
    ids=repr,
)
def test_every_transform_is_normalised_rowwise_and_leaves_its_input_alone(transform):
    logprobs = random_logprobs(3, 40)
    history = [np.array([1, 5], np.int32), np.array([], np.int32), np.array([39], np.int32)]
    before = logprobs.copy()
    got = transform(logprobs, history)
    np.testing.assert_array_equal(logprobs, before)
    assert got.dtype == np.float32
    np.testing.assert_allclose(np.exp(got.astype(float)).sum(axis=1), 1, atol=1e-5)
    for row in range(3):
        alone = transform(logprobs[row : row + 1], history[row : row + 1])
        np.testing.assert_array_equal(alone[0], got[row])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Temperature(0.0), "more than 0"),
        (lambda: Temperature(float("nan")), "more than 0"),
        (lambda: TopK(0), "whole number from 1"),
        (lambda: TopK(2.5), "whole number from 1"),
        (lambda: TopP(90), "at most 1"),
        (lambda: TopP(0.0), "more than 0"),
        (lambda: MinP(5), "at most 1"),
        (lambda: Repetition(0.8), "at least 1"),
        (lambda: Repetition(1.2, window=0), "at least 1"),
        (lambda: Forbid((-1,)), "from 0"),
        (lambda: Forbid((2,))(logs(0.5, 0.5), NONE), "ends at 1"),
        (lambda: Forbid((0, 1))(logs(0.5, 0.5), NONE), "forbid fewer"),
    ],
)
def test_refusals_are_one_line_and_say_the_range(build, message):
    with pytest.raises(ForetellError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)
