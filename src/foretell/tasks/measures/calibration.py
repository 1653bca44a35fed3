"""From scores to answers: how sure they may be is one number, fitted on examples that were not
learned from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from foretell.contracts.predictor import Label

Floats = NDArray[np.float64]


class Sureness(NamedTuple):
    """A temperature, as its inverse (Guo et al. 2017)."""

    factor: float
    """By which scores are multiplied before they become probabilities."""
    nats: float
    """-ln P of the right answer then, an example."""


def fit_sureness(scores: Floats, gold: NDArray[Any]) -> Sureness:
    """scores: (N, K); gold: (N,) numbers of the right answers."""
    found = minimize_scalar(
        lambda t: mean_nats(scores * np.exp(t), gold), bounds=(-3.0, 1.0), method="bounded"
    )
    return Sureness(float(np.exp(found.x)), float(found.fun))


def mean_nats(scores: Floats, gold: NDArray[Any]) -> float:
    """-ln P of the right answer, the mean over (N, K) scores."""
    return -float(log_softmax(scores, 1)[np.arange(len(gold)), gold].mean())


def as_labels(shares: Floats, labels: Sequence[str]) -> list[Label]:
    """Answers of probabilities (N, K)."""
    return [
        Label(labels[best], dict(zip(labels, row, strict=True)))
        for row, best in zip(shares.tolist(), shares.argmax(1), strict=True)
    ]
