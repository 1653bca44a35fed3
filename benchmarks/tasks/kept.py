"""Runs of a row: hours of them, so that those which ended can be kept, and a row taken up again.

A row measures afresh each time, unless it is given a folder: what lies there is not made again.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.result import ROOT, say
from foretell.storage import write_text

Run = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """folder: one file a run, by the name of row and run; None: nothing is kept."""

    folder: Path | None = None

    def run(self, name: str, measure: Callable[[], Run]) -> Run:
        """The run of that name: as it was kept, else made now, and kept."""
        if self.folder is None:
            return measure()
        file = self.folder / f"{name}.json"
        if file.exists():
            say(f"  {name} is in {self.folder}")
            found: Run = json.loads(file.read_text("utf-8"))
            return found
        made = {**measure(), "commit": _commit()}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(made, ensure_ascii=False, indent=1) + "\n")
        return made


def _commit() -> str:
    """What was measured; with a plus where files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.strip()
