"""ATIS: what a request is about, and its slots; its own train, dev and test parts."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, say
from benchmarks.tasks.kept import Kept
from benchmarks.tasks.rows import PRETRAINED, SEEDS, pretrained_here, spread
from benchmarks.tasks.table import by_rung, say_table, shown
from foretell.storage import size_of
from foretell.tasks import tagging
from foretell.tasks.examples.tagged import names_of, read_tagged, strange_names
from foretell.tasks.examples.words import split
from foretell.tasks.options import TeachOptions

ASKED = {"slot_f1": 95.0, "intent": 96.0, "exact": 85.0}
PUBLISHED = {"Slot-Gated": {"slot_f1": 95.2, "intent": 94.1, "exact": 82.6}}


def measure_row(name: str, kept: Kept, *, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None or not (data / "nlu" / name).is_dir():
        return Result(None, {"reason": f"nlu/{name} is not there; name it in FORETELL_DATA"})
    adapt = pretrained_here()
    with tempfile.TemporaryDirectory() as scratch:
        files = read_parts(data / "nlu" / name, Path(scratch))
        found = [
            kept.run(f"{name}-{seed}", partial(_measure, files, Path(scratch), seed, adapt))
            for seed in (SEEDS[:1] if quick else SEEDS)
        ]
    rungs = {
        rung: {of: spread([each["rungs"][rung][of] for each in found]) for of in ASKED}
        for rung in found[0]["rungs"]
    }
    chosen = {of: spread([each["rungs"][each["chosen"]][of] for each in found]) for of in ASKED}
    say_table(
        f"{name}, {', '.join(ASKED)}",
        {rung: ", ".join(shown(each[of]) for of in ASKED) for rung, each in rungs.items()},
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
    return Result(all(chosen[of]["mean"] >= least for of, least in ASKED.items()), figures)


def _measure(files: dict[str, Path], scratch: Path, seed: int, adapt: str | None) -> dict[str, Any]:
    out = scratch / f"model{seed}"
    options = TeachOptions(dev=str(files["valid"]), seed=seed, adapt=adapt)
    began = time.perf_counter()
    trained = tagging.train_into(out, files["train"], options)
    seconds = time.perf_counter() - began
    texts = [split("".join(each.words)) for each in tagging.read_tagged(files["test"])]
    rungs = {}
    for each, at_first in zip(tagging.compare(out, files["test"]), trained.tried, strict=True):
        measures = asdict(each.measures)
        measures.pop("names")
        predictor = tagging.load(out, each.rung)
        began = time.perf_counter()
        predictor.predict(texts)
        label = each.measures.label_accuracy
        rungs[each.rung] = {
            "slot_f1": 100 * each.measures.f1.value,
            "intent": 100 * label.value if label is not None else 0.0,
            "exact": 100 * each.measures.exact.value,
            "intervals": measures,
            "dev_f1": at_first.measures.f1.value,
            "learning_seconds": at_first.seconds,
            "texts_a_second": len(texts) / (time.perf_counter() - began),
            "bytes": size_of(out / each.rung),
        }
        say(f"  {each.rung}: " + ", ".join(f"{of} {rungs[each.rung][of]:.1f}" for of in ASKED))
    return {"seed": seed, "chosen": trained.rung, "seconds": seconds, "rungs": rungs}


def read_parts(folder: Path, scratch: Path) -> dict[str, Path]:
    """Files of train, valid and test. What of valid has a name that train lacks is left out: it
    cannot be learned, and nothing is chosen by it."""
    files = {
        part: read_into(folder / part, scratch / f"{part}.jsonl")
        for part in ("train", "valid", "test")
    }
    names = names_of(read_tagged(files["train"]))
    lines = files["valid"].read_text("utf-8").splitlines(keepends=True)
    known = [not strange_names(each, names) for each in read_tagged(files["valid"])]
    files["valid"].write_text("".join(compress(lines, known)), "utf-8")
    return files


def read_into(folder: Path, path: Path) -> Path:
    """Three files of lines: words, tags, labels."""
    columns = [
        (folder / name).read_text("utf-8").splitlines() for name in ("seq.in", "seq.out", "label")
    ]
    lines = (
        json.dumps({"words": words.split(), "tags": tags.split(), "label": label.strip()}) + "\n"
        for words, tags, label in zip(*columns, strict=True)
    )
    path.write_text("".join(lines), "utf-8")
    return path
