"""Damaged files: 20,000 mutated ARPA and binary files, and indexes; an error or a right number,
never a crash and never a wait."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result, say
from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.interop.arpa import read_arpa, write_arpa
from foretell.interop.kenlm import Model
from foretell.interop.kenlm_binary import read_kenlm_binary, write_probing
from foretell.models.ngram import NGram
from foretell.models.ngram.lines import estimate_lines

FILES, QUICK_FILES = 20_000, 400
MOST_SECONDS = 1.0
SENTENCE = "w0 w1 w2 w0 never"
TELLING = b"0123456789w.-\t\n \\\0\xff"


def text_of(lines: int) -> bytes:
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, 41)
    weights /= weights.sum()
    made = [
        b" ".join(b"w%d" % word for word in rng.choice(40, rng.integers(0, 9), p=weights))
        for _ in range(lines)
    ]
    return b"\n".join(made) + b"\n"


def mutate(whole: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, dropped, doubled, or the end cut off."""
    data = bytearray(whole)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(data)))
        size = int(rng.integers(1, 64))
        match int(rng.integers(6)):
            case 0:
                data[at] = int(rng.integers(256))
            case 1 | 2:
                data[at] = int(rng.choice(list(TELLING)))
            case 3:
                del data[at : at + size]
            case 4:
                data[at:at] = data[at : at + size]
            case 5:
                del data[max(1, at) :]
        if not data:
            break
    return bytes(data)


def ask_arpa(path: Path) -> float:
    model = read_arpa(path)
    tokens = model.tokenizer.encode(SENTENCE).tokens
    return float(model.score(tokens[None]).sum())


def ask_binary(path: Path) -> float:
    found = read_kenlm_binary(path)
    if isinstance(found, NGram):
        tokens = found.tokenizer.encode(SENTENCE).tokens
        return float(found.score(tokens[None]).sum())
    return float(Model(str(path)).score(SENTENCE))


def try_files(
    ask: Callable[[Path], float], whole: bytes, count: int, seed: int, suffix: str
) -> tuple[Counter[str], float, list[str]]:
    """What became of `count` mutated files, the longest time for one, and what went wrong."""
    rng = np.random.default_rng(seed)
    ends: Counter[str] = Counter()
    longest, wrong = 0.0, []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"file{suffix}"
        path.write_bytes(whole)
        ask(path)
        for number in range(count):
            # A new file each time: the old one may still be mapped.
            path = Path(scratch) / f"{number}{suffix}"
            path.write_bytes(mutate(whole, rng))
            began = time.perf_counter()
            try:
                value = ask(path)
                # A digit changed in a back-off makes a model that sums to more than one, and no
                # reader of these files can know: they have no checksums.
                kind = "no number" if np.isnan(value) else "read" if value <= 0 else "read, above 1"
                ends[kind] += 1
            except ForetellError as problem:
                ends["refused"] += 1
                if "\n" in str(problem) or str(path) not in str(problem):
                    wrong.append(f"{number}: {problem}")
            # Whatever else comes is what is looked for.
            except Exception as problem:
                ends["crashed"] += 1
                wrong.append(f"{number}: {type(problem).__name__}: {problem}")
            longest = max(longest, time.perf_counter() - began)
            path.unlink()
    return ends, longest, wrong


def _try(job: tuple[str, bytes, int, int]) -> tuple[str, Counter[str], float, list[str]]:
    kind, whole, count, seed = job
    ask, suffix = (ask_arpa, ".arpa") if kind == "arpa" else (ask_binary, ".bin")
    return kind, *try_files(ask, whole, count, seed, suffix)


def damage_models(model: NGram, folder: Path) -> dict[str, int]:
    """Each file of a model's folder cut, flipped, and swapped with another one."""
    models.save(model, folder / "whole")
    ends: Counter[str] = Counter()
    files = sorted(file.name for file in (folder / "whole").iterdir())
    for name in files:
        for how in ("cut", "flip", "swap"):
            damaged = folder / f"{how}-{name}"
            models.save(model, damaged)
            data = bytearray((damaged / name).read_bytes())
            if how == "swap":
                other = files[files.index(name) - 1]
                data = bytearray((damaged / other).read_bytes())
            elif not data:
                continue
            elif how == "cut":
                del data[-1]
            else:
                data[len(data) // 2] ^= 4
            if bytes(data) == (damaged / name).read_bytes():
                continue
            (damaged / name).write_bytes(data)
            try:
                read = models.load(damaged)
                # A manifest without its last newline says the same.
                tokens = model.tokenizer.encode(SENTENCE).tokens[None]
                same = np.array_equal(read.score(tokens), model.score(tokens))
                ends["read, and the same" if same else "not noticed"] += 1
            except ForetellError:
                ends["refused"] += 1
    return dict(ends)


def measure(*, quick: bool) -> Result:
    count = QUICK_FILES if quick else FILES
    model = estimate_lines(text_of(60), order=3)
    figures: dict[str, Any] = {}
    met = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_arpa(model, folder / "m.arpa")
        write_probing(model, folder / "m.bin")
        jobs = [
            (kind, (folder / f"m.{kind}").read_bytes(), count // 4, seed)
            for seed in (1, 2)
            for kind in ("arpa", "bin")
        ]
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            for kind, ends, longest, wrong in pool.imap_unordered(_try, jobs):
                say(f"{kind}: {dict(ends)}, longest {longest:.2f} s")
                mine = figures.setdefault(kind, {"ends": Counter(), "seconds": 0.0, "wrong": []})
                mine["ends"] += ends
                mine["seconds"] = max(mine["seconds"], longest)
                mine["wrong"] += wrong[:5]
                met &= not wrong and longest <= MOST_SECONDS and ends["no number"] == 0
        figures["folders"] = damage_models(model, folder)
        met &= "not noticed" not in figures["folders"]
    return Result(met, figures)
