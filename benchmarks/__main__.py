"""Measure one claim: `python -m benchmarks AREA BAR [--quick]`, from the repository's root.

Progress goes to stderr; the last line of stdout is JSON with `met` true, false, or null where
something needed is not there. The exit code is 0 whenever the claim could be measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.result import Result
from benchmarks.tasks import ROWS
from benchmarks.tasks.kept import Kept

KEEP = "runs of a row that ended are kept here, one file each, and not made again from here"
AREAS = ("spine", "index", "networks", "doors", "tasks")


def bars_of(area: str) -> list[str]:
    """Bars that have a script: numbers, and rows of a table by their names."""
    files = (Path(__file__).parent / area).glob("bar*.py")
    numbers = sorted(int(file.stem.removeprefix("bar")) for file in files)
    return [*map(str, numbers), *(ROWS if area == "tasks" else ())]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("area", choices=AREAS)
    parser.add_argument("bar", help="a number, or the name of a row")
    parser.add_argument("--quick", action="store_true", help="smaller runs, to see that it works")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help=KEEP)
    asked = parser.parse_args()
    if asked.bar not in bars_of(asked.area):
        parser.error(f"{asked.area} has bars {', '.join(bars_of(asked.area))}")
    numbered = asked.bar.isdigit()
    if asked.keep is not None and (numbered or asked.quick):
        parser.error("--keep is for whole rows of tasks")
    if numbered:
        bar = import_module(f"benchmarks.{asked.area}.bar{asked.bar}")
        result: Result = bar.measure(quick=asked.quick)
    else:
        row = import_module(f"benchmarks.tasks.{ROWS[asked.bar]}")
        result = row.measure_row(asked.bar, Kept(asked.keep), quick=asked.quick)
    figures = {**result.figures, **({"quick": True} if asked.quick else {})}
    name = int(asked.bar) if numbered else asked.bar
    line = {"area": asked.area, "bar": name, "met": result.met, "figures": figures}
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
