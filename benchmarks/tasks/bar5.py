"""A page for each application: its code, pasted into a script of its own in an empty folder, runs
and prints; it says what to expect and what goes wrong."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.result import ROOT, Result, say
from foretell.cli.task import NAMES

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADINGS = ("## What to expect", "## What it gets wrong")


def measure(*, quick: bool) -> Result:
    del quick
    found = {name: _read(name) for name in NAMES}
    return Result(all(each["runs"] and each["whole"] for each in found.values()), found)


def _read(name: str) -> dict[str, Any]:
    path = ROOT / "docs" / "applications" / f"{name}.md"
    if not path.exists():
        return {"runs": False, "whole": False}
    page = path.read_text("utf-8")
    blocks = BLOCK.findall(page)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(blocks)],
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
        )
    found = {
        "runs": bool(blocks) and done.returncode == 0 and bool(done.stdout),
        "whole": all(heading in page for heading in HEADINGS),
        "lines": sum(bool(line.strip()) for block in blocks for line in block.splitlines()),
        "seconds": time.perf_counter() - began,
        "printed": done.stdout.strip(),
    }
    say(f"{name}: {found}")
    return found
