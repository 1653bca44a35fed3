"""Reshape distributions before a token is picked. Each transform is a value that takes and gives
normalised logprobs, so that any order of any of them is a transform again.

    B rows, V vocabulary; logprobs (B, V); history: for each row, the tokens before (N,)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError

Distributions = NDArray[np.float32]
"""(B, V) natural logarithms; -inf for a token that cannot be picked."""
History = Sequence[NDArray[np.int32]]
"""B arrays, each (N,): the tokens of a row so far, its prompt included, oldest first."""

FIRST_LOOK = 1024
"""Tokens sorted at first when looking for a nucleus; far cheaper than sorting a vocabulary."""


class Transform(Protocol):
    """Distributions in, distributions out. Never writes to what it was given."""

    def __call__(self, logprobs: Distributions, history: History) -> Distributions:
        """logprobs (B, V) and B histories (N,) to logprobs (B, V)."""
        ...


def normalize(logprobs: NDArray[np.floating]) -> Distributions:
    """Make each row of (B, V) sum to one. Raises ForetellError if a row has nothing left."""
    highest = logprobs.max(axis=1, keepdims=True)
    if not np.isfinite(highest).all():
        raise ForetellError("every token of a distribution is forbidden; forbid fewer tokens")
    shifted = (logprobs - highest).astype(np.float64)
    total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return (shifted - total).astype(np.float32)


@dataclass(frozen=True)
class Temperature:
    """Divide the logprobs: below 1 sharper, above 1 flatter. Picks nothing by itself.

    Good: Temperature(0.7)
    Bad:  Temperature(0.0)      that is the picker Greedy(), not a distribution
    """

    temperature: float

    def __post_init__(self) -> None:
        if not (isfinite(self.temperature) and self.temperature > 0):
            raise ForetellError(
                f"temperature must be more than 0, not {self.temperature}; to always take the "
                "likeliest token pick with Greedy()"
            )

    def __call__(self, logprobs: Distributions, history: History) -> Distributions:
        """logprobs (B, V) to logprobs (B, V)."""
        if self.temperature == 1:
            return logprobs
        highest = logprobs.max(axis=1, keepdims=True)
        # Only after the highest has become 0 may a tiny temperature overflow: to -inf, harmlessly.
        with np.errstate(over="ignore"):
            return normalize((logprobs - highest).astype(np.float64) / self.temperature)


@dataclass(frozen=True)
class TopK:
    """Keep the k likeliest tokens (Fan et al. 2018, section 5.3).

    Good: TopK(40)
    Bad:  TopK(0)
    """

    k: int

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or self.k < 1:
            raise ForetellError(f"top-k must be a whole number from 1, not {self.k}")

    def __call__(self, logprobs: Distributions, history: History) -> Distributions:
        """logprobs (B, V) to logprobs (B, V), k of them finite, or as many as there were."""
        if self.k >= logprobs.shape[1]:
            return logprobs
        # The trap: `logprobs >= kth` keeps every token that ties with the k-th. A back-off model
        # gives thousands of unseen tokens the same probability, and 40 becomes a vocabulary. So
        # k means k, and among equals the lowest token wins, as in argmax: TopK(1) is greedy.
        kth = -np.partition(-logprobs, self.k - 1, axis=1)[:, self.k - 1, None]
        above = logprobs > kth
        equal = logprobs == kth
        room = self.k - above.sum(axis=1, keepdims=True)
        keep = above | (equal & (np.cumsum(equal, axis=1) <= room))
        return normalize(np.where(keep, logprobs, -np.inf))


@dataclass(frozen=True)
class TopP:
    """Keep the likeliest tokens until they hold at least p (Holtzman et al. 2020, section 3.1).

    Good: TopP(0.9)
    Bad:  TopP(90)
    """

    p: float

    def __post_init__(self) -> None:
        _check_share("top-p", self.p)

    def __call__(self, logprobs: Distributions, history: History) -> Distributions:
        """logprobs (B, V) to logprobs (B, V)."""
        # Rounding could reach 1 before the last tokens, which p = 1 promises to keep.
        if self.p == 1:
            return logprobs
        kept = np.full_like(logprobs, -np.inf)
        for row, out in zip(logprobs, kept, strict=True):
            tokens = _nucleus(row, self.p)
            out[tokens] = row[tokens]
        return normalize(kept)


@dataclass(frozen=True)
class MinP:
    """Keep the tokens with at least p times the probability of the likeliest (Nguyen et al. 2024).

    Good: MinP(0.05)
    Bad:  MinP(5)
    """

    p: float

    def __post_init__(self) -> None:
        _check_share("min-p", self.p)

    def __call__(self, logprobs: Distributions, history: History) -> Distributions:
        """logprobs (B, V) to logprobs (B, V)."""
        highest = logprobs.max(axis=1, keepdims=True)
        keep = (logprobs - highest).astype(np.float64) >= np.log(self.p)
        return normalize(np.where(keep, logprobs, -np.inf))


@dataclass(frozen=True)
class Repetition:
    """Raise the probabilities of recent tokens to the power `penalty` (Keskar et al. 2019, CTRL).

    penalty: 1 changes nothing. window: how many of the last tokens of a row count; None: all.
    It knows tokens, not words or phrases, and the boundary like any other token.

    Good: Repetition(1.2, window=64)
    Bad:  Repetition(0.8)
    """

    penalty: float
    window: int | None = 64

    def __post_init__(self) -> None:
        if not (isfinite(self.penalty) and self.penalty >= 1):
            raise ForetellError(f"the repetition penalty must be at least 1, not {self.penalty}")
        if self.window is not None and self.window < 1:
            raise ForetellError(
                f"the repetition window must be at least 1, or None for all, not {self.window}"
            )

    def __call__(self, logprobs: Distributions, history: History) -> Distributions:
        """logprobs (B, V) and B histories (N,) to logprobs (B, V)."""
        if self.penalty == 1:
            return logprobs
        shaped = logprobs.copy()
        for out, tokens in zip(shaped, history, strict=True):
            recent = tokens if self.window is None else tokens[-self.window :]
            # The trap: CTRL divides logits, and a negative logit divided grows. Logprobs are never
            # positive, so one rule serves; each token once, however often it came. A recent token
            # that is certain stays certain.
            seen = np.unique(recent)
            out[seen] *= np.float32(self.penalty)
        return normalize(shaped)


@dataclass(frozen=True)
class Forbid:
    """Never pick these tokens. The unknown token has no text, so `generate` forbids it.

    Good: Forbid((tokenizer.unknown,))
    Bad:  Forbid((-1,))
    """

    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if any(token < 0 for token in self.tokens):
            raise ForetellError(f"tokens to forbid are numbers from 0, not {min(self.tokens)}")

    def __call__(self, logprobs: Distributions, history: History) -> Distributions:
        """logprobs (B, V) to logprobs (B, V). Raises ForetellError if no token is left."""
        if not self.tokens:
            return logprobs
        if max(self.tokens) >= logprobs.shape[1]:
            raise ForetellError(
                f"cannot forbid token {max(self.tokens)}; the vocabulary ends at "
                f"{logprobs.shape[1] - 1}"
            )
        shaped = logprobs.copy()
        shaped[:, list(self.tokens)] = -np.inf
        return normalize(shaped)


def _nucleus(logprobs: NDArray[np.float32], p: float) -> NDArray[np.intp]:
    """Tokens of the nucleus of one distribution (V,); among equals the lowest tokens."""
    candidates = np.arange(len(logprobs))
    if len(logprobs) > FIRST_LOOK:
        least = -np.partition(-logprobs, FIRST_LOOK - 1)[FIRST_LOOK - 1]
        likely = np.flatnonzero(logprobs >= least)
        if np.exp(logprobs[likely].astype(np.float64)).sum() > p:
            candidates = likely
    order = candidates[np.argsort(-logprobs[candidates], kind="stable")]
    mass = np.cumsum(np.exp(logprobs[order].astype(np.float64)))
    # The trap: stopping before the token that crosses p leaves nothing where one token has it all.
    return order[: int(np.searchsorted(mass, p)) + 1]


def _check_share(name: str, p: float) -> None:
    if not 0 < p <= 1:
        raise ForetellError(f"{name} must be more than 0 and at most 1, not {p}")
