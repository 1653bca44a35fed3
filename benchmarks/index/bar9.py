"""Ray with 4 shards and 2 workers: the same bytes as one process; and so with a worker killed."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks.index.text import text_of
from benchmarks.result import Result, say
from foretell import models
from foretell.contracts.errors import MissingExtra
from foretell.corpus.sharding import Cluster, Runner
from foretell.models.ngram.lines import Settings, estimate_lines
from foretell.models.ngram.sharded import estimate_in_shards
from foretell.models.ngram.smoothing import Smoothing

WORDS, QUICK_WORDS = 10_000_000, 1_000_000
ORDER, SHARDS, WORKERS = 5, 4, 2
MIDDLE = 3
"""The stage in which a worker is killed: ranges are merged, and n-grams numbered."""
AFTER = 0.2
"""Seconds that the task has run by then; as little as 0.02 where tasks are short."""


def measure(*, quick: bool) -> Result:
    source = text_of(QUICK_WORDS if quick else WORDS)
    figures: dict[str, Any] = {**source.facts, "order": ORDER, "shards": SHARDS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        say("one process")
        # Compiled code is read once before, since workers of a cluster have theirs from a cache.
        tiny = folder / "tiny.txt"
        tiny.write_bytes(b"a b c\nb c a\n" * 9)
        models.save(estimate_lines(tiny, order=ORDER), folder / "tiny")
        began = time.perf_counter()
        models.save(estimate_lines(source.path, order=ORDER), folder / "one")
        figures["one_process_seconds"] = time.perf_counter() - began
        one = digests(folder / "one")
        try:
            for name, stage in (("ray", None), ("ray_killed", MIDDLE)):
                say(f"{name}: {SHARDS} shards, {WORKERS} workers")
                figures[name] = in_shards(source.path, folder / name, stage, quick=quick)
                figures[name]["same_bytes"] = digests(folder / name / "model") == one
        except MissingExtra as problem:
            return Result(None, {**figures, "reason": str(problem)})
    figures["files"] = len(one)
    killed = figures["ray_killed"]
    met = (
        figures["ray"]["same_bytes"]
        and killed["same_bytes"]
        and killed["killed_in"] is not None
        and killed["task_runs"] > figures["ray"]["task_runs"]
    )
    return Result(met, figures)


def in_shards(text: Path, folder: Path, stage: int | None, *, quick: bool) -> dict[str, Any]:
    """A model in shards, with a worker killed in a stage if one is given."""
    work, notes = folder / "work", folder / "notes"
    for each in (work, notes):
        each.mkdir(parents=True)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    )
    began = time.perf_counter()
    with Cluster(WORKERS) as cluster:
        started = time.perf_counter() - began
        watched = Watched(cluster, notes, stage, AFTER / 10 if quick else AFTER)
        settings = Settings((0,), Smoothing(order=ORDER))
        model = estimate_in_shards(text, work, watched, shards=SHARDS, settings=settings)
        models.save(model, folder / "model")
    return {
        "seconds": time.perf_counter() - began,
        "of_which_ray_starts": started,
        "worker_peak_bytes": max(watched.peaks),
        "task_runs": len(list(notes.glob("*.pid"))),
        "killed_in": watched.killed,
        "work_bytes": watched.most_bytes,
    }


class Watched:
    """A runner whose tasks say in a file which process runs them; one of them may be killed."""

    def __init__(self, runner: Runner, notes: Path, stage: int | None, after: float) -> None:
        self.runner = runner
        self.notes = notes
        self.stage = stage
        self.after = after
        self.stages = 0
        self.peaks: list[int] = []
        self.most_bytes = 0
        self.killed: str | None = None

    def run(
        self,
        task: Callable[[Any], Any],
        items: Sequence[Any],
        done: Callable[[], None] | None = None,
    ) -> list[Any]:
        self.stages += 1
        if self.stages == self.stage:
            Thread(target=self._kill, args=(self.stages, task.__name__), daemon=True).start()
        asked = [
            (task, item, self.notes, f"{self.stages}.{number}") for number, item in enumerate(items)
        ]
        began = time.perf_counter()
        found = self.runner.run(watch, asked, done)
        self.peaks += [peak for _, peak in found]
        files = [file for file in (self.notes.parent / "work").iterdir() if file.is_file()]
        self.most_bytes = max(self.most_bytes, sum(file.stat().st_size for file in files))
        say(f"{task.__name__}: {time.perf_counter() - began:.1f} s")
        return [result for result, _ in found]

    def _kill(self, stage: int, name: str) -> None:
        while not (running := list(self.notes.glob(f"{stage}.*.pid"))):
            time.sleep(0.002)
        time.sleep(self.after)
        number = ".".join(running[0].name.split(".")[:2])
        if not (self.notes / f"{number}.ended").exists():
            os.kill(int(running[0].name.split(".")[2]), signal.SIGKILL)
            self.killed = name
            say(f"killed a worker that ran {name}")


def watch(asked: tuple[Callable[[Any], Any], Any, Path, str]) -> tuple[Any, int]:
    """Runs a task in a worker; its result, and the most memory that the worker has had."""
    task, item, notes, number = asked
    (notes / f"{number}.{os.getpid()}.{time.monotonic_ns()}.pid").touch()
    result = task(item)
    (notes / f"{number}.ended").touch()
    said = Path("/proc/self/status").read_text()
    peak = next(line for line in said.splitlines() if line.startswith("VmHWM"))
    return result, int(peak.split()[1]) * 1024


def digests(folder: Path) -> dict[str, str]:
    return {file.name: sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}
