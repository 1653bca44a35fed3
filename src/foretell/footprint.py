"""How much memory there is, how much of it is free, and the most that this process has held.

A container's limit counts, as Linux tells it.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from time import monotonic

import psutil

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
USES = ("/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory/memory.usage_in_bytes")
PARTS = ("/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat")
"""Where Linux says how much memory a container may have, and has, and of what kind."""
FILES = ("active_file", "inactive_file")
FILES_BELOW = tuple(f"total_{name}" for name in FILES)
"""Copies of files, which give way to programs; in the older Linux, those of all groups below."""
STATUS = "/proc/self/status"
GIVE_BACK_SECONDS, GIVE_BACK_UPDATES = 20.0, 4
"""At least so many between."""
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Numbers of glibc's `mallopt`."""


def whole_memory() -> int:
    """Bytes of this machine, or of the container that this process runs in, if that is less."""
    return _limit() or int(psutil.virtual_memory().total)


def free_memory() -> int:
    """Bytes that programs may still take."""
    free, limit = int(psutil.virtual_memory().available), _limit()
    if limit is None:
        return free
    return min(free, max(0, limit - max(0, (_read(USES) or 0) - _copies_of_files())))


def peak_memory() -> int:
    """Most bytes that this process has had resident; what it has now where no system keeps count.

    Not ru_maxrss, which begins at the parent's.
    """
    try:
        lines = Path(STATUS).read_text("ascii", "replace").splitlines()
    except OSError:
        lines = []
    peaks = (int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    peak = next(peaks, None)
    return int(psutil.Process().memory_info().rss) if peak is None else peak


def give_back_memory() -> None:
    """Return to the system what this process freed. glibc keeps it, in ever more pieces: after one
    training of 365,000 parameters 1,587 MB, of which 681 MB were in use. Elsewhere does nothing."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return


def keep_freed_memory() -> None:
    """Use large pieces again that this process frees. glibc returns each to the system at once, and
    the next one is cleared anew: 7% of the time of training 10M parameters. Elsewhere does
    nothing."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):
        return


class GivenBack:
    """Uses freed memory again in long work, and gives it back now and then, as otherwise such work
    holds ever more of it. docs/decisions/planning.md"""

    def __init__(self) -> None:
        keep_freed_memory()
        self.latest, self.calls = monotonic(), 0

    def now_and_then(self) -> None:
        """To be called after each update, since what is given back is cleared anew in the next."""
        self.calls += 1
        if self.calls >= GIVE_BACK_UPDATES and monotonic() - self.latest > GIVE_BACK_SECONDS:
            give_back_memory()
            self.latest, self.calls = monotonic(), 0


def _limit() -> int | None:
    limit = _read(LIMITS)
    # The older Linux has a number beyond all memory where the newer one has "max".
    return None if limit is None or limit >= psutil.virtual_memory().total else limit


def _copies_of_files() -> int:
    """Bytes of a container's use that are copies of files."""
    for place in PARTS:
        try:
            lines = Path(place).read_text("ascii").splitlines()
        except OSError:
            continue  # Not Linux, or no container.
        counts = {name: int(count) for name, _, count in (line.partition(" ") for line in lines)}
        names = FILES_BELOW if FILES_BELOW[0] in counts else FILES
        return sum(counts.get(name, 0) for name in names)
    return 0


def _read(places: tuple[str, ...]) -> int | None:
    for place in places:
        try:
            said = Path(place).read_text("ascii").strip()
        except OSError:
            continue  # Not Linux, or no container.
        return int(said) if said.isdigit() else None
    return None
