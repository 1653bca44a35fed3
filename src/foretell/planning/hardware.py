"""What trains: accelerators as their makers rate them, and this machine as measured.

Rates are of dense matrix products; makers also print twice as much, for matrices of which half is
zero. The sources of figures that could not be checked say so.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from foretell.contracts.errors import ForetellError, MissingExtra
from foretell.footprint import whole_memory
from foretell.planning.resources import HALF
from foretell.processor import processor_name

SIDE = 1024
"""Of the matrices whose product is measured."""
REPEATS = 8


@dataclass(frozen=True)
class Device:
    """One rank's worth of machine."""

    name: str
    title: str
    rates: dict[str, float]
    """FLOP/s at its peak, by precision."""
    memory: float
    """Bytes."""
    bandwidth: float | None
    """Bytes a second from memory; None: not measured."""
    watts: float | None
    """None: not known."""
    source: str
    measured: bool = False
    """True of this machine; False of what a maker says."""

    @property
    def fastest(self) -> str:
        """The precision with the highest rate."""
        return max(self.rates, key=lambda precision: self.rates[precision])


ACCELERATORS = (
    Device(
        "h200",
        "NVIDIA H200 SXM",
        {HALF: 989e12, "float32": 66.9e12},
        141e9,
        4.8e12,
        700,
        "NVIDIA H200 data sheet, from memory, not checked; the chip is the H100's",
    ),
    Device(
        "h100",
        "NVIDIA H100 SXM",
        {HALF: 989.4e12, "float32": 66.9e12},
        80e9,
        3.35e12,
        700,
        "NVIDIA H100 data sheet (1,979 TFLOP/s with sparsity)",
    ),
    Device(
        "h100-pcie",
        "NVIDIA H100 PCIe",
        {HALF: 756.5e12, "float32": 51e12},
        80e9,
        2.0e12,
        350,
        "NVIDIA H100 data sheet (1,513 TFLOP/s with sparsity)",
    ),
    Device(
        "a100",
        "NVIDIA A100 SXM 80 GB",
        {HALF: 312e12, "float32": 19.5e12},
        80e9,
        2.039e12,
        400,
        "NVIDIA A100 data sheet",
    ),
    Device(
        "a100-40gb",
        "NVIDIA A100 SXM 40 GB",
        {HALF: 312e12, "float32": 19.5e12},
        40e9,
        1.555e12,
        400,
        "NVIDIA A100 data sheet",
    ),
    Device(
        "v100",
        "NVIDIA V100 SXM2 32 GB",
        {HALF: 125e12, "float32": 15.7e12},
        32e9,
        0.9e12,
        300,
        "NVIDIA V100 data sheet; its 16 bits are float16, bfloat16 it has not",
    ),
    Device(
        "rtx4090",
        "NVIDIA GeForce RTX 4090",
        {HALF: 165.2e12, "float32": 82.6e12},
        24e9,
        1.008e12,
        450,
        "NVIDIA Ada architecture paper, sums in 32 bits",
    ),
    Device(
        "l4",
        "NVIDIA L4",
        {HALF: 121e12, "float32": 30.3e12},
        24e9,
        0.3e12,
        72,
        "NVIDIA L4 data sheet (242 TFLOP/s with sparsity)",
    ),
    Device(
        "t4",
        "NVIDIA T4",
        {HALF: 65e12, "float32": 8.1e12},
        16e9,
        0.32e12,
        70,
        "NVIDIA T4 data sheet; its 16 bits are float16, bfloat16 it has not",
    ),
)


def find_device(name: str) -> Device:
    """By name. Raises ForetellError with all names for one that is not here."""
    for device in ACCELERATORS:
        if device.name == name.lower():
            return device
    names = ", ".join(device.name for device in ACCELERATORS)
    raise ForetellError(f"no figures are known of {name}; choose from {names}")


def measure_machine() -> Device:
    """This machine's processor and memory; takes a second or two, most of it to import PyTorch.

    Knows no GPU: networks here learn on the processor. Raises MissingExtra without PyTorch,
    ForetellError where the system does not say how much memory it has.
    """
    rates = measure_rates()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Device(
        name="this machine",
        title=f"{processor_name()}, {cores} core{'' if cores == 1 else 's'}",
        rates=rates,
        memory=float(whole_memory()),
        bandwidth=None,
        watts=None,
        source=f"measured now: products of matrices {SIDE} by {SIDE} in PyTorch",
        measured=True,
    )


def measure_rates() -> dict[str, float]:
    """FLOP/s of matrix products, by precision, in as many threads as PyTorch takes."""
    try:
        import torch
    except ImportError:
        raise MissingExtra(
            'to measure this machine takes PyTorch: pip install "foretell[neural]"; or name a '
            "device with --gpu"
        ) from None
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(SIDE, SIDE, generator=generator) for _ in range(2))
    rates = {"float32": _rate(first, second, REPEATS)}
    low = first.bfloat16(), second.bfloat16()
    # Without instructions of its own bfloat16 may take a hundred times as long: look once first.
    if _rate(*low, repeats=1) > rates["float32"] / 2:
        rates[HALF] = _rate(*low, REPEATS)
    return rates


def _rate(first: Any, second: Any, repeats: int) -> float:
    """The best of some products, (SIDE, SIDE) each, after one that does not count."""
    best = float("inf")
    for repeat in range(repeats + 1):
        began = time.perf_counter()
        first @ second
        seconds = time.perf_counter() - began
        best = best if repeat == 0 else min(best, seconds)
    return 2.0 * SIDE**3 / best
