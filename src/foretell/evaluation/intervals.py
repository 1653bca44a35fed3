"""Intervals and comparisons that resample documents, never tokens: tokens of one text go together.

A score is a ratio of sums, bits over bytes. Its interval is the studentised bootstrap of that
ratio (Efron & Tibshirani 1993, ch. 12) with jackknife errors: each resample is measured in its own
standard errors. The error is that of as many documents as those of such unequal sizes are worth
(Kish 1965: the square of the sum over the sum of squares). docs/decisions/intervals.md has the
coverage of this and of what was tried before.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test, t

from foretell.contracts.errors import ForetellError
from foretell.evaluation.results import Interval

RESAMPLES = 4000
FEWEST = 8
"""With fewer documents there are too few different resamples, and Student's t stands alone."""
Floats = NDArray[np.float64]


class Difference(NamedTuple):
    interval: Interval
    p_value: float
    """Of no difference; two-sided, before any correction for many comparisons."""


def ratio_interval(
    parts: Floats, wholes: Floats, *, seed: int = 0, level: float = 0.95
) -> Interval:
    """sum(parts) / sum(wholes) with its interval over documents; both (N,), N at least 2.

    Raises ForetellError with fewer documents.
    """
    if len(parts) < 2:
        raise ForetellError(
            f"{len(parts)} document gives no interval; score at least two, or one cut in passages"
        )
    value = float(parts.sum() / wholes.sum())
    error = float(_standard_error(parts[None], wholes[None])[0])
    if error == 0:
        return Interval(value, value, value)
    tails = [(1 + level) / 2, (1 - level) / 2]
    worth = max(2.0, wholes.sum() ** 2 / (wholes**2).sum())
    wider = sqrt(worth / (worth - 1))
    high, low = t.ppf(tails, worth - 1)
    if len(parts) >= FEWEST:
        deviations = _deviations(parts, wholes, value, error, seed)
        high, low = np.quantile(deviations, tails)
        # Where costs are skewed, the short tail is estimated from few documents, and too short.
        even = np.quantile(np.abs(deviations), level)
        high, low = max(high, (high + even) / 2), min(low, (low - even) / 2)
    return Interval(value, value - float(high) * error * wider, value - float(low) * error * wider)


def _deviations(parts: Floats, wholes: Floats, value: float, error: float, seed: int) -> Floats:
    """How far resamples lie from the value, each in its own standard errors."""
    generator = np.random.default_rng(seed)
    found = []
    for size in _blocks(RESAMPLES, len(parts)):
        rows = generator.integers(0, len(parts), (size, len(parts)))
        drawn, sizes = parts[rows], wholes[rows]
        errors = _standard_error(drawn, sizes)
        # A resample of one document again and again has no error but rounding.
        usable = errors > 1e-9 * error
        found.append((drawn.sum(1) / sizes.sum(1) - value)[usable] / errors[usable])
    return np.concatenate(found)


def paired_difference(a: Floats, b: Floats, wholes: Floats, *, seed: int = 0) -> Difference:
    """(sum(a) - sum(b)) / sum(wholes) over documents that both read; all (N,).

    The p-value is of the paired approximate randomisation test (Noreen 1989): if the two were
    equally good, their scores on a document could as well have been swapped.
    """
    interval = ratio_interval(a - b, wholes, seed=seed)
    if not (a - b).any():
        return Difference(interval, 1.0)
    outcome = permutation_test(
        (a, b),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=9999,
        batch=max(1, 2_000_000 // len(a)),
        rng=np.random.default_rng(seed),
    )
    return Difference(interval, float(outcome.pvalue))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979), in the order given."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected


def _standard_error(parts: Floats, wholes: Floats) -> Floats:
    """Of sum(parts) / sum(wholes), for each row of (R, N): the jackknife, linearised.

    A document that is most of its corpus explains itself, so its residual says too little; it is
    divided by what the other documents leave to be explained.
    """
    total = wholes.sum(1, keepdims=True)
    residuals = parts - parts.sum(1, keepdims=True) / total * wholes
    left = np.maximum(1 - wholes / total, 0.1)
    errors: Floats = np.sqrt(((residuals / left) ** 2).sum(1)) / total[:, 0]
    return errors


def _blocks(total: int, documents: int) -> list[int]:
    """Resamples in blocks that stay within memory."""
    size = max(1, min(total, 2_000_000 // documents))
    return [size] * (total // size) + ([total % size] if total % size else [])
