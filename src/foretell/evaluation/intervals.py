"""Intervals and comparisons that resample documents, never tokens: tokens of one text go together.

A score is a ratio of sums, bits over bytes. Its interval is the studentised bootstrap of that
ratio (Efron & Tibshirani 1993, ch. 12): each resample is measured in its own standard errors,
which keeps the coverage near 95% where documents are few and of very different lengths.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test

from foretell.contracts.errors import ForetellError
from foretell.evaluation.results import Interval

RESAMPLES = 4000
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
    value = parts.sum() / wholes.sum()
    error = _standard_error(parts[None], wholes[None])[0]
    if error == 0:
        return Interval(float(value), float(value), float(value))
    generator = np.random.default_rng(seed)
    deviations = []
    for size in _blocks(RESAMPLES, len(parts)):
        rows = generator.integers(0, len(parts), (size, len(parts)))
        drawn_parts, drawn_wholes = parts[rows], wholes[rows]
        ratios = drawn_parts.sum(1) / drawn_wholes.sum(1)
        errors = _standard_error(drawn_parts, drawn_wholes)
        usable = errors > 0
        deviations.append((ratios[usable] - value) / errors[usable])
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(deviations), [1 - tail, tail])
    return Interval(float(value), float(value - low * error), float(value - high * error))


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
    """Of sum(parts) / sum(wholes), for each row of (R, N), by linearisation."""
    count = parts.shape[1]
    ratios = parts.sum(1, keepdims=True) / wholes.sum(1, keepdims=True)
    residuals = parts - ratios * wholes
    errors: Floats = np.sqrt(count / (count - 1) * (residuals**2).sum(1)) / wholes.sum(1)
    return errors


def _blocks(total: int, documents: int) -> list[int]:
    """Resamples in blocks that stay within memory."""
    size = max(1, min(total, 2_000_000 // documents))
    return [size] * (total // size) + ([total % size] if total % size else [])
