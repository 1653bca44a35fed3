"""What this machine is, for plans and for the record."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from foretell.contracts.errors import ForetellError
from foretell.footprint import whole_memory
from foretell.processor import processor_name

PACKAGES = ("foretell", "numpy", "scipy", "tokenizers", "torch")


def has_networks() -> bool:
    """True if PyTorch is installed; does not import it."""
    return find_spec("torch") is not None and find_spec("safetensors") is not None


def count_threads(asked: int | None) -> int:
    """Cores to use. Raises ForetellError for fewer than one."""
    if asked is not None and asked < 1:
        raise ForetellError(f"threads must be 1 or more, not {asked}")
    return asked or len(os.sched_getaffinity(0))


def set_threads(asked: int | None, *, processes: int = 1) -> None:
    """Let PyTorch use so many cores; all if None, shared with other processes of the same run."""
    threads = max(1, count_threads(asked) // (processes if asked is None else 1))
    if has_networks():
        import torch

        torch.set_num_threads(threads)


def describe_machine(asked: int | None) -> dict[str, str]:
    """Processor, cores used, memory, system."""
    return {
        "processor": processor_name(),
        "threads": str(count_threads(asked)),
        "memory": f"{whole_memory() / 2**30:.0f} GiB",
        "system": platform.platform(terse=True),
    }


def describe_versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
