"""Do 95% intervals hold the truth 95 times in 100? In simulated corpora, where the truth is known.

A document has a size (bytes) and an effect (bits per byte that it costs more than the average);
effects are drawn apart from sizes with mean zero, so the true ratio is the mean rate. The
difference of two models has their shared effect cancelled and their private effects left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Result, say
from foretell.evaluation import intervals
from foretell.evaluation.results import Interval

Floats = NDArray[np.float64]
Generator = np.random.Generator

CORPORA, QUICK_CORPORA = 1000, 100
RESAMPLES = 1000
BOUNDS = 0.93, 0.97
DOCUMENTS = 20, 50, 200
RATE, DIFFERENCE = 2.0, -0.05
"""True bits per byte, and the true difference of two models."""
SHARED, PRIVATE, TOKEN = 0.4, 0.08, 1.5
"""Standard deviations: of the effect of a document, of what it does to one model alone, and of
a byte's own bits."""
MEAN_BYTES = 2000.0

SIZES: dict[str, Callable[[Generator, int], Floats]] = {
    "equal": lambda generator, n: np.full(n, MEAN_BYTES),
    "lognormal": lambda generator, n: MEAN_BYTES * generator.lognormal(-0.5, 1.0, n),
}
EFFECTS: dict[str, Callable[[Generator, int], Floats]] = {
    "normal": lambda generator, n: generator.standard_normal(n),
    # Skewness 2: a few documents that cost far more than the rest.
    "skewed": lambda generator, n: generator.exponential(1.0, n) - 1.0,
}


@dataclass(frozen=True)
class Regime:
    documents: int
    sizes: str
    effects: str

    @property
    def name(self) -> str:
        return f"{self.documents} documents, {self.sizes} sizes, {self.effects} effects"


def draw(regime: Regime, generator: Generator) -> tuple[Floats, Floats, Floats]:
    """Bits of model a, bits of model b, bytes; each (N,)."""
    count = regime.documents
    sizes = SIZES[regime.sizes](generator, count)
    effect = EFFECTS[regime.effects]
    shared = RATE + SHARED * effect(generator, count)
    private = DIFFERENCE + PRIVATE * effect(generator, count)
    noise = TOKEN * np.sqrt(sizes) * generator.standard_normal(count)
    # Both models stumble over the same bytes: most of that noise is shared too.
    own = 0.3 * TOKEN * np.sqrt(sizes) * generator.standard_normal(count)
    b = sizes * shared + noise
    return b + sizes * private + own, b, sizes


def cover(regime: Regime, corpora: int, seed: int) -> dict[str, float]:
    """Shares of corpora whose intervals hold the truth, and where the others miss."""
    generator = np.random.default_rng(seed)
    hits = {"score": 0, "difference": 0}
    sides = {"below": 0, "above": 0}
    for index in range(corpora):
        a, b, sizes = draw(regime, generator)
        found: dict[str, tuple[Interval, float]] = {
            "score": (intervals.ratio_interval(b, sizes, seed=index), RATE),
            "difference": (
                intervals.paired_difference(a, b, sizes, seed=index).interval,
                DIFFERENCE,
            ),
        }
        for kind, (interval, truth) in found.items():
            hits[kind] += interval.low <= truth <= interval.high
            sides["below"] += interval.high < truth
            sides["above"] += interval.low > truth
    shares = {kind: hit / corpora for kind, hit in hits.items()}
    return {**shares, **{side: count / (2 * corpora) for side, count in sides.items()}}


def measure(*, quick: bool) -> Result:
    corpora = QUICK_CORPORA if quick else CORPORA
    regimes = [Regime(n, s, e) for n in DOCUMENTS for s in SIZES for e in EFFECTS]
    coverage: dict[str, dict[str, float]] = {}
    # The p-value's test takes most of the time and has no part in the interval.
    no_test: Any = lambda *_, **__: SimpleNamespace(pvalue=1.0)  # noqa: E731
    with (
        patch.object(intervals, "RESAMPLES", RESAMPLES),
        patch.object(intervals, "permutation_test", no_test),
    ):
        for seed, regime in enumerate(regimes):
            coverage[regime.name] = found = cover(regime, corpora, seed)
            say(
                f"{regime.name:<48} score {found['score']:.1%}, difference "
                f"{found['difference']:.1%}; truth above {found['below']:.1%}, "
                f"below {found['above']:.1%}"
            )
    shares = [found[kind] for found in coverage.values() for kind in ("score", "difference")]
    low, high = BOUNDS
    return Result(
        met=all(low <= share <= high for share in shares),
        figures={
            "corpora": corpora,
            "resamples": RESAMPLES,
            "monte_carlo_error": sqrt(0.95 * 0.05 / corpora),
            "lowest": min(shares),
            "highest": max(shares),
            "mean": sum(shares) / len(shares),
            "coverage": coverage,
        },
    )
