"""Rows of the table of applications, each by its name: what every rung that is built reaches.

A choice is made on dev, or on a tenth that is kept back; test halves are read once a seed.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, say
from foretell.corpus.splits import place_of

SEEDS = (0, 1, 2)
HELD_OUT = 0.1
Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Row:
    """A data set of texts with labels."""

    read: Callable[[Path], dict[str, Rows]]
    """Parts train, test, and dev if there is one, of texts with labels."""
    least: dict[str, float]
    """What is asked for, in percent, by the kind of model."""
    published: str


def measure_row(name: str, *, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None:
        return Result(None, {"reason": "FORETELL_DATA is not there"})
    row = ROWS[name]
    try:
        parts = row.read(data)
    except FileNotFoundError as problem:
        return Result(None, {"reason": f"{problem.filename} is not there"})
    seeds = SEEDS[:1] if quick else SEEDS
    with tempfile.TemporaryDirectory() as scratch:
        found = [_measure(parts, Path(scratch), seed) for seed in seeds]
    accuracies = [100 * each["accuracy"]["value"] for each in found]
    mean = sum(accuracies) / len(accuracies)
    say(f"{name}: {mean:.1f}")
    reached = {"scratch": mean >= row.least["scratch"], "adapted": False}
    figures = {
        "rungs": {"count": {"mean": mean, "range": [min(accuracies), max(accuracies)]}},
        "asked": row.least,
        "published": row.published,
        "seeds": found,
        "examples": {part: len(rows) for part, rows in parts.items()},
    }
    missing = [kind for kind in row.least if kind != "scratch"]
    if missing:
        figures["not_built"] = missing
    return Result(all(reached[kind] for kind in row.least), figures)


def _measure(parts: dict[str, Rows], scratch: Path, seed: int) -> dict[str, Any]:
    from foretell import tasks
    from foretell.storage import size_of
    from foretell.tasks.labelling import evaluate, train_into
    from foretell.tasks.options import LabelOptions

    files = {part: _write(scratch / f"{part}.jsonl", rows) for part, rows in parts.items()}
    out = scratch / f"model{seed}"
    dev = str(files["dev"]) if "dev" in files else None
    began = time.perf_counter()
    trained = train_into(out, files["train"], LabelOptions(dev=dev, seed=seed))
    seconds = time.perf_counter() - began
    predictor = tasks.load(out)
    began = time.perf_counter()
    predictor.predict([text for text, _ in parts["test"]])
    answering = time.perf_counter() - began
    measured = asdict(evaluate(predictor, files["test"], LabelOptions()))
    measured.pop("confusion")
    return {
        **measured,
        "dev": trained.dev.accuracy.value,
        "train_seconds": seconds,
        "texts_a_second": len(parts["test"]) / answering,
        "bytes": size_of(out),
    }


def _write(path: Path, rows: Rows) -> Path:
    lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    path.write_text("".join(lines), "utf-8")
    return path


def _sst2(data: Path) -> dict[str, Rows]:
    """A label, a blank, a sentence."""
    found = {}
    for part in ("train", "dev", "test"):
        lines = (data / f"sentiment/sst/stsa.binary.{part}").read_text("utf-8").splitlines()
        found[part] = [(line[2:].strip(), line[0]) for line in lines if line.strip()]
    return found


def _trec(*, fine: bool) -> Callable[[Path], dict[str, Rows]]:
    """`DESC:manner How ...`, in Latin-1."""

    def read(data: Path) -> dict[str, Rows]:
        found = {}
        for part in ("train", "test"):
            lines = (data / f"textcls/trec/raw/TREC.{part}").read_text("latin-1").splitlines()
            pairs = (line.split(" ", 1) for line in lines if line.strip())
            found[part] = [
                (text, label if fine else label.partition(":")[0]) for label, text in pairs
            ]
        return found

    return read


def _tabbed(lines: Sequence[str]) -> Rows:
    """A text, a tab, a label, without a line of names."""
    pairs = (line.rsplit("\t", 1) for line in lines if "\t" in line)
    return [(text, label) for text, label in pairs]


def _chnsenticorp(data: Path) -> dict[str, Rows]:
    """A tenth held out, by a hash of the text, so that copies stand on one side."""
    path = data / "sentiment/chnsenticorp/train.tsv"
    rows = _tabbed(path.read_text("utf-8").split("\n"))
    found: dict[str, Rows] = {"train": [], "test": []}
    for text, label in rows:
        # Another seed than any by which a tenth is kept back for choices.
        held_out = place_of(text, 99) < HELD_OUT
        found["test" if held_out else "train"].append((text, label))
    return found


def _tnews(data: Path) -> dict[str, Rows]:
    """Its dev part is what is asked about, so choices are made on a tenth of train."""
    return {
        part: _tabbed((data / f"textcls/tnews/{name}.tsv").read_text("utf-8").split("\n"))
        for part, name in (("train", "train"), ("test", "dev"))
    }


ROWS = {
    "sst2": Row(_sst2, {"scratch": 82.0, "adapted": 89.0}, "CNN 83.5 to 87.0"),
    "trec6": Row(_trec(fine=False), {"scratch": 91.0}, "CNN 88.2 to 92.8"),
    "trec50": Row(_trec(fine=True), {"scratch": 82.0}, "none on file"),
    "chnsenticorp": Row(_chnsenticorp, {"scratch": 89.0}, "BERT 94.1 on its dev part"),
    "tnews": Row(_tnews, {"scratch": 53.0}, "BERT 57.0"),
}
