"""Choose one token from each distribution.

Randomness is a function of (seed, row key, position) and of nothing else: not of the rows beside,
not of how a text was cut into chunks, not of how many tokens were drafted and thrown away.

    Philox4x64-10                      (Salmon et al. 2011)
    key      [seed, row key]           64 bits each
    counter  [0 ... V/4, 0, position, 0]
    raw 64-bit words, one a token  ->  uniform in (0, 1)  ->  Gumbel noise

The raw words are used, not numpy's distributions, because only the former are the same in every
version of numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError

KEYS = 2**64
"""Seeds, row keys and positions are below this."""


class Picker(Protocol):
    """logprobs (B, V), row keys (B,) and positions (B,) to tokens (B,)."""

    def __call__(
        self, logprobs: NDArray[np.float32], keys: Sequence[int], positions: Sequence[int]
    ) -> NDArray[np.int32]:
        """logprobs (B, V), keys (B,), positions (B,) to tokens (B,)."""
        ...


def gumbel_noise(seed: int, key: int, position: int, size: int) -> NDArray[np.float64]:
    """Standard Gumbel noise (size,) for one row at one position; more of it begins the same.

    position: tokens of the row's text before the one that is picked, the boundary not counted.
    Raises ForetellError for numbers outside 64 bits.

    Good: gumbel_noise(0, key=3, position=17, size=256)
    Bad:  gumbel_noise(-1, key=3, position=17, size=256)
    """
    for name, value in (("seed", seed), ("row key", key), ("position", position)):
        if not 0 <= value < KEYS:
            raise ForetellError(f"a {name} must be from 0 to 2**64 - 1, not {value}")
    words = np.random.Philox(
        key=np.array([seed, key], np.uint64), counter=np.array([0, 0, position, 0], np.uint64)
    ).random_raw(size)
    # 52 bits and a half: with 53 the greatest number would round to 1, and its noise to infinity.
    uniform = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return -np.log(-np.log(uniform))


@dataclass(frozen=True)
class Greedy:
    """The likeliest token, the lowest of those that are equal. Keys and positions are not read."""

    def __call__(
        self, logprobs: NDArray[np.float32], keys: Sequence[int], positions: Sequence[int]
    ) -> NDArray[np.int32]:
        """logprobs (B, V) to tokens (B,)."""
        return logprobs.argmax(axis=1).astype(np.int32)


@dataclass(frozen=True)
class Sample:
    """A draw from each distribution: the greatest of logprob + Gumbel noise.

    Good: Sample(seed=0)(logprobs, keys=[0, 1], positions=[5, 9])
    Bad:  Sample(seed=-1)
    """

    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed < KEYS:
            raise ForetellError(f"a seed must be from 0 to 2**64 - 1, not {self.seed}")

    def __call__(
        self, logprobs: NDArray[np.float32], keys: Sequence[int], positions: Sequence[int]
    ) -> NDArray[np.int32]:
        """logprobs (B, V), keys (B,), positions (B,) to tokens (B,)."""
        picked = np.empty(len(logprobs), np.int32)
        for row, (distribution, key, position) in enumerate(
            zip(logprobs, keys, positions, strict=True)
        ):
            noise = gumbel_noise(self.seed, key, position, len(distribution))
            picked[row] = (distribution + noise).argmax()
        return picked
