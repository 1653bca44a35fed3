"""Parts that layers are made of.

Shape suffixes as in transformer.py; P pairs of a head, E / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Stretch:
    """Rotary positions slowed down, so that a model reads more than it was first trained on."""

    factor: float
    """By which slow pairs, or all, turn more slowly."""
    original: int | None = None
    """Tokens that it was first trained on; None: all pairs are slowed alike (Chen et al. 2023)."""
    low: float = 1.0
    high: float = 4.0
    """Pairs that turn less than low times over the original length are slowed, those that turn
    more than high times are not, and between them it is a matter of degree (Llama 3.1)."""


def speeds(size: int, base: float, stretch: Stretch | None = None) -> Tensor:
    """Radians by which each of the pairs (E / 2,) of a head turns from one place to the next."""
    # In the order of operations of `transformers`: far from the beginning, a last bit counts.
    plain = 1.0 / base ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    if stretch is None:
        return plain
    if stretch.original is None:
        return plain / stretch.factor
    turns = stretch.original / (2 * pi / plain)
    kept = ((turns - stretch.low) / (stretch.high - stretch.low)).clamp(0, 1)
    return (1 - kept) * plain / stretch.factor + kept * plain


def angles(places_BT: Tensor, speeds_P: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (B, 1, T, P) by which rotary positions turn (Su et al. 2021)."""
    turns = places_BT[:, None, :, None].float() * speeds_P
    return turns.cos(), turns.sin()


def rotate(x_BHTE: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Each pair (i, i + E / 2) turned by its angle, as Llama pairs them."""
    left, right = x_BHTE.chunk(2, dim=-1)
    return torch.cat((left * cosines - right * sines, right * cosines + left * sines), dim=-1)


def within(segments_BT: Tensor) -> Tensor:
    """(B, 1, T, T) whether a token may see another: of its own segment, and not after it."""
    width = segments_BT.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    return ((segments_BT[:, :, None] == segments_BT[:, None, :]) & causal)[:, None]


def unit(x: Tensor) -> Tensor:
    """(..., D) of mean zero and mean square one: a layer norm without weights.

    PyTorch's norm by the root mean square takes seven times as long on a processor.
    """
    return F.layer_norm(x, x.shape[-1:])


def square_relu(x: Tensor) -> Tensor:
    """relu(x)^2 (So et al. 2021); keeps one tensor for the gradient, PyTorch would two."""
    out: Tensor = _SquareRelu.apply(x)
    return out


class _SquareRelu(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        positive = x.relu()
        context.save_for_backward(positive)
        return positive * positive

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (positive,) = context.saved_tensors
        return (gradient * positive).mul_(2)
