"""How long a GGUF file takes to open in a new process, the file dropped from the page cache:
`python -m benchmarks.doors.cold_opening ours|theirs FILE` prints seconds after PyTorch was there,
of the clock and of the processor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.result import ROOT, say


def compare_openings(path: Path, times: int) -> dict[str, Any]:
    """Medians of ours and of `transformers`, in turns."""
    found: dict[str, list[tuple[float, float, float]]] = {"ours": [], "theirs": []}
    for _ in range(times):
        for who, runs in found.items():
            runs.append(_run(who, path))
            say(f"{who}: opened in {runs[-1][0]:.2f} s, process of {runs[-1][2]:.2f} s")
    opening, worked, whole = (
        {who: median(run[part] for run in runs) for who, runs in found.items()} for part in range(3)
    )
    return {
        "opening_seconds": opening,
        "opening_processor_seconds": worked,
        "process_seconds": whole,
        "slowest_of_ours": max(run[0] for run in found["ours"]),
        "ratio": opening["theirs"] / opening["ours"],
        "process_ratio": whole["theirs"] / whole["ours"],
        "times": times,
    }


def _run(who: str, path: Path) -> tuple[float, float, float]:
    _forget(path)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.doors.cold_opening", who, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    clock, processor = map(float, done.stdout.split()[-2:])
    return clock, processor, time.perf_counter() - began


def _forget(path: Path) -> None:
    """Drop a file from the page cache, where the system has a call for that."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _open_ours(path: Path) -> Any:
    from foretell.interop.doors import open_model

    return open_model(path)


def _open_theirs(path: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    return model.eval(), AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


def main(open_it: Callable[[Path], Any], path: Path) -> None:
    import torch  # noqa: F401

    began, worked = time.perf_counter(), time.process_time()
    open_it(path)
    sys.stdout.write(f"{time.perf_counter() - began} {time.process_time() - worked}\n")


if __name__ == "__main__":
    main({"ours": _open_ours, "theirs": _open_theirs}[sys.argv[1]], Path(sys.argv[2]))
