"""`predict` on a file of many short texts: rows a second over the whole command, its memory on a
file of a tenth of the size and on the whole one, the order of the answers, and whether a command
that is killed and said again writes the same bytes.

Texts are TREC's questions again and again, of which the count and the recurrent rung know the kind.
Memory that does not grow with the file is what lets it be larger than memory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, foretell, say
from benchmarks.tasks.rows import ROWS

LEAST = {"count": 5_000, "recurrent": 500}
"""Rows a second."""
ROUNDS = {"count": 600_000, "recurrent": 60_000}
"""Rows of the whole file."""
GROWTH = 1.05
"""Of the peak of memory, from a tenth of the file to the whole one."""
BUDGET = "2 passes"


def measure(*, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None or not (data / "textcls/trec").is_dir():
        return Result(None, {"reason": "FORETELL_DATA has no textcls/trec"})
    examples = ROWS["trec6"].read(data)["train"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in examples)
        (folder / "train.jsonl").write_text("".join(lines), "utf-8")
        train = ["task", "classify", "train", "train.jsonl", "--out", "m", "--budget", BUDGET]
        done = foretell(train, folder=folder)
        if done.code != 0:
            raise RuntimeError(done.err)
        texts = [text for text, _ in examples]
        found = {
            rung: _measure(rung, rows // (10 if quick else 1), texts, folder)
            for rung, rows in ROUNDS.items()
        }
    met = all(
        each["rows_a_second"] >= LEAST[rung]
        and each["in_order"]
        and each["same_bytes"]
        and each["peak_mb"] <= GROWTH * each["peak_mb_of_a_tenth"]
        for rung, each in found.items()
    )
    return Result(met, found)


def _measure(rung: str, rows: int, texts: list[str], folder: Path) -> dict[str, Any]:
    whole, tenth = (
        _write(folder / f"{rung}{size}.txt", texts, size) for size in (rows, rows // 10)
    )
    _, small_peak = _predict(rung, tenth, folder / f"{rung}-tenth.tsv")
    out = folder / f"{rung}.tsv"
    seconds, peak = _predict(rung, whole, out)
    answers = out.read_bytes()
    places = [line.partition(b"\t")[0] for line in answers.splitlines()]
    found = {
        "rows": rows,
        "file_mb": whole.stat().st_size / 1e6,
        "seconds": seconds,
        "rows_a_second": rows / seconds,
        "peak_mb": peak / 1e6,
        "peak_mb_of_a_tenth": small_peak / 1e6,
        "in_order": places == [f"{whole.name}#{row + 1}".encode() for row in range(rows)],
        **_kill_and_repeat(rung, whole, folder / f"{rung}-again.tsv", seconds, answers),
    }
    say(f"{rung}: {found}")
    return found


def _write(path: Path, texts: list[str], rows: int) -> Path:
    path.write_text("".join(f"{text}\n" for text in islice(cycle(texts), rows)), "utf-8")
    return path


def _command(rung: str, data: Path, out: Path) -> list[str]:
    told = ["task", "classify", "predict", "m", data.name, "--rung", rung, "--out", out.name]
    return [sys.executable, "-m", "foretell", *told]


def _predict(rung: str, data: Path, out: Path) -> tuple[float, int]:
    """Seconds, and the most bytes that it had in memory."""
    began = time.perf_counter()
    running = subprocess.Popen(
        _command(rung, data, out), cwd=data.parent, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode != 0:
        raise RuntimeError(f"predict ended with {running.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss * 1024


def _kill_and_repeat(
    rung: str, data: Path, out: Path, seconds: float, answers: bytes
) -> dict[str, Any]:
    running = subprocess.Popen(
        _command(rung, data, out), cwd=data.parent, stderr=subprocess.DEVNULL
    )
    time.sleep(0.6 * seconds)
    running.send_signal(signal.SIGKILL)
    running.wait()
    partial = out.with_name(out.name + ".partial")
    left = partial.read_bytes().count(b"\n") if partial.exists() else 0
    again, _ = _predict(rung, data, out)
    return {
        "rows_when_killed": left,
        "seconds_after": again,
        "same_bytes": out.read_bytes() == answers and left > 0,
    }
