"""Parts that layers are made of.

Shape suffixes as in transformer.py.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def angles(places_BT: Tensor, *, size: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (B, 1, T, E / 2) by which rotary positions turn (Su et al. 2021):
    place * base^(-2i / E) for the pair i."""
    speeds = base ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
    turns = places_BT[:, None, :, None].float() * speeds
    return turns.cos(), turns.sin()


def rotate(x_BHTE: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Each pair (i, i + E / 2) turned by its angle, as Llama pairs them."""
    left, right = x_BHTE.chunk(2, dim=-1)
    return torch.cat((left * cosines - right * sines, right * cosines + left * sines), dim=-1)


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
