"""Every extra installs into a fresh environment by the README's line and does what it is for there;
where it is missing, the error says which extra to install."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.doors.smokes import NEEDS_NETWORKS, SMOKES, WITHOUT
from benchmarks.result import ROOT, Result, say

QUICK = ("", "parquet", "nltk")
SECONDS = 1800


def measure(*, quick: bool) -> Result:
    extras = QUICK if quick else tuple(SMOKES)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for extra in extras:
            found[extra or "none"] = _try(extra, Path(scratch), extras)
            say(f"{extra or 'none'}: {found[extra or 'none']}")
    met = all(
        each["passed"] and all(each["asks"].values()) for each in found.values() if each is not None
    )
    asked = {name for each in found.values() for name in each["asks"]}
    complete = quick or asked == set(WITHOUT)
    return Result(met and complete, {"extras": found})


def _try(extra: str, scratch: Path, extras: tuple[str, ...]) -> dict[str, Any]:
    """A fresh environment with one extra: what it is for, and what it lacks."""
    began = time.perf_counter()
    home = scratch / (extra or "none")
    place = home / "environment"
    python = place / "bin" / "python"
    _run([sys.executable, "-m", "venv", str(place)])
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    installed = _run([str(python), "-m", "pip", "install", "--quiet", wanted])
    seconds = time.perf_counter() - began
    passed = installed.returncode == 0 and _smoke(python, home / "has", extra).returncode == 0
    lacking = [
        name
        for name in WITHOUT
        if name in extras and extra == ("neural" if name in NEEDS_NETWORKS else "")
    ]
    asks = {
        name: _asks_for(name, _smoke(python, home / f"lacks-{name}", "--without", name))
        for name in lacking
    }
    # Some take gigabytes.
    _run(["rm", "-rf", str(place)])
    return {"passed": passed, "install_seconds": round(seconds, 1), "asks": asks}


def _smoke(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(parents=True)
    done = _run([str(python), "-m", "benchmarks.doors.smokes", *words, str(folder)])
    if done.returncode and "--without" not in words:
        say(done.stdout[-500:] + done.stderr[-1500:])
    return done


def _asks_for(name: str, done: subprocess.CompletedProcess[str]) -> bool:
    lines = [line for line in done.stderr.splitlines() if line.startswith("foretell: ")]
    right = done.returncode == 2 and len(lines) == 1 and f"foretell[{name}]" in lines[0]
    if not right:
        say(f"without {name}: {done.returncode} {done.stderr[-500:]}")
    return right


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SECONDS
    )


if __name__ == "__main__":
    result = measure(quick="--quick" in sys.argv)
    sys.exit(0 if result.met else 1)
