"""Blocks of GGUF: bit for bit what the `gguf` package makes of them."""

import numpy as np
import pytest
from gguf import GGMLQuantizationType, quants
from numpy.typing import NDArray

from foretell.interop.gguf_blocks import BY_NAME, BY_NUMBER, KINDS, Kind, dequantise, quantise

NAMED = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
WRITTEN = [kind for kind in KINDS if kind.write is not None]


def draw(kind: Kind, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Blocks of any bytes: scales that are no numbers too."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, count * kind.width, np.uint8)


def bits(weights: NDArray[np.float32]) -> NDArray[np.uint32]:
    """What is no number counts as one value; there are many ways to write it."""
    return np.where(np.isnan(weights), np.float32(np.nan), weights).view(np.uint32)


@NAMED
def test_weights_are_those_of_the_package(kind: Kind) -> None:
    raw = draw(kind, 500)
    with np.errstate(all="ignore"):
        found = dequantise(kind, raw)
        expected = quants.dequantize(raw, GGMLQuantizationType(kind.number))
    assert found.shape == (500 * kind.size,)
    assert found.dtype == np.float32
    assert np.array_equal(bits(found), bits(expected))


@NAMED
def test_kinds_are_called_as_the_package_calls_them(kind: Kind) -> None:
    assert GGMLQuantizationType(kind.number).name == kind.name
    assert BY_NUMBER[kind.number] is BY_NAME[kind.name] is kind


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.name)
def test_what_is_written_is_what_the_package_writes(kind: Kind) -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(400, kind.size)).astype(np.float32)
    weights *= 10.0 ** rng.integers(-4, 4, (400, 1))
    weights[7] = 0
    raw = quantise(kind, weights.reshape(-1))
    expected = quants.quantize(weights, GGMLQuantizationType(kind.number)).view(np.uint8)
    assert np.array_equal(raw, expected.reshape(-1))


@pytest.mark.parametrize(("name", "apart"), [("F32", 0), ("F16", 2**-10), ("Q8_0", 0.005)])
def test_weights_come_back_nearly(name: str, apart: float) -> None:
    kind = BY_NAME[name]
    weights = np.random.default_rng(2).normal(size=64 * kind.size).astype(np.float32)
    found = dequantise(kind, quantise(kind, weights))
    largest = np.abs(weights.reshape(-1, kind.size)).max(axis=1)
    off = np.abs((found - weights).reshape(-1, kind.size)).max(axis=1)
    assert (off <= apart * largest).all()


def test_a_kind_that_is_only_read_says_so() -> None:
    with pytest.raises(ValueError, match="Q6_K is read, and not written"):
        quantise(BY_NAME["Q6_K"], np.zeros(256, np.float32))
