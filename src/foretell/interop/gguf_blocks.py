"""Blocks of weights as GGUF files hold them: to float32, and three kinds of them back.

A block has a scale d (and an offset m, or e) in float16, and small whole numbers q:

    Q8_0          32 weights    w = d q                q of 8 bits
    Q4_0  Q5_0    32            w = d (q - 8 or 16)    q of 4 bits, or of 5 with the fifth apart
    Q4_1  Q5_1    32            w = d q + m
    Q4_K  Q5_K    8 x 32        w = (d s) q - (e t)    s and t of each group of 6 bits
    Q6_K          16 x 16       w = (d s) (q - 32)     s of 8 bits

Operations are in the order of ggml, so that results are the same bit for bit. Knows no file and
no tensor. Source: the layouts in ggml-common.h of ggml.

Shapes: N blocks of `size` weights in `width` bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

STRETCH = 1 << 16
"""Weights that are worked out together."""
FIFTH = np.uint8(16)
"""What the fifth bit is worth."""
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """How the weights of a tensor are written."""

    name: str
    number: int
    """In the file."""
    size: int
    """Weights in a block."""
    width: int
    """Bytes in a block."""
    read: Callable[[Bytes], Floats]
    write: Callable[[Floats], Bytes] | None = None


def dequantise(kind: Kind, raw: Bytes) -> Floats:
    """Bytes (N * width,) to weights (N * size,)."""
    blocks = raw.reshape(-1, kind.width)
    weights = np.empty((len(blocks), kind.size), np.float32)
    # A stretch at a time, whose numbers stay near the processor: three times as fast as all.
    stretch = max(1, STRETCH // kind.size)
    for at in range(0, len(blocks), stretch):
        part = blocks[at : at + stretch]
        weights[at : at + stretch] = kind.read(part).reshape(len(part), kind.size)
    return weights.reshape(-1)


def quantise(kind: Kind, weights: Floats) -> Bytes:
    """Weights (N * size,) to bytes (N * width,). Raises ValueError for a kind that is only read."""
    if kind.write is None:
        raise ValueError(f"{kind.name} is read, and not written")
    return kind.write(weights.reshape(-1, kind.size)).reshape(-1)


def _half(raw: Bytes, at: int) -> Floats:
    """The float16 at a byte of each block (N, width), as (N, 1)."""
    return np.ascontiguousarray(raw[:, at : at + 2]).view("<f2").astype(np.float32)


def _nibbles(raw: Bytes) -> Bytes:
    """Bytes (N, K) to (N, 2 K): all low halves, then all high ones."""
    return np.concatenate((raw & 15, raw >> 4), axis=1)


def _fifths(raw: Bytes) -> Bytes:
    """Four bytes (N, 4) to 32 bits (N, 32), each 16 or 0."""
    return np.unpackbits(raw, axis=1, bitorder="little") * FIFTH


def _f32(raw: Bytes) -> Floats:
    return raw.view("<f4").astype(np.float32, copy=False)


def _f16(raw: Bytes) -> Floats:
    return raw.view("<f2").astype(np.float32)


def _bf16(raw: Bytes) -> Floats:
    return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)


def _q8_0(raw: Bytes) -> Floats:
    return _half(raw, 0) * raw[:, 2:].view(np.int8).astype(np.float32)


def _q4_0(raw: Bytes) -> Floats:
    return _half(raw, 0) * (_nibbles(raw[:, 2:]).astype(np.float32) - 8)


def _q4_1(raw: Bytes) -> Floats:
    weights = _nibbles(raw[:, 4:]).astype(np.float32)
    weights *= _half(raw, 0)
    weights += _half(raw, 2)
    return weights


def _q5_0(raw: Bytes) -> Floats:
    numbers = _nibbles(raw[:, 6:]) | _fifths(raw[:, 2:6])
    return _half(raw, 0) * (numbers.astype(np.float32) - 16)


def _q5_1(raw: Bytes) -> Floats:
    numbers = _nibbles(raw[:, 8:]) | _fifths(raw[:, 4:8])
    return _half(raw, 0) * numbers.astype(np.float32) + _half(raw, 2)


def _grouped(raw: Bytes, numbers: Bytes) -> Floats:
    """Q4_K and Q5_K: numbers (N, 8, 32) by the scales and offsets of their groups."""
    low, middle, mixed = (raw[:, at : at + 4] for at in (4, 8, 12))
    scales = np.concatenate((low & 63, (mixed & 15) | (low >> 6 << 4)), axis=1)
    offsets = np.concatenate((middle & 63, (mixed >> 4) | (middle >> 6 << 4)), axis=1)
    by = _half(raw, 0) * scales.astype(np.float32)
    less = _half(raw, 2) * offsets.astype(np.float32)
    return by[:, :, None] * numbers.astype(np.float32) - less[:, :, None]


def _pairs(raw: Bytes) -> Bytes:
    """128 bytes (N, 128) to (N, 8, 32): of each 32 bytes the low halves, then the high ones."""
    each = raw.reshape(len(raw), 4, 1, 32)
    return np.concatenate((each & 15, each >> 4), axis=2).reshape(len(raw), 8, 32)


def _q4_k(raw: Bytes) -> Floats:
    return _grouped(raw, _pairs(raw[:, 16:]))


def _q5_k(raw: Bytes) -> Floats:
    # A bit of each byte for each group.
    fifths = np.unpackbits(raw[:, 16:48, None], axis=2, bitorder="little").transpose(0, 2, 1)
    return _grouped(raw, _pairs(raw[:, 48:]) | fifths * FIFTH)


def _q6_k(raw: Bytes) -> Floats:
    count = len(raw)
    low = raw[:, :128].reshape(count, 2, 1, 64)
    low = np.concatenate((low & 15, low >> 4), axis=2).reshape(count, 2, 4, 32)
    high = raw[:, 128:192].reshape(count, 2, 1, 32) >> np.array([[0], [2], [4], [6]], np.uint8)
    numbers = (low | (high & 3) << 4).reshape(count, 16, 16).astype(np.float32) - 32
    by = _half(raw, 208) * raw[:, 192:208].view(np.int8).astype(np.float32)
    return by[:, :, None] * numbers


def _to_f32(weights: Floats) -> Bytes:
    return weights.astype("<f4").view(np.uint8)


def _to_f16(weights: Floats) -> Bytes:
    return weights.astype("<f2").view(np.uint8)


def _inverse(scales: Floats) -> Floats:
    return np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)


def _to_q8_0(weights: Floats) -> Bytes:
    scales = np.abs(weights).max(axis=1, keepdims=True) / np.float32(127)
    scaled = weights * _inverse(scales)
    # Halves away from zero, as C rounds them.
    numbers = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int8)
    return np.concatenate((_to_f16(scales), numbers.view(np.uint8)), axis=1)


def _to_q4_0(weights: Floats) -> Bytes:
    # The largest, with its sign, becomes -8: the only number that has no counterpart.
    largest = np.take_along_axis(weights, np.abs(weights).argmax(axis=1)[:, None], axis=1)
    scales = largest / np.float32(-8)
    numbers = np.clip(np.trunc(weights * _inverse(scales) + np.float32(8.5)), 0, 15)
    low, high = np.split(numbers.astype(np.uint8), 2, axis=1)
    return np.concatenate((_to_f16(scales), low | high << 4), axis=1)


KINDS = (
    Kind("F32", 0, 1, 4, _f32, _to_f32),
    Kind("F16", 1, 1, 2, _f16, _to_f16),
    Kind("Q4_0", 2, 32, 18, _q4_0, _to_q4_0),
    Kind("Q4_1", 3, 32, 20, _q4_1),
    Kind("Q5_0", 6, 32, 22, _q5_0),
    Kind("Q5_1", 7, 32, 24, _q5_1),
    Kind("Q8_0", 8, 32, 34, _q8_0, _to_q8_0),
    Kind("Q4_K", 12, 256, 144, _q4_k),
    Kind("Q5_K", 13, 256, 176, _q5_k),
    Kind("Q6_K", 14, 256, 210, _q6_k),
    Kind("BF16", 30, 1, 2, _bf16),
)
BY_NUMBER = {kind.number: kind for kind in KINDS}
BY_NAME = {kind.name: kind for kind in KINDS}
