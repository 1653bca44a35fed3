"""Whole commands, timed from outside, ours and the peer in turn."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.result import say


@dataclass(frozen=True)
class Ran:
    seconds: float
    peak_bytes: int
    """Largest resident set of the process."""
    out: str

    def followed_by(self, other: Ran) -> Ran:
        peak = max(self.peak_bytes, other.peak_bytes)
        return Ran(self.seconds + other.seconds, peak, self.out + other.out)


def run(command: Sequence[str], *, stdin: Path | None = None) -> Ran:
    """One command. Raises RuntimeError if it fails."""
    with tempfile.TemporaryFile() as out, open(stdin or os.devnull, "rb") as into:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=into, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode("utf-8", "replace")
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {said[-300:]}")
    return Ran(seconds, usage.ru_maxrss * 1024, said)


@dataclass(frozen=True)
class Turns:
    """Runs of two ways to do one thing, in turn."""

    ours: tuple[Ran, ...]
    peers: tuple[Ran, ...]

    @property
    def seconds(self) -> tuple[float, float]:
        """Medians."""
        return median(r.seconds for r in self.ours), median(r.seconds for r in self.peers)

    @property
    def ratio(self) -> float:
        """Ours over the peer's, the median of the turns."""
        pairs = zip(self.ours, self.peers, strict=True)
        return median(mine.seconds / theirs.seconds for mine, theirs in pairs)


def in_turn(ours: Callable[[], Ran], peer: Callable[[], Ran], turns: int) -> Turns:
    mine, theirs = [], []
    for turn in range(turns):
        mine.append(ours())
        theirs.append(peer())
        say(f"turn {turn + 1}: {mine[-1].seconds:.2f} s, the peer {theirs[-1].seconds:.2f} s")
    return Turns(tuple(mine), tuple(theirs))
