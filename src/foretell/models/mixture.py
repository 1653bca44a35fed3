"""Models made of models: P(w | ...) = sum of weights[i] * P_i(w | ...), so mass stays one.

All parts read the same tokens. A part with a window comes in wrapped in `Sliding`, so that the
others keep their whole history.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import (
    LanguageModel,
    Lengths,
    LogProbs,
    Parametric,
    State,
    Step,
    Tokens,
    full_lengths,
    score_documents,
)


@dataclass(frozen=True)
class MixtureState:
    """The parts' states, side by side."""

    lengths: Lengths
    parts: tuple[State, ...]

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> MixtureState:
        rows = np.asarray(rows, np.int64)
        return MixtureState(self.lengths[rows], tuple(part.select(rows) for part in self.parts))

    def join(self, other: MixtureState) -> MixtureState:
        pairs = zip(self.parts, other.parts, strict=True)
        return MixtureState(
            np.concatenate([self.lengths, other.lengths]), tuple(a.join(b) for a, b in pairs)
        )


class Mixture:
    """Linear interpolation (Jelinek & Mercer 1980) with fixed weights.

    Good: Mixture([ngram, Sliding(gpt)], [0.3, 0.7])
    Bad:  Mixture([of_bytes, of_words], [0.5, 0.5])      different tokens: ForetellError
    """

    family = "mixture"

    def __init__(self, parts: Sequence[LanguageModel], weights: Sequence[float]) -> None:
        """weights: one a part, at least 0; they are divided by their sum."""
        if len(parts) != len(weights) or not parts:
            raise ForetellError(
                f"{len(parts)} parts and {len(weights)} weights do not make a mixture"
            )
        if len({part.tokenizer.fingerprint for part in parts}) > 1:
            names = ", ".join(part.tokenizer.name for part in parts)
            raise ForetellError(f"parts of a mixture must share one tokenizer; these have {names}")
        whole = np.asarray(weights, np.float64)
        if (whole < 0).any() or not np.isfinite(whole).all() or whole.sum() <= 0:
            raise ForetellError(f"weights must be 0 or more, and not all 0; got {list(weights)}")
        self.parts = tuple(parts)
        self.weights = whole / whole.sum()
        self.tokenizer = parts[0].tokenizer
        limits = [part.context for part in parts if part.context is not None]
        self.context = min(limits, default=None)

    @property
    def parameters(self) -> int:
        """Of the networks among the parts."""
        return sum(part.parameters for part in self.parts if isinstance(part, Parametric))

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        return self._mix([part.begin(rows, mid_text=mid_text) for part in self.parts])

    def advance(
        self, state: MixtureState, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        pairs = zip(self.parts, state.parts, strict=True)
        return self._mix([p.advance(s, tokens, lengths=lengths, keep=keep) for p, s in pairs])

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        scores = self._blend([part.score(tokens, lengths=lengths) for part in self.parts])
        real = np.arange(tokens.shape[1]) < full_lengths(tokens, lengths)[:, None]
        return np.where(real, scores, np.float32(0))

    def score_documents(self, documents: Sequence[NDArray[np.int32]]) -> list[NDArray[np.float32]]:
        """ln P of each token (T,) of each document."""
        columns = [score_documents(part, documents) for part in self.parts]
        return [self._blend(list(scores)) for scores in zip(*columns, strict=True)]

    def _mix(self, steps: list[Step]) -> Step:
        logprobs = self._blend([step.logprobs for step in steps])
        states = tuple(step.state for step in steps)
        return Step(logprobs, MixtureState(states[0].lengths, states))

    def _blend(self, logs: list[NDArray[np.float32]]) -> LogProbs:
        """ln of the weighted sum of exp; arrays of one shape."""
        with np.errstate(divide="ignore"):
            heavy = np.log(self.weights)
        total = heavy[0] + logs[0].astype(np.float64)
        for weight, each in zip(heavy[1:], logs[1:], strict=True):
            np.logaddexp(total, weight + each, out=total)
        return total.astype(np.float32)

    def save(self, folder: Path) -> None:
        for index, part in enumerate(self.parts):
            (folder / f"part-{index}").mkdir()
            models.write(part, folder / f"part-{index}")
        content = {"weights": self.weights.tolist()}
        (folder / "mixture.json").write_text(json.dumps(content, indent=2) + "\n")


def load(folder: Path) -> Mixture:
    """The mixture that `save` wrote into a folder."""
    weights = json.loads((folder / "mixture.json").read_text("utf-8"))["weights"]
    parts = [models.load(folder / f"part-{index}") for index in range(len(weights))]
    return Mixture(parts, weights)


def fit_weights(logs: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """One step of EM: ln P of N tokens by each part (N, P) and weights (P,) to better weights.

    The likelihood never falls (Dempster et al. 1977), and is concave: there is one maximum.
    """
    with np.errstate(divide="ignore"):
        joint = logs + np.log(weights)
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True)).mean(axis=0)
