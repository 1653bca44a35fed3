"""A kill at any moment changes nothing: the same bits in the end, and no finished rung is redone.

Training: ten lives, each killed with SIGKILL, at random moments of learning, before the first
update, and while a checkpoint or the model itself is being written. Then one that may finish.
Comparison: killed when some rungs are finished, and given again.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.result import ROOT, Result, foretell, say
from foretell.corpus.builtin import builtin_documents

FAMILIES = "lstm", "gpt"
KILLS, QUICK_KILLS = 10, 3
BUDGET, QUICK_BUDGET = "250k tokens", "60k tokens"
TEXT_BYTES = 300_000
COMPARE_BUDGET, QUICK_COMPARE_BUDGET = "60s", "40s"
POLL = 0.002
PATIENCE = 600.0
"""Seconds after which a process that was waited for counts as stuck."""


@dataclass
class Life:
    """One process and when it is to be killed."""

    how: str
    wait: Callable[[subprocess.Popen[str]], bool]
    """Returns when the moment has come: True, or False if the process ended before it."""


@dataclass
class Lives:
    """What became of the processes of one family."""

    kills: dict[str, int] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    """Moments that never came, because the process ended before."""


def write_text(folder: Path) -> Path:
    """The embedded text's first documents, as one file a document."""
    out, size = folder / "text", 0
    out.mkdir()
    for index, document in enumerate(builtin_documents()):
        if size > TEXT_BYTES:
            break
        (out / f"{index:04d}.txt").write_text(document.text, encoding="utf-8")
        size += len(document.text.encode())
    return out


