"""What this machine is, for plans and for the record."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import psutil

from foretell.contracts.errors import ForetellError

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


def free_memory() -> int:
    """Bytes that programs may still take; a container's limit counts, as Linux tells it."""
    free = int(psutil.virtual_memory().available)
    try:
        limit, used = (
            Path("/sys/fs/cgroup", name).read_text().strip()
            for name in ("memory.max", "memory.current")
        )
    except OSError:
        return free
    return free if limit == "max" else min(free, int(limit) - int(used))


def describe_machine(asked: int | None) -> dict[str, str]:
    """Processor, cores used, memory, system."""
    name = platform.processor() or platform.machine()
    memory = 0
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((x.split(":")[1].strip() for x in file if x.startswith("model name")), name)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        pass  # Not Linux: the name that Python knows will do.
    return {
        "processor": name,
        "threads": str(count_threads(asked)),
        "memory": f"{memory / 2**30:.0f} GiB" if memory else "unknown",
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
