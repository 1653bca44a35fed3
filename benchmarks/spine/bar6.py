"""The command line answers at once, and importing the package loads no back end."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.result import Result, say

RUNS, WARM_UPS = 15, 2
MOST_SECONDS = 0.5
HEAVY = ("torch", "numba", "safetensors", "transformers", "tensorflow", "keras")


def seconds_of_help() -> float:
    script = Path(sys.executable).with_name("foretell")
    command = [str(script)] if script.exists() else [sys.executable, "-m", "foretell"]
    began = time.perf_counter()
    # Away from the repository, where nothing but what is installed can be found.
    done = subprocess.run(
        [*command, "--help"], capture_output=True, cwd=tempfile.gettempdir(), check=True
    )
    seconds = time.perf_counter() - began
    if b"foretell" not in done.stdout:
        raise RuntimeError("`foretell --help` printed no help")
    return seconds


def modules_of(statement: str) -> list[str]:
    """Heavy modules that a statement leaves loaded in a process of its own."""
    found_in = f"[m for m in {HEAVY} if m in sys.modules]"
    code = f"{statement}\nimport json, sys\nprint(json.dumps({found_in}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def measure(*, quick: bool) -> Result:
    del quick  # It takes seconds.
    times = [seconds_of_help() for _ in range(WARM_UPS + RUNS)][WARM_UPS:]
    median = statistics.median(times)
    say(f"foretell --help: {median:.3f} s, median of {RUNS}; {min(times):.3f} to {max(times):.3f}")
    loaded = modules_of("import foretell")
    say(f"import foretell loads {', '.join(loaded) or 'no back end'}")
    return Result(
        met=median < MOST_SECONDS and not loaded,
        figures={
            "median_seconds": median,
            "fastest_seconds": min(times),
            "slowest_seconds": max(times),
            "runs": RUNS,
            "loaded": loaded,
        },
    )
