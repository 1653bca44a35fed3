"""Bad input: a learning rate that diverges, a full disk, another text or tokenizer on resume, too
little memory. Each by the command line, as a user meets it.

  rate     hundreds of times the usual: ends with 2 and one line that names it; in a long run, where
           the rate rises for a while before the loss does, a checkpoint of that time is there
  disk     a file system of a few MB: ends with 2 and one line, nothing half written; with room,
           the same command goes on and its model is that of a run that was never stopped
  change   text and tokenizer changed between two calls: ends with 2, names what has changed, and
           no file is touched; with the old ones the run goes on
  memory   a network of 20 billion parameters: ends with 2 before it starts, with a size that fits
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.networks.shakespeare import read_parts
from benchmarks.result import Result, say

TEXT_CHARACTERS = 200_000
BUDGET, QUICK_BUDGET = "1400k tokens", "800k tokens"
LONG_BUDGET = "100M tokens"
"""Its rate rises over 2M tokens, longer than it takes to the first checkpoint."""
DISK_BYTES = 6_000_000
"""Of the small disk: weights of the GPT fit, and not twice with their optimiser."""
MEMORY_SECONDS = 60.0
PATIENCE = 600.0


@dataclass(frozen=True)
class Said:
    code: int
    err: str
    seconds: float

    @property
    def line(self) -> str:
        """What foretell itself said; progress stands before it."""
        lines = [line for line in self.err.splitlines() if line.startswith("foretell: ")]
        return lines[-1] if len(lines) == 1 else ""

    @property
    def refused(self) -> bool:
        return self.code == 2 and bool(self.line) and "Traceback" not in self.err


def _train(folder: Path, *options: str, text: str = "text.txt") -> Said:
    began = time.perf_counter()
    command = [sys.executable, "-m", "foretell", "train", text, "--threads=1", *options]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return Said(done.returncode, done.stderr, time.perf_counter() - began)


def measure(*, quick: bool) -> Result:
    parts = read_parts()
    if parts is None:
        return Result(None, {"reason": "FORETELL_DATA has no lm/tinyshakespeare"})
    budget = f"--budget={QUICK_BUDGET if quick else BUDGET}"
    figures: dict[str, Any] = {}
    for name, job in (
        ("rate", _diverge),
        ("disk", _fill_disk),
        ("change", _change),
        ("memory", _ask_too_much),
    ):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            (folder / "text.txt").write_text(parts[0][:TEXT_CHARACTERS], "utf-8")
            figures[name] = job(folder, budget)
            say(f"{name}: {json.dumps(figures[name])}")
    verdicts = [found["met"] for found in figures.values()]
    if False in verdicts:
        return Result(False, figures)
    return Result(None if None in verdicts else True, figures)


def _diverge(folder: Path, budget: str) -> dict[str, Any]:
    found = {}
    jobs = (
        ("gpt", "10", budget),
        ("lstm", "8", budget),
        ("gpt2", "10", budget),
        ("gru", "0.5", f"--budget={LONG_BUDGET}"),
    )
    for family, rate, tokens in jobs:
        out = folder / family
        said = _train(
            folder, tokens, f"--model={family}", f"--out={out}", f"--learning-rate={rate}"
        )
        work = out.with_name(f"{family}.checkpoints")
        kept = sorted(work.glob("0*/position.json"))
        named = re.search(r"checkpoint of update (\d+) is kept", said.line)
        found[family] = {
            "said": said.line,
            "seconds": round(said.seconds, 1),
            "kept": [file.parent.name for file in kept],
            "met": said.refused
            and "diverged" in said.line
            and f"learning rate was {rate}" in said.line
            and not out.exists()
            # Before the first checkpoint nothing can be kept, and it says so.
            and (
                [int(file.parent.name) for file in kept] == [int(named[1])]
                if named
                else "nothing was kept" in said.line and not kept
            )
            and (named is not None or tokens == budget),
        }
    return {**found, "met": all(each["met"] for each in found.values())}


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    folder.mkdir()
    size = f"size={DISK_BYTES}"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill_disk(folder: Path, budget: str) -> dict[str, Any]:
    options = (budget, "--model=lstm", "--tokenizer=characters")
    _train(folder, *options, f"--out={folder / 'whole'}")
    with _small_disk(folder / "disk") as mounted:
        if not mounted:
            return {"met": None, "reason": "no file system can be mounted here"}
        out = folder / "disk" / "model"
        full = _train(folder, *options, f"--out={out}")
        left = [str(each.relative_to(folder / "disk")) for each in (folder / "disk").iterdir()]
        remount = ["mount", "-o", "remount,size=200m", str(folder / "disk")]
        subprocess.run(remount, check=True)
        again = _train(folder, *options, f"--out={out}")
        same = again.code == 0 and _weights(out) == _weights(folder / "whole")
    return {
        "said": full.line,
        "left": left,
        "goes_on": again.code == 0,
        "same_weights": same,
        "met": full.refused and "no space is left" in full.line and "model" not in left and same,
    }


def _weights(model: Path) -> str:
    return sha256((model / "model.safetensors").read_bytes()).hexdigest()[:16]


def _change(folder: Path, budget: str) -> dict[str, Any]:
    out = folder / "model"
    options = (budget, "--model=gpt", f"--out={out}")
    command = [sys.executable, "-m", "foretell", "train", "text.txt", "--threads=1", *options]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    work = folder / "model.checkpoints"
    until = time.monotonic() + PATIENCE
    while not any(work.glob("0*/manifest.json")) and time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError("training was over before it could be stopped")
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.wait()
    text = folder / "text.txt"
    original = text.read_text("utf-8")
    before = _files(work)
    found: dict[str, Any] = {}
    changes = {
        "text": (original.replace("thou", "you"), (), "another text"),
        "tokenizer": (original, ("--tokenizer=characters",), "another tokenizer"),
        "budget": (original, ("--budget=3 passes",), "another budget"),
        "learning rate": (original, ("--learning-rate=0.002",), "another learning_rate ("),
    }
    for name, (content, more, expected) in changes.items():
        text.write_text(content, "utf-8")
        said = _train(folder, *options, *more)
        kept = _files(work) == before
        met = said.refused and expected in said.line and kept
        found[name] = {"said": said.line, "files_untouched": kept, "met": met}
    text.write_text(original, "utf-8")
    goes_on = _train(folder, *options).code == 0
    return {
        **found,
        "goes_on": goes_on,
        "met": goes_on and all(each["met"] for each in found.values()),
    }


def _files(folder: Path) -> dict[str, str]:
    # The lock is made anew by each call, and empty.
    return {
        str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.stat().st_size
    }


def _ask_too_much(folder: Path, budget: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    said = _train(folder, budget, "--model=gpt2", "--parameters=20G", "--out=model")
    suggested = re.search(r"; (--[a-z-]+) (\S+) fits$", said.line)
    left = sorted(each.name for each in folder.iterdir())
    found["said"], found["seconds"], found["left"] = said.line, round(said.seconds, 1), left
    # What it says that fits is not refused.
    option = f"{suggested[1]}={suggested[2]}" if suggested else "--parameters=20G"
    planned = _train(folder, budget, "--model=gpt2", option, "--out=model", "--dry-run")
    found["suggestion_is_planned"] = planned.code == 0
    found["met"] = (
        said.refused
        and said.seconds < MEMORY_SECONDS
        and suggested is not None
        and planned.code == 0
        and left == ["text.txt"]
    )
    return found