def start(text: Path, out: Path, family: str, budget: str) -> subprocess.Popen[str]:
    module = [sys.executable, "-m", "benchmarks.spine.training"]
    return subprocess.Popen(
        [*module, str(text), str(out), family, budget],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def await_line(process: subprocess.Popen[str], word: str) -> bool:
    assert process.stdout is not None
    return any(line.startswith(word) for line in process.stdout)


def after(delay: float, *, word: str = "") -> Callable[[subprocess.Popen[str]], bool]:
    """Delay seconds after the start, or after a word on stdout."""

    def wait(process: subprocess.Popen[str]) -> bool:
        if word and not await_line(process, word):
            return False
        time.sleep(delay)
        return process.poll() is None

    return wait


def while_written(folder: Path, pattern: str) -> Callable[[subprocess.Popen[str]], bool]:
    """As soon as a half-written folder of this name, not there before, is seen."""

    def wait(process: subprocess.Popen[str]) -> bool:
        before = set(folder.glob(pattern))
        until = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < until:
            if set(folder.glob(pattern)) - before:
                return True
            time.sleep(POLL)
        return False

    return wait


def choose_lives(kills: int, out: Path, seconds: float, chance: random.Random) -> list[Life]:
    """So many moments, early ones and ones inside of writing among them, in random order.

    No life learns for longer than its share of the whole, so that none can finish too early.
    """
    work = out.with_name(out.name + ".checkpoints")
    share = seconds / kills
    lives = [Life("before learning", after(chance.uniform(0.2, 2.0)))]
    lives += [
        Life("writing a checkpoint", while_written(work, ".0*")) for _ in range(max(1, kills // 3))
    ]
    while len(lives) < kills - 1:
        lives.append(Life("learning", after(chance.uniform(0, share), word="learning")))
    chance.shuffle(lives)
    # Last, since it lets the run come to its end.
    return [*lives, Life("writing the model", while_written(out.parent, f".{out.name}.*"))]


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=PATIENCE)
    if process.returncode:
        say(err[-800:])
    return process.returncode, out


def weights_of(folder: Path) -> str | None:
    file = folder / "model.safetensors"
    return sha256(file.read_bytes()).hexdigest() if file.exists() else None


def kill_training(family: str, folder: Path, *, budget: str, kills: int) -> dict[str, Any]:
    """Train at one go into folder/whole, and killed so many times into folder/killed/model."""
    text = write_text(folder)
    whole, killed = folder / "whole", folder / "killed" / "model"
    killed.parent.mkdir()
    code, said = finish(start(text, whole, family, budget))
    if code:
        return {"exit_code": code, "same": False}
    seconds, tokens = said.split("finished ")[1].split()
    say(f"{family}: uninterrupted, {float(seconds):.1f} s for {tokens} tokens")
    lives = Lives()
    for life in choose_lives(kills, killed, float(seconds), random.Random(family)):
        process = start(text, killed, family, budget)
        came = life.wait(process)
        process.kill()
        _, err = process.communicate()
        if came:
            lives.kills[life.how] = lives.kills.get(life.how, 0) + 1
        else:
            lives.missed.append(f"{life.how}: {err.strip()[-200:]}")
        work = killed.with_name("model.checkpoints")
        stand = sorted(each.name for each in work.glob("0*")) if work.is_dir() else []
        say(f"{family}: killed {life.how if came else 'nobody'}; checkpoint {stand[-1:]}")
    code = 0
    if not killed.exists():
        code, _ = finish(start(text, killed, family, budget))
    same = weights_of(whole) is not None and weights_of(whole) == weights_of(killed)
    say(f"{family}: {'the same bits' if same else 'NOT the same'} after {lives.kills}")
    return {
        "uninterrupted_seconds": float(seconds),
        "tokens": int(tokens),
        "kills": sum(lives.kills.values()),
        "moments": lives.kills,
        "missed": lives.missed,
        "exit_code": code,
        "sha256": weights_of(whole),
        "same": same,
        "left_behind": sorted(e.name for e in killed.parent.iterdir() if e != killed),
    }


def stamps(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of a folder with its inode, time of writing and size."""
    found = {}
    for file in sorted(folder.rglob("*")):
        at = file.stat()
        found[str(file.relative_to(folder))] = (at.st_ino, at.st_mtime_ns, at.st_size)
    return found


def kill_comparison(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Killed once two rungs are finished and, unless quick, again while a network learns."""
    text, out = write_text(folder), folder / "out"
    command = ["compare", str(text), "--out", str(out), "--json", "--threads", "1"]
    command += ["--budget", QUICK_COMPARE_BUDGET if quick else COMPARE_BUDGET]
    command += ["--rungs", "unigram:bpe:512,kneser-ney:bpe:512,lstm:bpe:512,gpt:bpe:512"]
    kept: dict[str, dict[str, tuple[int, int, int]]] = {}
    rungs = out / "rungs"
    for wanted in (2,) if quick else (2, 3):
        process = subprocess.Popen(
            [sys.executable, "-m", "foretell", *command],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < until:
            if len(list(rungs.glob("[!.]*/manifest.json"))) >= wanted:
                break
            time.sleep(0.01)
        # Into the rung that follows.
        time.sleep(1.5)
        process.kill()
        process.wait()
        kept = {each.name: stamps(each) for each in rungs.glob("[!.]*")}
        say(f"comparison: killed with {', '.join(sorted(kept))} finished")
    done = foretell(command, folder=ROOT)
    if done.code:
        return {"exit_code": done.code, "stderr": done.err[-500:], "whole": False}
    said = json.loads(done.out)
    again = [line for line in done.err.splitlines() if "from before" in line]
    unchanged = {slug: stamps(rungs / slug) == before for slug, before in kept.items()}
    families = {rung["family"] for rung in said["rungs"]}
    wanted_files = ["report.html", "compare.yaml", "best/manifest.json"]
    whole = families == {"unigram", "kneser-ney", "lstm", "gpt", "mixture"} and all(
        (out / name).exists() for name in wanted_files
    )
    say(f"comparison: {len(again)} from before, unchanged {unchanged}, whole {whole}")
    return {
        "exit_code": 0,
        "finished_before": sorted(kept),
        "unchanged": unchanged,
        "said_from_before": len(again),
        "whole": whole,
        "families": sorted(families),
        "left_behind": sorted(str(e.relative_to(out)) for e in out.rglob(".*") if e.is_dir()),
        "seconds": done.seconds,
    }


def measure(*, quick: bool) -> Result:
    figures: dict[str, Any] = {}
    budget, kills = (QUICK_BUDGET, QUICK_KILLS) if quick else (BUDGET, KILLS)
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as scratch:
            figures[family] = kill_training(family, Path(scratch), budget=budget, kills=kills)
    with tempfile.TemporaryDirectory() as scratch:
        figures["compare"] = found = kill_comparison(Path(scratch), quick=quick)
    met = (
        all(figures[family]["same"] and figures[family]["kills"] >= kills for family in FAMILIES)
        and found["whole"]
        and len(found["finished_before"]) >= 2
        and all(found["unchanged"].values())
        and found["said_from_before"] == len(found["unchanged"])
    )
    return Result(met, figures)
