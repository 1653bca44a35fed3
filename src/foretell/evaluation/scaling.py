"""A scaling law fitted to runs of small models, and how far it can be trusted.

    L(N, D) = E + A / N^alpha + B / D^beta

L bits per byte on held-out text, N parameters, D tokens. E is what no model of the kind would
learn, A / N^alpha what is lost for want of parameters, B / D^beta for want of text (Hoffmann et
al. 2022, section 3.3: their third approach; the first two are biased where curves are not
parabolas). Five numbers from a dozen runs: so the fit starts from many places, and every answer
has a band from runs and documents drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from math import exp, expm1, log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls

from foretell.contracts.errors import ForetellError
from foretell.evaluation.results import Interval

DELTA = 1e-3
"""Of the Huber loss on log L, as published: beyond it a run counts by its distance alone."""
EXPONENTS = (0.02, 2.0)
"""Least and greatest; the published ones are 0.34 and 0.28."""
STARTS = (0.1, 0.3, 0.6, 1.2)
"""Exponents from which the fit starts, every pair of them."""
RESAMPLES = 200
FEWEST = 3
"""Different sizes, and different amounts of text, without which a law means nothing."""
REUSE = 15.387756
"""R*: passes after which one more is worth 1/e of a first one (Muennighoff et al. 2023, table
of section 5)."""
Floats = NDArray[np.float64]


def effective_tokens(unique: float, seen: float) -> float:
    """Fresh tokens that `seen` tokens of a text of `unique` ones are worth: U + U R* (1 - exp(-R /
    R*)) with R passes after the first (Muennighoff et al. 2023, equation 5)."""
    again = seen / unique - 1
    return seen if again <= 0 else unique * (1 - REUSE * expm1(-again / REUSE))


@dataclass(frozen=True)
class Law:
    """See the module."""

    floor: float
    """E, in bits per byte."""
    a: float
    alpha: float
    b: float
    beta: float

    def loss(self, parameters: float, tokens: float) -> float:
        """Bits per byte of a model of so many parameters that learned from so many tokens."""
        return self.floor + self.of_size(parameters) + self.of_text(tokens)

    def of_size(self, parameters: float) -> float:
        """Of it, what more parameters could save."""
        return exp(log(self.a) - self.alpha * log(parameters)) if self.a else 0.0

    def of_text(self, tokens: float) -> float:
        """Of it, what more text could save."""
        return exp(log(self.b) - self.beta * log(tokens)) if self.b else 0.0

    def balance(self, tokens: float) -> float:
        """Parameters at which one per cent more of them saves as much as one per cent more text:
        alpha A / N^alpha = beta B / D^beta. A model with fewer gains more from parameters."""
        text = log(self.beta) + log(self.b) - self.beta * log(tokens)
        size = log(self.alpha) + log(self.a) - text
        return exp(min(700.0, size / self.alpha))


@dataclass(frozen=True)
class Runs:
    """R runs and the K documents on which all of them were measured."""

    parameters: Floats
    """(R,)"""
    tokens: Floats
    """(R,), effective ones."""
    bits: Floats
    """(R, K)"""
    bytes: Floats
    """(K,)"""

    @property
    def losses(self) -> Floats:
        """Bits per byte of each run, (R,)."""
        return self.bits.sum(1) / self.bytes.sum()


@dataclass(frozen=True)
class FittedLaw:
    """The law of all runs, and laws of runs and documents drawn again, which make its bands."""

    law: Law
    redrawn: tuple[Law, ...]
    noise: tuple[float, ...]
    """By what factor each run lies off the law, as a logarithm, widened for what five free numbers
    hide."""

    def band(self, question: Callable[[Law], float]) -> Interval:
        """The answer of the law to a question about it, with its 95% band."""
        return _interval(question(self.law), [question(law) for law in self.redrawn])

    def predict(self, parameters: float, tokens: float) -> Interval:
        """Bits per byte of one run to come: the band also holds what runs differ by."""
        chance = np.random.default_rng(0)
        drawn = chance.choice(self.noise, len(self.redrawn))
        found = [law.loss(parameters, tokens) for law in self.redrawn]
        return _interval(self.law.loss(parameters, tokens), np.array(found) * np.exp(drawn))

    def as_dict(self) -> dict[str, Any]:
        laws = [list(astuple(law)) for law in (self.law, *self.redrawn)]
        return {"laws": laws, "noise": list(self.noise)}

    @staticmethod
    def of_dict(content: dict[str, Any]) -> FittedLaw:
        law, *redrawn = (Law(*each) for each in content["laws"])
        return FittedLaw(law, tuple(redrawn), tuple(content["noise"]))


def _interval(value: float, found: Any) -> Interval:
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(value, min(value, float(low)), max(value, float(high)))


def fit_law(parameters: Floats, tokens: Floats, losses: Floats) -> Law:
    """The law of runs, all (R,). Raises ForetellError if there are too few different ones."""
    _check(parameters, tokens)
    return _fit(np.log(parameters), np.log(tokens), losses, _starts(parameters, tokens, losses))


def fit_with_bands(runs: Runs, *, resamples: int = RESAMPLES, seed: int = 0) -> FittedLaw:
    """The law with its bands. Raises as `fit_law` does."""
    law = fit_law(runs.parameters, runs.tokens, runs.losses)
    expected = [law.loss(n, d) for n, d in zip(runs.parameters, runs.tokens, strict=True)]
    count = len(expected)
    noise = np.log(runs.losses / expected) * np.sqrt(count / max(1, count - 5))
    sizes, texts = np.log(runs.parameters), np.log(runs.tokens)
    start = [np.array([log(law.floor), log(law.a), log(law.b), law.alpha, law.beta])]
    redrawn = []
    for rows, weights in _redraw(runs, resamples, np.random.default_rng(seed)):
        losses = runs.bits[rows] @ weights / (runs.bytes @ weights)
        redrawn.append(_fit(sizes[rows], texts[rows], losses, start))
    return FittedLaw(law, tuple(redrawn), tuple(noise.tolist()))


def _check(parameters: Floats, tokens: Floats) -> None:
    if min(len(np.unique(parameters)), len(np.unique(tokens))) < FEWEST or len(tokens) < 6:
        raise ForetellError(
            f"a law needs six runs or more, of {FEWEST} sizes and {FEWEST} amounts of text at "
            "least; give a larger budget"
        )


def _redraw(
    runs: Runs, resamples: int, chance: np.random.Generator
) -> Iterator[tuple[NDArray[np.intp], Floats]]:
    """Runs (R,) and how often each document is among those drawn (K,). Draws in which a law would
    have nothing to stand on are not given."""
    count, documents = runs.bits.shape
    while resamples:
        rows = np.asarray(chance.integers(0, count, count), np.intp)
        weights = np.bincount(chance.integers(0, documents, documents), minlength=documents)
        try:
            _check(runs.parameters[rows], runs.tokens[rows])
        except ForetellError:
            continue
        resamples -= 1
        yield rows, weights.astype(np.float64)


def _starts(parameters: Floats, tokens: Floats, losses: Floats) -> list[Floats]:
    """(5,) each: log E, log A, log B, alpha, beta. With the exponents given, the rest is least
    squares."""
    starts = []
    for alpha in STARTS:
        for beta in STARTS:
            parts = np.stack([np.ones_like(losses), parameters**-alpha, tokens**-beta], 1)
            scale = parts.max(0)
            found, _ = nnls(parts / scale / losses[:, None], np.ones_like(losses))
            e, a, b = np.log(np.maximum(found, 1e-4 * losses.mean()) / scale)
            starts.append(np.array([e, a, b, alpha, beta]))
    return starts


def _fit(sizes: Floats, texts: Floats, losses: Floats, starts: list[Floats]) -> Law:
    """sizes, texts: logarithms, (R,). The best of the fits from all starts."""
    targets = np.log(losses)
    # About their means, coefficients and exponents do not pull at one another.
    size, text = sizes.mean(), texts.mean()
    bounds = [(-20, 5), (-20, 5), (-20, 5), EXPONENTS, EXPONENTS]
    best, least = None, np.inf
    for start in starts:
        e, a, b, alpha, beta = start
        found = minimize(
            _objective,
            np.array([e, a - alpha * size, b - beta * text, alpha, beta]),
            args=(sizes - size, texts - text, targets),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 500, "ftol": 1e-9, "gtol": 1e-8},
        )
        if found.fun < least:
            best, least = found.x, found.fun
    assert best is not None
    e, a, b, alpha, beta = (float(each) for each in best)
    return Law(exp(e), exp(a + alpha * size), alpha, exp(b + beta * text), beta)


def _objective(
    place: Floats, sizes: Floats, texts: Floats, targets: Floats
) -> tuple[float, Floats]:
    """Huber loss of log L in units of DELTA, and its gradient (5,)."""
    e, a, b, alpha, beta = place
    terms = np.stack([np.full_like(sizes, e), a - alpha * sizes, b - beta * texts])
    top = terms.max(0)
    shares = np.exp(terms - top)
    total = shares.sum(0)
    off = (top + np.log(total) - targets) / DELTA
    pull = np.clip(off, -1, 1)
    value = np.where(np.abs(off) <= 1, 0.5 * off**2, np.abs(off) - 0.5).sum()
    weights = shares / total * pull / DELTA
    gradient = np.array([*weights.sum(1), -(weights[1] * sizes).sum(), -(weights[2] * texts).sum()])
    return float(value), gradient
