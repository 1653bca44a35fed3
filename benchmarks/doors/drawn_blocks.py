"""Blocks of every quantisation, worked out by ours and by the `gguf` package, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.interop.gguf_blocks import KINDS, Kind, dequantise

Bytes = NDArray[np.uint8]

HALVES = {
    "Q8_0": (0,),
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
}
"""Bytes of a block at which a float16 stands: its scale, its offset."""
EXTREMES = np.array(
    [0.0, -0.0, 2**-24, -(2**-24), 1023 * 2**-24, 2**-14, -(2**-14), 65504, -65504, 1, -1], "<f2"
)
"""Zeros, the smallest and the largest that are subnormal, the smallest that is not, the largest."""


def compare(count: int, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Of each quantisation, so many blocks of any bytes and as many whose scales are extreme:
    weights that were compared, and how many of them differ in a bit."""
    return {kind.name: _differences(kind, _draw(kind, count, seed)) for kind in KINDS}


def compare_file(path: Path) -> dict[str, Any]:
    """The same of every tensor of a file, as both read it."""
    from gguf import GGUFReader, dequantize

    from foretell.interop.gguf import read_gguf

    ours, weights, apart = read_gguf(path), 0, 0
    for tensor in GGUFReader(path).tensors:
        expected = dequantize(tensor.data, tensor.tensor_type).reshape(-1)
        found = ours.tensor(tensor.name).reshape(-1)
        weights += found.size
        apart += _apart(found, expected)
    return {"tensors": len(ours.tensors), "weights": weights, "apart": apart}


def _draw(kind: Kind, count: int, seed: int) -> Bytes:
    rng = np.random.default_rng((seed, kind.number))
    if kind.name in ("F16", "BF16"):
        return np.arange(1 << 16, dtype="<u2").view(np.uint8)
    count = count if kind.size > 1 else count * 256
    raw = rng.integers(0, 256, (2 * count, kind.width), np.uint8)
    for at in HALVES.get(kind.name, ()):
        raw[count:, at : at + 2] = rng.choice(EXTREMES, (count, 1)).view(np.uint8)
    return raw.reshape(-1)


def _differences(kind: Kind, raw: Bytes) -> dict[str, Any]:
    from gguf import GGMLQuantizationType, dequantize

    with np.errstate(all="ignore"):
        found = dequantise(kind, raw)
        expected = dequantize(raw, GGMLQuantizationType(kind.number)).reshape(-1)
    return {"weights": found.size, "apart": _apart(found, expected)}


def _apart(found: NDArray[np.float32], expected: NDArray[np.float32]) -> int:
    """How many (N,) differ in a bit; what is no number in both is the same, however written."""
    same = found.view(np.uint32) == expected.view(np.uint32)
    return int((~same & ~(np.isnan(found) & np.isnan(expected))).sum())
