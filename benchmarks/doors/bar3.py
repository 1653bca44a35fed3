"""Spoiled files at every door: none crashes, hangs or takes memory, and each that is refused is
refused in a line that names the file and the field. Pickles, and templates that attack, likewise.

    python -m benchmarks doors 3                 100,000 spoiled files
    python -m benchmarks.doors.bar3 17 4711      what is done to these, and what comes of it
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.doors.attacks import try_attacks
from benchmarks.doors.spoiled import SEED, Spoiler
from benchmarks.doors.valid_files import SUBJECTS, write_all
from benchmarks.doors.watched import measured, watch
from benchmarks.result import Result, say
from foretell.contracts.errors import ForetellError
from foretell.interop.doors import open_model

FILES, QUICK_FILES = 100_000, 2_000
MOST_SECONDS, KILLED_AFTER = 1.0, 10.0
MOST_SMALL_SECONDS = 0.010
GOOD = ("opened", "refused")
ALLOWANCE = 4 << 20
"""Bytes beside twice the file. An error inside of `transformers` makes Python read its source, once
a process; up to 3.5 MB of that were measured, and whole files opened first take 26 MB."""
EXAMPLES = 5
WARMED = ("gpt2", "llama", "qwen2", "gpt_neo", "bert", "mamba", "t5")
"""Classes of `transformers` that a spoiled configuration may name; importing one takes a second."""


def measure(*, quick: bool) -> Result:
    _warm()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_all(folder)
        found = _spoil_all(Spoiler(folder), QUICK_FILES if quick else FILES)
        small = _try_small(folder)
        pickles = _try_pickles(folder)
    attacks = try_attacks()
    met = not found["findings"] and small["met"] and not pickles["opened"] and not attacks["odd"]
    return Result(met, {**found, "small": small, "pickles": pickles, "templates": attacks})


def _warm() -> None:
    import torch

    os.environ |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    # Who asks compiled code for traces has its symbols read, which takes 50 MB once a process.
    os.environ.pop("RUST_BACKTRACE", None)
    torch.set_num_threads(1)
    for name in WARMED:
        import_module(f"transformers.models.{name}.modeling_{name}")


def _spoil_all(spoiler: Spoiler, count: int) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    suspects: list[tuple[int, dict[str, Any]]] = []
    slowest = largest = 0.0
    began = time.perf_counter()
    for number, report in watch(
        spoiler.open, range(count), seconds=KILLED_AFTER, first=spoiler.practise
    ):
        report["outcome"] = report.get("outcome", "died")
        outcomes[report["outcome"]] += 1
        problem = _problem(report)
        if problem:
            suspects.append((number, report))
        else:
            slowest = max(slowest, report["seconds"])
            largest = max(largest, report["grown"] - report["allowed"])
        if number % 5000 == 4999:
            say(f"{number + 1} files: {dict(outcomes)}, {len(suspects)} to be looked at again")
    rate = count / (time.perf_counter() - began)
    findings, examples = _confirm(spoiler, suspects)
    return {
        "files": count,
        "seed": SEED,
        "outcomes": dict(outcomes),
        "findings": dict(findings),
        "examples": examples,
        "looked_at_again": len(suspects),
        "files_a_second": round(rate, 1),
        "slowest_seconds": round(slowest, 3),
        "most_above_twice_the_file": int(largest),
        "allowance": ALLOWANCE,
        "whole_files_grow": _grown_by_whole(spoiler),
    }


def _grown_by_whole(spoiler: Spoiler) -> int:
    """Bytes that a whole file grows a process by beyond twice its size, the first time that it
    opens one: what the interpreter and libraries keep, whatever is in the file."""
    reports = watch(spoiler.open_whole, range(len(SUBJECTS)), seconds=60)
    return max(report["grown"] - 2 * spoiler.sizes[SUBJECTS[number]] for number, report in reports)


def _problem(report: dict[str, Any]) -> str | None:
    """What is wrong with a report, in a few words that are counted."""
    if "died" in report:
        return str(report["died"])
    if report["outcome"] not in GOOD:
        return str(report["outcome"])
    if report["seconds"] > MOST_SECONDS:
        return f"over {MOST_SECONDS:g} s"
    if report["grown"] > report["allowed"] + ALLOWANCE:
        return "memory over twice the file"
    return None


def _confirm(
    spoiler: Spoiler, suspects: list[tuple[int, dict[str, Any]]]
) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Each alone in a process of its own, twice, of which the better counts: a machine that does
    something else is no finding."""
    findings: Counter[str] = Counter()
    examples: list[dict[str, Any]] = []
    for number, report in suspects:
        again = [
            _problem({"outcome": "died", **each})
            for _ in range(2)
            for _, each in watch(
                spoiler.open, [number], seconds=KILLED_AFTER, first=spoiler.practise
            )
        ]
        problem = None if None in again else again[0]
        if problem is None:
            continue
        findings[problem] += 1
        if findings[problem] <= EXAMPLES:
            subject, spoiled = spoiler.draw(number)
            about = {"number": number, "file": subject.name, "kind": spoiled.kind}
            examples.append({**about, "problem": problem, "said": str(report.get("said"))[:300]})
            say(str(examples[-1]))
    return findings, examples


