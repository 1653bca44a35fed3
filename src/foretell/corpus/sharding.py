"""Work cut into tasks that run in processes on one machine, or on a cluster through Ray.

    run(task, items)      task(items[0])  task(items[1])  ...      results in the order of items

A task is a function of a module, and an item what it can be sent with: paths and numbers. What is
large stands in a work folder that all processes see (on a cluster, a shared disk), as arrays that
appear whole or not at all. So a task that dies is run again, and running one twice does no harm.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError, MissingExtra
from foretell.threads import count_threads

Task = Callable[[Any], Any]
Done = Callable[[], None]
DEATHS = 4
"""Of workers, in one run, before it is given up; from the second on, tasks run one by one, so
that the one that kills its worker takes no others with it."""
PATIENCE = 5.0
"""Seconds to wait for a cluster's answer."""
SMALL = 1 << 16
THREADS = "NUMBA_NUM_THREADS"


class Runner(Protocol):
    """Something that runs tasks."""

    def run(self, task: Task, items: Sequence[Any], done: Done | None = None) -> list[Any]:
        """task(item) of each item, in their order; `done` is called whenever one has ended.

        Raises what a task raises, or ForetellError if workers that run it die again and again.
        """
        ...


class Processes:
    """Runs tasks in processes of this machine. with Processes(2) as runner: ..."""

    def __init__(self, workers: int) -> None:
        self.workers = check_workers(workers)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def run(self, task: Task, items: Sequence[Any], done: Done | None = None) -> list[Any]:
        results: dict[int, Any] = {}
        deaths = 0
        while len(results) < len(items):
            left = [number for number in range(len(items)) if number not in results]
            pool = self._start()
            try:
                asked = {
                    pool.submit(task, items[number]): number
                    for number in (left if deaths < 2 else left[:1])
                }
                self._collect(asked, results, done)
            except BrokenProcessPool:
                self._end()
                deaths += 1
                if deaths > DEATHS:
                    raise _give_up(task, items[left[0]]) from None
            except BaseException:
                self._end()
                raise
        return [results[number] for number in range(len(items))]

    def _collect(
        self, asked: dict[Future[Any], int], results: dict[int, Any], done: Done | None
    ) -> None:
        """Results of all that ended well, even if a worker died beside them."""
        broken = None
        for future in as_completed(asked):
            try:
                results[asked[future]] = future.result()
            except BrokenProcessPool as problem:
                broken = problem
                continue
            if done is not None:
                done()
        if broken is not None:
            raise broken

    def _start(self) -> ProcessPoolExecutor:
        if self._pool is None:
            # Not forked: a fork beside running threads may hold their locks for ever.
            self._pool = ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_share_processors,
                initargs=(threads_for(self.workers),),
            )
        return self._pool

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class Cluster:
    """Runs tasks on a Ray cluster, whose machines see the same disk and have foretell installed.

    address: of a running cluster ("auto" finds it), or None to start Ray on this machine. Raises
    MissingExtra where Ray is not installed, ForetellError if the cluster does not answer.
    """

    def __init__(self, workers: int, address: str | None = None) -> None:
        self.workers = check_workers(workers)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise MissingExtra('a cluster needs Ray: pip install "foretell[cluster]"') from None
        self._ray: Any = ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            quiet |= {"num_cpus": self.workers, "include_dashboard": False}
        try:
            if address is not None:
                _knock(address)
            self._ray.init(address=address or "local", **quiet)
        except (OSError, RuntimeError, ValueError) as problem:
            raise ForetellError(
                f"the cluster at {address or 'this machine'} does not answer "
                f"({str(problem).splitlines()[0][:100]}); start Ray there, or leave the address out"
            ) from None
        threads = threads_for(self.workers) if address is None else 1
        self._call = self._ray.remote(_call).options(
            num_cpus=1, max_retries=DEATHS, runtime_env={"env_vars": {THREADS: str(threads)}}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()

    def run(self, task: Task, items: Sequence[Any], done: Done | None = None) -> list[Any]:
        results: dict[int, Any] = {}
        running: dict[Any, int] = {}
        waiting = list(range(len(items)))[::-1]
        while waiting or running:
            while waiting and len(running) < self.workers:
                number = waiting.pop()
                running[self._call.remote(task, items[number])] = number
            ended, _ = self._ray.wait(list(running), num_returns=1)
            number = running.pop(ended[0])
            results[number] = self._get(ended[0], task, items[number])
            if done is not None:
                done()
        return [results[number] for number in range(len(items))]

    def _get(self, reference: Any, task: Task, item: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as problem:
            raise problem.cause from None
        except (
            self._ray.exceptions.WorkerCrashedError,
            self._ray.exceptions.OutOfMemoryError,
            self._ray.exceptions.NodeDiedError,
        ):
            raise _give_up(task, item) from None


def _knock(address: str) -> None:
    """Raise OSError if nobody listens there, for which Ray itself would look for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


def check_workers(workers: int) -> int:
    """The number, if it can be. Raises ForetellError."""
    if workers < 1:
        raise ForetellError(f"{workers} workers do no work; give at least 1")
    return workers


def threads_for(workers: int) -> int:
    """Threads of each of so many workers that share this machine."""
    return max(1, count_threads() // workers)


def put(path: Path, array: NDArray[Any]) -> None:
    """Write an array (...), of any shape, whole or not at all, in the place of an older one."""
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
        os.replace(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)


def get(path: Path) -> NDArray[Any]:
    """An array that `put` wrote, mapped into memory; what is written into it stays private.

    Raises ForetellError if it is not there.
    """
    try:
        if path.stat().st_size < SMALL:
            return np.asarray(np.load(path, allow_pickle=False))
        # Not read-only, which is another type, for which all that is compiled would be compiled
        # again.
        return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    except FileNotFoundError:
        raise ForetellError(
            f"{path} is missing; the work folder must be one that all workers see"
        ) from None


def _share_processors(threads: int) -> None:
    os.environ[THREADS] = str(threads)


def _call(task: Task, item: Any) -> Any:
    return task(item)


def _give_up(task: Task, item: Any) -> ForetellError:
    name = getattr(task, "__name__", "a task")
    return ForetellError(
        f"workers died {DEATHS + 1} times at {name} ({str(item)[:200]}); if memory was short, "
        "give more shards or fewer workers"
    )
