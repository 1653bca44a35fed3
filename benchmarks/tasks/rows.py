"""Rows of the table of applications, each by its name: what every rung that is built reaches.

A choice is made on dev, or on a tenth that is kept back; test halves are read once a seed.
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, say
from benchmarks.tasks.kept import Kept
from benchmarks.tasks.pretraining import measure_pretraining
from benchmarks.tasks.table import by_rung, say_table, shown
from foretell.contracts.errors import ForetellError
from foretell.corpus.pairs import MARK
from foretell.corpus.splits import place_of
from foretell.interop import pretrained

SEEDS = (0, 1, 2)
HELD_OUT = 0.1
PRETRAINED = "smollm2-135m"
SCRATCH, ADAPTED = ("count", "recurrent"), ("adapted", "together")
MOST_TIMED = 1_000
PAIR = ("text", "second", "label")
Rows = list[tuple[str, ...]]
"""A text, or two, and a label."""


@dataclass(frozen=True)
class Row:
    """A data set of texts with labels."""

    read: Callable[[Path], dict[str, Rows]]
    """Parts train, test, and dev if there is one, of texts with labels."""
    least: dict[str, float]
    """What is asked for, in percent, by the kind of model."""
    published: str
    english: bool = True
    """True if the pretrained model at hand knows the language."""
    pretrain: bool = False
    """True if it is asked what a language model of the Chinese text at hand adds."""


def measure_row(name: str, kept: Kept, *, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None:
        return Result(None, {"reason": "FORETELL_DATA is not there"})
    row = ROWS[name]
    try:
        parts = row.read(data)
    except FileNotFoundError as problem:
        return Result(None, {"reason": f"{problem.filename} is not there"})
    adapt = pretrained_here() if row.english else None
    seeds = SEEDS[:1] if quick else SEEDS
    with tempfile.TemporaryDirectory() as scratch:
        for part, rows in parts.items():
            _write(Path(scratch) / f"{part}.jsonl", rows)
        found = [
            kept.run(f"{name}-{seed}", partial(_measure, parts, Path(scratch), seed, adapt))
            for seed in seeds
        ]
        adds = None
        if row.pretrain:
            both = partial(measure_pretraining, data, Path(scratch), quick=quick)
            adds = kept.run(f"{name}-pretraining", both)
    rungs = {
        rung: spread([100 * each["rungs"][rung]["accuracy"]["value"] for each in found])
        for rung in found[0]["rungs"]
    }
    chosen = [100 * each["rungs"][each["chosen"]]["accuracy"]["value"] for each in found]
    say_table(
        f"{name}, accuracy",
        {rung: shown(each) for rung, each in rungs.items()},
        row.published,
        [by_rung(each) for each in found],
    )
    figures = {
        "chosen": spread(chosen),
        "rungs": rungs,
        "asked": row.least,
        "published": row.published,
        "seeds": found,
        "examples": {part: len(rows) for part, rows in parts.items()},
    }
    if adds is not None:
        figures["pretraining"] = adds
    if row.english and adapt is None:
        figures["left_out"] = f"adapted: {PRETRAINED} is not here; foretell pull {PRETRAINED}"
    return Result(
        all(_reaches(rungs, chosen, kind, least) for kind, least in row.least.items()), figures
    )


def pretrained_here() -> str | None:
    """The pretrained model by its name, if it was pulled."""
    try:
        pretrained.find(PRETRAINED)
    except ForetellError:
        return None
    return PRETRAINED


def spread(values: list[float], digits: int = 2) -> dict[str, Any]:
    mean = sum(values) / len(values)
    edges = [round(min(values), digits), round(max(values), digits)]
    return {"mean": round(mean, digits), "range": edges}


def _reaches(rungs: dict[str, Any], chosen: list[float], kind: str, least: float) -> bool:
    """Whether what is asked for is reached by the kind that it is asked of."""
    if kind == "any":
        return sum(chosen) / len(chosen) >= least
    names = SCRATCH if kind == "scratch" else ADAPTED
    return any(rungs[name]["mean"] >= least for name in names if name in rungs)


def _measure(parts: dict[str, Rows], scratch: Path, seed: int, adapt: str | None) -> dict[str, Any]:
    """scratch: holds a file for each part."""
    from foretell import tasks
    from foretell.storage import size_of
    from foretell.tasks.labelling import compare, train_into
    from foretell.tasks.options import LabelOptions

    files = {part: scratch / f"{part}.jsonl" for part in parts}
    out = scratch / f"model{seed}"
    dev = str(files["dev"]) if "dev" in files else None
    began = time.perf_counter()
    second = "second" if len(parts["train"][0]) == len(PAIR) else None
    options = LabelOptions(dev=dev, seed=seed, adapt=adapt, second=second)
    trained = train_into(out, files["train"], options)
    seconds = time.perf_counter() - began
    on_test = compare(out, files["test"], options)
    rungs = {}
    for each, at_first in zip(on_test, trained.tried, strict=True):
        measures = asdict(each.measures)
        measures.pop("confusion")
        predictor = tasks.load(out, each.rung)
        texts = [MARK.join(row[:-1]) for row in parts["test"]][:MOST_TIMED]
        began = time.perf_counter()
        predictor.predict(texts)
        rungs[each.rung] = {
            **measures,
            "dev": at_first.measures.accuracy.value,
            "learning_seconds": at_first.seconds,
            "texts_a_second": len(texts) / (time.perf_counter() - began),
            "bytes": size_of(out / each.rung) if (out / each.rung).is_dir() else size_of(out),
        }
        say(f"  {each.rung}: {100 * measures['accuracy']['value']:.1f}")
    return {"seed": seed, "chosen": trained.rung, "seconds": seconds, "rungs": rungs}


def _write(path: Path, rows: Rows) -> None:
    names = ("text", "label") if len(rows[0]) == len(("text", "label")) else PAIR
    lines = (json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
    path.write_text("".join(lines), "utf-8")


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


def _sick(data: Path) -> dict[str, Rows]:
    """Tables with a line of names."""
    found = {}
    for part, name in (("train", "train"), ("dev", "trial"), ("test", "test_annotated")):
        with (data / f"nlu/sick/SICK_{name}.txt").open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            found[part] = [
                (row["sentence_A"], row["sentence_B"], row["entailment_judgment"]) for row in rows
            ]
    return found


def _ocnli(data: Path) -> dict[str, Rows]:
    """Its dev part is what is asked about, so choices are made on a tenth of train. Pairs on which
    people did not agree have the label `-`, and are left out."""
    found = {}
    for part, name in (("train", "train.10k"), ("test", "dev")):
        lines = (data / f"nlu/ocnli/{name}.json").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        found[part] = [
            (row["sentence1"], row["sentence2"], row["label"])
            for row in rows
            if row["label"] != "-"
        ]
    return found


ROWS = {
    "sst2": Row(_sst2, {"scratch": 82.0, "adapted": 89.0}, "CNN 83.5 to 87.0"),
    "trec6": Row(_trec(fine=False), {"any": 91.0}, "CNN 88.2 to 92.8"),
    "trec50": Row(_trec(fine=True), {"any": 82.0}, "none on file"),
    "chnsenticorp": Row(_chnsenticorp, {"any": 89.0}, "BERT 94.1 on its dev part", english=False),
    "sick": Row(_sick, {"any": 79.0}, "LSTM 71.3, CNN 79.9, winner 84.5"),
    "ocnli": Row(
        _ocnli, {"any": 50.0}, "at 10k BERT 69.2; at 50k BiLSTM 60.5", english=False, pretrain=True
    ),
    "tnews": Row(_tnews, {"any": 53.0}, "BERT 57.0", english=False),
}
