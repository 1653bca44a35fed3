"""What this machine's processor is called, and by whom it is made, as far as its system says."""

from __future__ import annotations

import platform
from pathlib import Path

TOLD = Path("/proc/cpuinfo")
"""Where Linux says it."""
AMD = "AuthenticAMD"


def processor_name() -> str:
    """Such as `AMD EPYC`."""
    return _told("model name") or platform.processor() or platform.machine()


def is_amd() -> bool:
    """True if AMD made it; Windows names the maker behind the model."""
    return AMD in (_told("vendor_id") or platform.processor())


def _told(field: str) -> str:
    try:
        lines = TOLD.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""  # Not Linux.
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(field))
    return next(found, "")
