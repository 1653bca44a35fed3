"""Measure one claim: `python -m benchmarks AREA NUMBER [--quick]`, from the repository's root.

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

AREAS = ("spine", "index", "networks", "doors")


def bars_of(area: str) -> list[int]:
    """Numbers of the bars that have a script."""
    files = (Path(__file__).parent / area).glob("bar*.py")
    return sorted(int(file.stem.removeprefix("bar")) for file in files)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("area", choices=AREAS)
    parser.add_argument("number", type=int)
    parser.add_argument("--quick", action="store_true", help="smaller runs, to see that it works")
    asked = parser.parse_args()
    if asked.number not in bars_of(asked.area):
        parser.error(f"{asked.area} has bars {', '.join(map(str, bars_of(asked.area)))}")
    bar = import_module(f"benchmarks.{asked.area}.bar{asked.number}")
    result: Result = bar.measure(quick=asked.quick)
    figures = {**result.figures, **({"quick": True} if asked.quick else {})}
    line = {"area": asked.area, "bar": asked.number, "met": result.met, "figures": figures}
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
