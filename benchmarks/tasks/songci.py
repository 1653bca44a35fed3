"""Song lyrics: poems to a named tune, with lines of its lengths that rhyme as they have to, and how
much of them is copied. A tenth of the poems is held out, by a hash of their text; poems are written
to the tunes of these."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, say
from benchmarks.tasks.kept import Kept
from benchmarks.tasks.rows import HELD_OUT, SEEDS, spread
from benchmarks.tasks.table import by_rung, say_table, shown
from foretell.corpus.splits import place_of
from foretell.storage import size_of
from foretell.tasks.generating import evaluate, load, rungs_of, train_into
from foretell.tasks.options import GenerateOptions

PLACE = "lm/chinese_poetry/songci"
LEAST_RIGHT, MOST_COPIED = 95.0, 5.0
QUICK_BUDGET = "2m"
PUBLISHED = "none comparable; what people wrote stands beside, by the same measures"


def measure_row(name: str, kept: Kept, *, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None or not (data / PLACE).is_dir():
        return Result(None, {"reason": f"{PLACE} is not there; name it in FORETELL_DATA"})
    with tempfile.TemporaryDirectory() as scratch:
        files = split_poems(data / PLACE, Path(scratch))
        found = [
            kept.run(
                f"{name}-{seed}",
                partial(_measure, files, Path(scratch) / f"m{seed}", seed, quick),
            )
            for seed in (SEEDS[:1] if quick else SEEDS)
        ]
    chosen = [each["rungs"][each["chosen"]] for each in found]
    right = spread([100 * each["right"]["value"] for each in chosen])
    copied = spread([100 * each["copied"]["value"] for each in chosen])
    met = right["mean"] >= LEAST_RIGHT and copied["mean"] <= MOST_COPIED
    rungs = {
        rung: ", ".join(
            shown(spread([100 * each["rungs"][rung][of]["value"] for each in found]))
            for of in ("right", "copied")
        )
        for rung in found[0]["rungs"]
    }
    say_table(f"{name}, lines right, spans copied", rungs, PUBLISHED, [by_rung(e) for e in found])
    figures = {"right": right, "copied": copied, "published": PUBLISHED, "seeds": found}
    return Result(met, figures)


def split_poems(folder: Path, scratch: Path) -> dict[str, Path]:
    files = {part: scratch / f"{part}.jsonl" for part in ("train", "test")}
    lines: dict[str, list[str]] = {part: [] for part in files}
    for file in sorted(folder.glob("*.json")):
        for row in json.loads(file.read_text("utf-8")):
            # Another seed than any by which a tenth is kept back for choices.
            part = "test" if place_of("".join(row["paragraphs"]), 99) < HELD_OUT else "train"
            lines[part].append(json.dumps(row, ensure_ascii=False) + "\n")
    for part, file in files.items():
        file.write_text("".join(lines[part]), "utf-8")
    return files


def _measure(files: dict[str, Path], out: Path, seed: int, quick: bool) -> dict[str, Any]:
    options = GenerateOptions(text="paragraphs", topic="rhythmic", seed=seed)
    if quick:
        options = GenerateOptions("paragraphs", "rhythmic", seed=seed, budget=QUICK_BUDGET)
    began = time.perf_counter()
    trained = train_into(out, files["train"], options)
    seconds = time.perf_counter() - began
    rungs: dict[str, Any] = {}
    for rung in rungs_of(out):
        ours, theirs = evaluate(load(out, rung), files["test"], options)
        seconds_of = next(each.seconds for each in trained.generates if each.rung == rung)
        rungs[rung] = {
            **asdict(ours),
            "learning_seconds": seconds_of,
            "bytes": size_of(out / rung),
        }
        rungs["people"] = asdict(theirs)
        say(f"  {rung}: {rungs[rung]}")
    return {
        "seed": seed,
        "chosen": trained.rung,
        "seconds": seconds,
        "rungs": rungs,
        "dev": [asdict(each) for each in trained.generates],
    }