def _try_small(folder: Path) -> dict[str, Any]:
    """A list of 2^60 texts in a few bytes, on which the `gguf` package reads without end, and all
    that it begins with, the 43 bytes among it."""
    claims = [struct.pack("<IIQ", 9, kind, 2**60) for kind in (0, 7, 8, 9, 10)]
    wholes = [
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + claim
        for claim in claims
    ]
    slowest, forty_three, refused, tried = 0.0, 0.0, 0, 0
    for whole in wholes:
        for size in range(len(b"GGUF"), len(whole) + 1):
            path = folder / f"small-{size}.gguf"
            path.write_bytes(whole[:size])
            began = time.perf_counter()
            try:
                open_model(path)
            except ForetellError as problem:
                refused += str(path) in str(problem)
            seconds = time.perf_counter() - began
            tried += 1
            slowest = max(slowest, seconds)
            forty_three = max(forty_three, seconds) if size == 43 else forty_three
    met = refused == tried and slowest < MOST_SMALL_SECONDS
    figures = {"tried": tried, "refused": refused, "slowest_seconds": round(slowest, 5)}
    path.write_bytes(wholes[0])
    hangs = _gguf_package_hangs(path)
    return {"met": met, **figures, "of_43_bytes": round(forty_three, 5), "gguf_hangs": hangs}


def _gguf_package_hangs(path: Path) -> bool:
    """True if the `gguf` package is not done with a file in three seconds or half a gigabyte."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (1 << 29,) * 2)\n"
        "from gguf import GGUFReader; GGUFReader(sys.argv[1])"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, timeout=3, check=False
        )
    except subprocess.TimeoutExpired:
        return True
    return b"MemoryError" in done.stderr


def _try_pickles(folder: Path) -> dict[str, Any]:
    """By every name, of every protocol, and as PyTorch writes them."""
    import torch

    torch.save({"weight": torch.zeros(2)}, folder / "saved")
    contents = [pickle.dumps({"weight": [1.0]}, protocol) for protocol in range(6)]
    contents.append((folder / "saved").read_bytes())
    opened = []
    tried = 0
    for number, content in enumerate(contents):
        names = ["model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl"]
        # Protocols 0 and 1 are texts that begin with anything; by other names they are no model.
        names += [] if number < 2 else ["model.gguf", "model.arpa", "model", "model.safetensors"]
        for name in names:
            (folder / name).write_bytes(content)
            tried += 2
            for place in (folder / name, _as_folder(folder, name, content)):
                if not _refused_as_pickle(place, name):
                    opened.append(f"{place.name}, {number}")
            (folder / name).unlink()
    return {"tried": tried, "opened": opened}


def _as_folder(folder: Path, name: str, content: bytes) -> Path:
    """The folder of a model whose weights are a pickle."""
    whole = folder / "pickled"
    whole.mkdir(exist_ok=True)
    for file in whole.iterdir():
        file.unlink()
    for file in (folder / "llama").iterdir():
        if file.suffix == ".json":
            (whole / file.name).write_bytes(file.read_bytes())
    known = Path(name).suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl")
    (whole / (name if known else "model.safetensors")).write_bytes(content)
    return whole


def _refused_as_pickle(place: Path, name: str) -> bool:
    try:
        open_model(place)
    except ForetellError as problem:
        return "is a pickle" in str(problem) and str(place) in str(problem)
    return False


def _show(numbers: list[int]) -> None:
    _warm()
    with tempfile.TemporaryDirectory() as scratch:
        write_all(Path(scratch))
        spoiler = Spoiler(Path(scratch))
        spoiler.practise()
        for number in numbers:
            _, spoiled = spoiler.draw(number)
            say(f"{number}: {spoiled.kind} {spoiled.keys}: {measured(spoiler.open, number)}")


if __name__ == "__main__":
    _show([int(number) for number in sys.argv[1:]])
