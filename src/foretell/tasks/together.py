"""Several predictors of the same labels as one: what each says, weighed.

    ln P(label) = w1 ln P1(label) + w2 ln P2(label) + ... - ln Z

A weight a predictor, fitted on examples that none of them learned from (a logarithmic opinion pool;
Hinton 2002).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import softmax

from foretell import tasks
from foretell.contracts.predictor import Label, LabelPredictor
from foretell.tasks.measures.calibration import as_labels, mean_nats

LEAST = 1e-12
"""Probability below which nobody is more sure."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Together:
    """See the module."""

    parts: tuple[LabelPredictor, ...]
    weights: tuple[float, ...]

    rung = tasks.TOGETHER

    @property
    def labels(self) -> Sequence[str]:
        return self.parts[0].labels

    def predict(self, texts: Sequence[str]) -> list[Label]:
        return self.pool(
            np.stack([log_shares(part.predict(texts), self.labels) for part in self.parts])
        )

    def pool(self, said: Floats) -> list[Label]:
        """said: (P, N, K) ln P of the parts."""
        shares = softmax(np.tensordot(self.weights, said, 1), axis=1)
        return as_labels(shares, self.labels)


def log_shares(answers: Sequence[Label], labels: Sequence[str]) -> Floats:
    """(N, K) ln P of every label."""
    shares = [[answer.probabilities[label] for label in labels] for answer in answers]
    return np.log(np.maximum(np.array(shares), LEAST))


def weigh(parts: Sequence[LabelPredictor], said: Floats, gold: NDArray[Any]) -> Together:
    """said: (P, N, K) ln P of the parts, of examples whose labels are numbers gold (N,)."""
    found = minimize(
        lambda weights: mean_nats(np.tensordot(weights, said, 1), gold),
        np.full(len(parts), 1 / len(parts)),
        bounds=[(0.0, 4.0)] * len(parts),
        method="L-BFGS-B",
    )
    return Together(tuple(parts), tuple(float(weight) for weight in found.x))
