"""A scaling law fitted on models of up to a million parameters, against a model of four million
that is trained for real: two texts, one English and one Chinese, side by side."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.networks.shakespeare import FILE
from benchmarks.result import Result, find_folder, foretell, say

TEXTS = {"tinyshakespeare": (FILE, None), "songci": ("lm/chinese_poetry/songci", "paragraphs")}
"""Where each lies, and the key that holds it."""
BUDGET, QUICK_BUDGET = "60m", "4m"
LARGE, QUICK_LARGE = "4M", "1M"
MOST_ERROR = 0.03


def measure(*, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None:
        return Result(None, {"reason": "FORETELL_DATA is not there"})
    there = [name for name, (place, _) in TEXTS.items() if (data / place).exists()]
    if not there:
        return Result(None, {"reason": f"FORETELL_DATA has none of {', '.join(TEXTS)}"})
    budget, large = (QUICK_BUDGET, QUICK_LARGE) if quick else (BUDGET, LARGE)
    texts = there[:1] if quick else there
    # Losses are measured, not times, and networks this small use one core better than two.
    threads = max(1, len(os.sched_getaffinity(0)) // len(texts))
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor() as pool:
        running = {
            name: pool.submit(_foretell, name, data, Path(scratch) / name, budget, large, threads)
            for name in texts
        }
        figures = {name: run.result() for name, run in running.items()}
    found = figures.values()
    met = all(each["inside"] or abs(each["error"]) <= MOST_ERROR for each in found)
    return Result(met, figures)


def _foretell(
    name: str, data: Path, scratch: Path, budget: str, large: str, threads: int
) -> dict[str, Any]:
    """Law, real run, and both side by side; in processes of their own."""
    place, field = TEXTS[name]
    text = [str(data / place), *([] if field is None else ["--field", field])]
    using = ["--threads", str(threads)]
    law, model = scratch / "law", scratch / "model"
    began = time.perf_counter()
    fitted = _json("scale", *text, "--out", str(law), "--budget", budget, *using)
    law_seconds = time.perf_counter() - began
    say(f"{name}: {len(fitted['runs'])} runs after {law_seconds:.0f} s; now {large} parameters")
    train = ["train", *text, "--parameters", large, "--out", str(model), *using]
    trained = _json(*train, "--budget", f"{fitted['passes']} passes")
    check = _json("scale", *text, "--out", str(law), "--check", str(model))
    say(f"{name}: foretold {check['predicted']}, measured {check['measured']:.4f}")
    return {
        **check,
        "inside": check["predicted"]["low"] <= check["measured"] <= check["predicted"]["high"],
        "largest_of_the_law": fitted["answers"]["parameters"],
        "runs": fitted["runs"],
        "law": fitted["fitted"]["laws"][0],
        "answers": fitted["answers"],
        "law_seconds": law_seconds,
        "train_seconds": trained["seconds"],
    }


def _json(*arguments: str) -> dict[str, Any]:
    done = foretell([*arguments, "--json"], folder=Path.cwd(), timeout=14400)
    if done.code != 0:
        sys.stderr.write(done.err)
        raise RuntimeError(f"foretell {arguments[0]} ended with {done.code}")
    found: dict[str, Any] = json.loads(done.out.splitlines()[-1])
    return found
