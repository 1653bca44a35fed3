import numpy as np
import pytest

from foretell.contracts.predictor import Label
from foretell.tasks.measures.labels import expected_calibration, measure_labels, share_interval


def answer(value: str, sure: float) -> Label:
    other = "b" if value == "a" else "a"
    return Label(value, {value: sure, other: 1 - sure})


def test_measures_by_hand() -> None:
    gold = ["a", "a", "b", "b", "b"]
    answers = [answer(value, 0.8) for value in ("a", "b", "b", "b", "a")]
    found = measure_labels(gold, answers)
    assert found.accuracy.value == pytest.approx(0.6)
    assert found.floor == pytest.approx(0.6)
    # a: 1 of 2 right, 2 said; b: 2 of 3 right, 3 said.
    assert found.macro_f1 == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.nats == pytest.approx(-(3 * np.log(0.8) + 2 * np.log(0.2)) / 5)
    assert found.confusion == {"a": {"a": 1, "b": 1}, "b": {"b": 2, "a": 1}}
    assert found.calibration_error.low <= found.calibration_error.value


def test_those_who_are_as_right_as_sure_are_calibrated() -> None:
    chance = np.random.default_rng(0)
    sure = chance.uniform(0.5, 1, 4_000)
    right = (chance.uniform(size=4_000) < sure).astype(float)
    assert expected_calibration(sure, right) < 0.03
    assert expected_calibration(np.minimum(1, sure + 0.2), right) > 0.08
    answers = [answer("a", s) for s in sure[:600]]
    gold = ["a" if r else "b" for r in right[:600]]
    found = measure_labels(gold, answers)
    # So few bins are apart by chance, and what chance does is told.
    assert found.calibration_error.low < found.chance_error < found.calibration_error.high


def test_thirty_of_thirty_are_not_all_there_are() -> None:
    all_right = share_interval(np.ones(30))
    assert all_right.high == all_right.value == 1
    # 0.025 of the time thirty of so many are right: 0.884 ** 30.
    assert all_right.low == pytest.approx(0.025 ** (1 / 30))
    none_right = share_interval(np.zeros(30))
    assert none_right.low == none_right.value == 0
    assert none_right.high == pytest.approx(1 - 0.025 ** (1 / 30))
