"""How good labels are, and how sure they may be: plain values, with intervals over texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from foretell.contracts.predictor import Label
from foretell.evaluation.intervals import paired_difference, ratio_interval
from foretell.evaluation.results import Interval

AS_GOOD = 0.01
"""Share by which a more costly kind of model has to be better to be chosen."""
BINS = 15
RESAMPLES = 1_000


@dataclass(frozen=True)
class LabelMeasures:
    """Of answers to texts whose labels are known."""

    texts: int
    accuracy: Interval
    macro_f1: float
    """Mean over labels of the harmonic mean of precision and recall; a label that neither stands
    nor was answered does not count."""
    nats: float
    """-ln P of the right label, a text."""
    calibration_error: Interval
    """Of the probability of the answer against how often it is right: `expected_calibration`."""
    chance_error: float
    """The same, on average, of somebody who is right exactly as often as sure on so few texts."""
    floor: float
    """Accuracy of always answering the label that is most frequent here."""
    confusion: dict[str, dict[str, int]]
    """Right label to answered label to count; noughts left out."""


def measure_labels(gold: Sequence[str], answers: Sequence[Label]) -> LabelMeasures:
    """gold: the right labels, in the order of the answers; at least two. A right label that a
    predictor does not know has the probability of 1e-12."""
    values = [answer.value for answer in answers]
    right = np.array([g == v for g, v in zip(gold, values, strict=True)], np.float64)
    sure = np.array([answer.probabilities[answer.value] for answer in answers])
    given = [a.probabilities.get(g, 0.0) for g, a in zip(gold, answers, strict=True)]
    confusion: dict[str, dict[str, int]] = {}
    for g, v in zip(gold, values, strict=True):
        row = confusion.setdefault(g, {})
        row[v] = row.get(v, 0) + 1
    names, counts = np.unique(np.array(gold, object), return_counts=True)
    return LabelMeasures(
        texts=len(gold),
        accuracy=share_interval(right),
        macro_f1=_macro_f1(gold, values),
        nats=-float(np.log(np.maximum(given, 1e-12)).mean()),
        calibration_error=measure_calibration(sure, right),
        chance_error=chance_calibration(sure),
        floor=float(counts.max() / len(gold)) if len(names) else 0.0,
        confusion=confusion,
    )


def behind_best(
    costs: Sequence[float], right: Sequence[NDArray[np.float64]]
) -> list[Interval | None]:
    """How far each of several is behind the best, over the same texts; None of the best itself,
    which is the first of those that cost hardly more than the least: it is smaller and quicker.

    right: (N,) of each, whether its answers are.
    """
    best = next(i for i, cost in enumerate(costs) if cost <= min(costs) * (1 + AS_GOOD))
    ones = np.ones(len(right[best]))
    return [
        None if index == best else paired_difference(each, right[best], ones).interval
        for index, each in enumerate(right)
    ]


def share_interval(is_so: NDArray[np.float64]) -> Interval:
    """Of (N,) noughts and ones; no share is below nothing or above all. Where all are alike,
    resampling knows no doubt, and the interval is the exact one (Clopper & Pearson 1934)."""
    alike, count = is_so[0], len(is_so)
    if alike in (0, 1) and (is_so == alike).all():
        found = binomtest(int(is_so.sum()), count).proportion_ci(method="exact")
        return Interval(float(alike), float(found.low), float(found.high))
    return within_all(ratio_interval(is_so, np.ones(count)))


def within_all(share: Interval) -> Interval:
    """An interval of a share: from nothing to all."""
    return Interval(share.value, max(0.0, share.low), min(1.0, share.high))


def expected_calibration(sure: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Mean distance between how sure answers are and how often they are right, (N,) each, in bins
    of as many answers (Naeini et al. 2015; bins of equal mass as in Nguyen & O'Connor 2015)."""
    order = np.argsort(sure, kind="stable")
    bins = np.array_split(order, min(BINS, len(order)))
    return float(sum(abs((sure[b] - right[b]).sum()) for b in bins) / len(order))


def measure_calibration(sure: NDArray[np.float64], right: NDArray[np.float64]) -> Interval:
    """`expected_calibration` of (N,) each, with an interval. Resamples are farther apart than the
    sample, as chance in a bin never brings the two nearer on average; they are moved back by as
    much."""
    value, chance = expected_calibration(sure, right), np.random.default_rng(0)
    drawn = chance.integers(0, len(sure), (RESAMPLES, len(sure)))
    found = np.array([expected_calibration(sure[rows], right[rows]) for rows in drawn])
    low, high = np.quantile(found - (found.mean() - value), [0.025, 0.975])
    return Interval(value, max(0.0, float(low)), float(high))


def chance_calibration(sure: NDArray[np.float64]) -> float:
    """The same of (N,), on average, of somebody who is right exactly as often as sure."""
    if not sure.size:
        return 0.0
    drawn = np.random.default_rng(0).uniform(size=(RESAMPLES, len(sure))) < sure
    return float(np.mean([expected_calibration(sure, right.astype(float)) for right in drawn]))


def _macro_f1(gold: Sequence[str], values: Sequence[str]) -> float:
    scores = []
    for label in sorted({*gold, *values}):
        both = sum(g == v == label for g, v in zip(gold, values, strict=True))
        asked = sum(g == label for g in gold)
        said = sum(v == label for v in values)
        scores.append(2 * both / (asked + said))
    return float(np.mean(scores))
