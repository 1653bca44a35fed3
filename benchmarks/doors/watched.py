"""Many small tasks in processes that may crash, hang or eat memory, each of which is then told.

    for number, report in watch(task, range(1000), seconds=10):
        ...                     {"said": ..., "seconds": ..., "grown": ...} or {"died": "signal 11"}

A process takes many tasks, one after the other; if it dies, the next one goes on after it.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

TASKS = 2000
"""Of one process."""
ROOM = 4 << 30
"""Bytes that a process may take beyond what it has: a blow-up is an error, and no dead machine."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE = 1 << 17
"""Bytes from which memory is the system's own, and given back."""


def watch(
    task: Callable[[int], dict[str, Any]],
    numbers: Sequence[int],
    *,
    seconds: float,
    first: Callable[[], object] = lambda: None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Run the task for each number, in order, after what each process does first.

    A report has `seconds` and `grown` (bytes of resident memory at the highest, above what there
    was before) of the task; or `died`, and why: by a signal, or because it took longer than so
    many seconds.
    """
    at = 0
    while at < len(numbers):
        for report in _one_process(task, numbers[at : at + TASKS], seconds, first):
            yield numbers[at], report
            at += 1


def _one_process(
    task: Callable[[int], dict[str, Any]],
    numbers: Sequence[int],
    seconds: float,
    first: Callable[[], object],
) -> Iterator[dict[str, Any]]:
    reading, writing = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        os.close(reading)
        _work(task, numbers, writing, first)
    os.close(writing)
    done, rest = 0, b""
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while done < len(numbers):
            ready, _, _ = select.select([pipe], [], [], seconds)
            part = pipe.read(1 << 16) if ready else None
            if not part:
                if part is None:
                    os.kill(process, signal.SIGKILL)
                _, status = os.waitpid(process, 0)
                ended = os.waitstatus_to_exitcode(status)
                why = f"took over {seconds:g} s" if part is None else f"signal or code {ended}"
                yield {"died": why}
                return
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                done += 1
                yield json.loads(line)
    os.waitpid(process, 0)


def _work(
    task: Callable[[int], dict[str, Any]],
    numbers: Sequence[int],
    writing: int,
    first: Callable[[], object],
) -> None:
    code = 1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)
        libc.mallopt(M_TRIM_THRESHOLD, LARGE)
        first()
        for number in numbers:
            report = measured(task, number)
            os.write(writing, json.dumps(report).encode() + b"\n")
        code = 0
    finally:
        os._exit(code)


def measured(task: Callable[[int], dict[str, Any]], number: int) -> dict[str, Any]:
    """The report of one task, with its time and what it grew by, in this process."""
    # Five sets the highest resident size back to what there is now.
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = _highest()
    began = time.perf_counter()
    report = task(number)
    report["seconds"] = time.perf_counter() - began - report.pop("apart", 0.0)
    report["grown"] = _highest() - before
    return report


def _highest() -> int:
    """Bytes of resident memory at the highest since it was set back."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10
