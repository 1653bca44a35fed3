"""From a fresh clone to a finished comparison with one command, `make demo`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.result import ROOT, Result, say

MOST_SECONDS = 600.0
MOST_SECONDS_AFTER_INSTALL = 300.0
TIMEOUT = 1800.0
QUICK = ("BUDGET=60s",)
"""Variables for make; a Makefile that knows no BUDGET takes its own."""


def own_environment() -> dict[str, str]:
    """Ours without what points at our virtual environment: the clone makes its own."""
    venv = str(Path(sys.executable).parent)
    kept = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    path = [part for part in kept.get("PATH", "").split(os.pathsep) if part != venv]
    return {**kept, "PATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}


def make(target: str, clone: Path, *variables: str) -> tuple[int, float, float | None]:
    """Exit code, seconds in all, and seconds until a line `installed` (None: there was none)."""
    began, installed = time.monotonic(), None
    process = subprocess.Popen(
        ["make", target, *variables],
        cwd=clone,
        env=own_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if installed is None and line.strip() == "installed":
            installed = time.monotonic() - began
        say(f"  {time.monotonic() - began:6.1f} s  {line.rstrip()}")
        if time.monotonic() - began > TIMEOUT:
            process.kill()
    return process.wait(), time.monotonic() - began, installed


def measure(*, quick: bool) -> Result:
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "foretell"
        # A file:// address copies everything, as a clone from another machine does.
        command = ["git", "clone", "--quiet", ROOT.as_uri(), str(clone)]
        subprocess.run(command, check=True)
        head = ["git", "-C", str(clone), "rev-parse", "HEAD"]
        commit = subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
        if not (clone / "Makefile").exists():
            return Result(None, {"reason": "the clone has no Makefile", "commit": commit})
        code, total, installed = make("demo", clone, *(QUICK if quick else ()))
        after = None if installed is None else total - installed
        figures: dict[str, Any] = {
            "commit": commit,
            "exit_code": code,
            "seconds": total,
            "seconds_of_install": installed,
            "seconds_after_install": after,
            "reports": sorted(str(e.relative_to(clone)) for e in clone.glob("**/report.html")),
        }
        met = (
            code == 0
            and total < MOST_SECONDS
            and after is not None
            and after < MOST_SECONDS_AFTER_INSTALL
            and bool(figures["reports"])
        )
        if not quick:
            tests, seconds, _ = make("test", clone)
            figures |= {"tests_exit_code": tests, "tests_seconds": seconds}
    return Result(met, figures)
