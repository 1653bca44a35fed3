"""What every bar gives back, and the few things that several of them need."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    """met: None where a peer or data is missing; figures then say the reason."""

    met: bool | None
    figures: dict[str, Any]


def say(line: str) -> None:
    """A line of progress."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def find_folder(variable: str, beside: str) -> Path | None:
    """The folder that an environment variable names, else one beside the repository, else None."""
    named = os.environ.get(variable)
    folder = Path(named) if named else ROOT.parent / "shared" / beside
    return folder if folder.is_dir() else None


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str
    seconds: float


def foretell(arguments: Sequence[str], *, folder: Path, timeout: float = 1800) -> Ended:
    """One `foretell` command in a process of its own, its working folder `folder`."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "foretell", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.perf_counter() - began)
