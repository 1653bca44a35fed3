"""Intervals and p-values against brute force and cases known by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.contracts.errors import ForetellError
from foretell.evaluation.intervals import holm, paired_difference, ratio_interval


def draw(count: int, seed: int, *, ratio: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    wholes = generator.integers(50, 500, count).astype(float)
    return ratio * wholes + generator.normal(0, 1, count) * wholes**0.5 * 3, wholes


def test_the_value_is_a_ratio_of_sums() -> None:
    interval = ratio_interval(np.array([1.0, 8.0, 6.0]), np.array([1.0, 2.0, 2.0]))
    assert interval.value == 3.0  # and not the mean of 1, 4 and 3


def test_it_is_the_studentised_bootstrap() -> None:
    """The textbook's loop, one resample at a time, with other draws: the ends agree to sampling
    error. Then each tail is drawn half way out to the symmetric one."""
    parts, wholes = draw(30, 1)
    found = ratio_interval(parts, wholes)

    def error(p: np.ndarray, w: np.ndarray) -> float:
        ratio, squares = p.sum() / w.sum(), 0.0
        for one, size in zip(p, w, strict=True):
            squares += ((one - ratio * size) / (1 - size / w.sum())) ** 2
        return float(np.sqrt(squares) / w.sum())

    generator = np.random.default_rng(99)
    value, own = parts.sum() / wholes.sum(), error(parts, wholes)
    deviations = []
    for _ in range(4000):
        rows = generator.integers(0, len(parts), len(parts))
        p, w = parts[rows], wholes[rows]
        deviations.append((p.sum() / w.sum() - value) / error(p, w))
    high, low = np.quantile(deviations, [0.975, 0.025])
    even = np.quantile(np.abs(deviations), 0.95)
    worth = wholes.sum() ** 2 / (wholes**2).sum()
    own *= np.sqrt(worth / (worth - 1))
    assert found.value == pytest.approx(value)
    assert found.low == pytest.approx(value - max(high, (high + even) / 2) * own, abs=0.15 * own)
    assert found.high == pytest.approx(value - min(low, (low - even) / 2) * own, abs=0.15 * own)


def test_coverage_is_near_what_it_says() -> None:
    truth, hits, runs = 2.0, 0, 150
    for seed in range(runs):
        interval = ratio_interval(*draw(12, seed), seed=seed)
        hits += interval.low <= truth <= interval.high
    assert 0.89 <= hits / runs <= 0.995


def test_equal_documents_have_no_width() -> None:
    interval = ratio_interval(np.full(5, 4.0), np.full(5, 2.0))
    assert interval.value == interval.low == interval.high == 2.0


def test_it_is_keyed_by_its_seed_and_wider_at_a_higher_level() -> None:
    parts, wholes = draw(20, 3)
    assert ratio_interval(parts, wholes) == ratio_interval(parts, wholes)
    assert ratio_interval(parts, wholes) != ratio_interval(parts, wholes, seed=1)
    wide, narrow = (ratio_interval(parts, wholes, level=level) for level in (0.99, 0.8))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_two_documents_that_differ_have_an_interval_with_width() -> None:
    """Or a refusal: certainty is the one wrong answer."""
    try:
        interval = ratio_interval(np.array([1.0, 8.0]), np.array([1.0, 2.0]))
    except ForetellError:
        return
    assert interval.low < 3.0 < interval.high


@pytest.mark.parametrize("count", [3, 4, 5])
def test_few_documents_give_no_absurd_interval(count: int) -> None:
    """A resample of one document repeated has no error, up to rounding, and must not count."""
    for seed in range(20):
        parts, wholes = draw(count, seed)
        try:
            interval = ratio_interval(parts, wholes, seed=seed)
        except ForetellError:
            continue
        assert interval.high - interval.low < 1e4


def test_one_document_gives_no_interval() -> None:
    with pytest.raises(ForetellError, match="at least two"):
        ratio_interval(np.array([3.0]), np.array([1.0]))
    with pytest.raises(ForetellError, match="at least two"):
        paired_difference(np.array([3.0]), np.array([2.0]), np.array([1.0]))


@pytest.mark.parametrize("seed", range(4))
def test_the_p_value_is_that_of_all_swaps(seed: int) -> None:
    generator = np.random.default_rng(seed)
    a, wholes = generator.normal(5, 1, 9), np.full(9, 10.0)
    b = a + generator.normal(0.3, 0.5, 9)
    differences = a - b
    sums = [float((differences * signs).sum()) for signs in product([1, -1], repeat=9)]
    extreme = sum(abs(each) >= abs(differences.sum()) - 1e-12 for each in sums)
    found = paired_difference(a, b, wholes)
    assert found.p_value == pytest.approx(extreme / len(sums))
    assert found.interval.value == pytest.approx(differences.sum() / wholes.sum())


def test_many_documents_are_sampled_near_the_normal_value() -> None:
    from scipy.stats import norm

    generator = np.random.default_rng(5)
    differences = generator.normal(0.1, 1, 200)
    b = generator.normal(10, 1, 200)
    z = differences.sum() / np.sqrt((differences**2).sum())
    expected = 2 * norm.sf(abs(z))
    found = paired_difference(b + differences, b, np.ones(200))
    assert found.p_value == pytest.approx(expected, abs=0.02)


def test_a_clear_difference_and_none() -> None:
    a, wholes = draw(40, 2)
    clear = paired_difference(a + 0.5 * wholes, a, wholes)
    assert clear.p_value < 0.001
    assert clear.interval.value == pytest.approx(0.5)
    assert clear.interval.low > 0
    swapped = paired_difference(a, a + 0.5 * wholes, wholes)
    assert swapped.interval.value == pytest.approx(-0.5)
    none = paired_difference(a, a.copy(), wholes)
    assert none.p_value == 1.0
    assert none.interval.low == none.interval.value == none.interval.high == 0.0


def test_pairing_sees_what_separate_intervals_do_not() -> None:
    a, wholes = draw(40, 6)
    generator = np.random.default_rng(0)
    b = a + 0.02 * wholes + generator.normal(0, 0.5, 40)
    paired = paired_difference(b, a, wholes).interval
    alone = ratio_interval(a, wholes)
    assert paired.low > 0
    assert paired.high - paired.low < (alone.high - alone.low) / 2


def test_holm_by_hand() -> None:
    # 0.01 x 4 = 0.04; 0.02 x 3 = 0.06; 0.03 x 2 = 0.06; 0.2 x 1.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.04, 0.04, 0.04]) == pytest.approx([0.12, 0.12, 0.12])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([0.3]) == [0.3]


@given(st.lists(st.floats(0, 1), max_size=10))
def test_holm_corrects_upward_and_keeps_the_order(p_values: list[float]) -> None:
    corrected = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, corrected, strict=True))
    assert all(q <= min(1.0, p * len(p_values)) for p, q in zip(p_values, corrected, strict=True))
    ranked = sorted(range(len(p_values)), key=lambda i: p_values[i])
    ordered = [corrected[index] for index in ranked]
    assert ordered == sorted(ordered)
