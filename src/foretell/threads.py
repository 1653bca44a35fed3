"""Work that lets go of the interpreter, in as many threads as this process may use.

What comes out never depends on how many there are: work is cut into pieces that touch different
parts of their results.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

PIECES = 32
"""More than threads, so that none waits long for another's last piece."""
Result = TypeVar("Result")
_here = threading.local()


def count_threads() -> int:
    """Processors that this process may use; NUMBA_NUM_THREADS, if set, is an upper bound."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    most = os.environ.get("NUMBA_NUM_THREADS", "")
    return max(1, min(allowed or 1, int(most) if most.isdigit() else allowed or 1))


def in_threads(work: Callable[..., Result], pieces: Iterable[tuple[int, ...]]) -> list[Result]:
    """work(*piece) for each piece, results in the order of the pieces.

    Within such work it takes no more threads: all processors are busy with the other pieces.
    """
    pieces = list(pieces)
    threads = min(count_threads(), len(pieces))
    if threads <= 1 or getattr(_here, "at_work", False):
        return [work(*piece) for piece in pieces]
    with ThreadPoolExecutor(threads, initializer=_begin_work) as pool:
        return list(pool.map(lambda piece: work(*piece), pieces))


def _begin_work() -> None:
    _here.at_work = True


def cut(starts: NDArray[np.integer], pieces: int = PIECES) -> list[tuple[int, int]]:
    """Cut groups into at most `pieces` runs of groups that hold about as many items each.

    starts (G + 1,) where the items of each group begin, and where the last one's end. Returns
    (first group, last group) of each run, the last not included.
    """
    edges = np.searchsorted(starts, np.linspace(0, starts[-1], pieces + 1)[1:-1])
    groups = np.unique(np.concatenate(([0], edges, [len(starts) - 1])))
    return [(int(first), int(last)) for first, last in pairwise(groups.tolist())]
