"""TREC-QA: which sentences answer a question. Ranked by how likely each is to, and held against
what people said by mean average precision; its own train, dev and test parts (Wang et al. 2007)."""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result, find_folder, say
from benchmarks.tasks.kept import Kept
from benchmarks.tasks.rows import PRETRAINED, SEEDS, pretrained_here, spread
from benchmarks.tasks.table import by_rung, say_table, shown
from foretell import tasks
from foretell.corpus.pairs import MARK
from foretell.storage import size_of
from foretell.tasks.labelling import train_into
from foretell.tasks.options import LabelOptions

ASKED = 0.72
PUBLISHED = "BM25 .630, CNN .726, attentive pooling .753"
YES = "1"
Rows = list[tuple[str, str, str]]
"""Question, sentence, whether it answers."""


def measure_row(name: str, kept: Kept, *, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    folder = None if data is None else data / "qa/trecqa_wang"
    if folder is None or not folder.is_dir():
        return Result(None, {"reason": "qa/trecqa_wang is not there; name it in FORETELL_DATA"})
    adapt = pretrained_here()
    parts = {part: _read(folder / f"{part}.csv") for part in ("train", "dev", "test")}
    with tempfile.TemporaryDirectory() as scratch:
        found = [
            kept.run(f"{name}-{seed}", partial(_measure, parts, Path(scratch), seed, adapt))
            for seed in (SEEDS[:1] if quick else SEEDS)
        ]
    rungs = {
        rung: spread([each["rungs"][rung]["test"] for each in found], 4)
        for rung in found[0]["rungs"]
    }
    chosen = spread([each["rungs"][each["chosen"]]["test"] for each in found], 4)
    say_table(
        f"{name}, MAP",
        {rung: shown(each, 3) for rung, each in rungs.items()},
        PUBLISHED,
        [by_rung(each) for each in found],
    )
    figures = {
        "chosen": chosen,
        "rungs": rungs,
        "asked": ASKED,
        "published": PUBLISHED,
        "seeds": found,
        **({} if adapt else {"left_out": f"adapted: foretell pull {PRETRAINED}"}),
    }
    return Result(chosen["mean"] >= ASKED, figures)


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as stream:
        return [(row["qtext"], row["atext"], row["label"]) for row in csv.DictReader(stream)]


def _measure(parts: dict[str, Rows], scratch: Path, seed: int, adapt: str | None) -> dict[str, Any]:
    files = {}
    for part in ("train", "dev"):
        files[part] = scratch / f"{part}.jsonl"
        named = (dict(zip(("text", "second", "label"), row, strict=True)) for row in parts[part])
        files[part].write_text("".join(json.dumps(row) + "\n" for row in named), "utf-8")
    out = scratch / f"model{seed}"
    options = LabelOptions(dev=str(files["dev"]), seed=seed, adapt=adapt, second="second")
    began = time.perf_counter()
    trained = train_into(out, files["train"], options)
    seconds = time.perf_counter() - began
    rungs: dict[str, Any] = {}
    for each in trained.tried:
        predictor = tasks.load(out, each.rung)
        rungs[each.rung] = {"learning_seconds": each.seconds}
        for part in ("dev", "test"):
            rows = parts[part]
            said = predictor.predict([MARK.join(row[:2]) for row in rows])
            likely = [answer.probabilities[YES] for answer in said]
            rungs[each.rung][part] = mean_average_precision(rows, likely)
        inside = out / each.rung
        rungs[each.rung]["bytes"] = size_of(inside if inside.is_dir() else out)
        say(f"  {each.rung}: {rungs[each.rung]}")
    # By what ranks best on dev; labels are chosen for by how surprising they are.
    chosen = max(rungs, key=lambda rung: rungs[rung]["dev"])
    return {"seed": seed, "chosen": chosen, "seconds": seconds, "rungs": rungs}


def mean_average_precision(rows: Rows, likely: Sequence[float]) -> float:
    """Over questions with an answer among their sentences. Of sentences that are as likely, the
    wrong ones come first: their order in the file would be a hint."""
    questions: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for (question, _, label), value in zip(rows, likely, strict=True):
        questions[question].append((value, label == YES))
    found = []
    for ranked in questions.values():
        right = [good for _, good in sorted(ranked, key=lambda pair: (-pair[0], pair[1]))]
        if any(right):
            places = np.flatnonzero(right)
            found.append(float(np.mean(np.arange(1, len(places) + 1) / (places + 1))))
    return float(np.mean(found))
