"""Semantic roles: EWT's PropBank in English, its dev part; CSRL's dialogues in Chinese, in five
folds of whole dialogues."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, say
from benchmarks.tasks.kept import Kept
from benchmarks.tasks.rows import ADAPTED, SEEDS, pretrained_here, spread
from benchmarks.tasks.table import by_rung, say_table, shown
from foretell.corpus.splits import place_of
from foretell.storage import size_of
from foretell.tasks import roles
from foretell.tasks.counts.frame_counts import PREDICATE
from foretell.tasks.examples.spans import Span, spans_of, tags_of
from foretell.tasks.options import TeachOptions

FOLDS = 5
SECONDS = 1_800
"""That each network may learn for; what the first does not need must not be the other's."""
Record = dict[str, Any]
Split = tuple[list[Record], list[Record]]
"""To learn from, and to be held against."""


@dataclass(frozen=True)
class Row:
    folder: str
    read: Callable[[Path], list[Split]]
    """Splits of the data; figures are means over them."""
    least: dict[str, float]
    """Asked: span F1 with gold predicates from scratch or adapted, or with those that are found."""
    published: str
    english: bool


def measure_row(name: str, kept: Kept, *, quick: bool) -> Result:
    row = ROWS[name]
    data = find_folder("FORETELL_DATA", "data")
    if data is None or not (data / row.folder).is_dir():
        return Result(None, {"reason": f"{row.folder} is not there; name it in FORETELL_DATA"})
    adapt = pretrained_here() if row.english else None
    splits = row.read(data / row.folder)
    seeds = (SEEDS[:1] if quick else SEEDS) if len(splits) == 1 else SEEDS[:1]
    found = []
    for seed in seeds:
        for fold, split in enumerate(splits[:1] if quick else splits):
            with tempfile.TemporaryDirectory() as scratch:
                run = partial(_measure, split, Path(scratch), seed, adapt)
                number = seed if len(splits) == 1 else fold
                found.append(kept.run(f"{name}-{number}", run))
    rungs = {
        rung: {of: spread([each["rungs"][rung][of] for each in found]) for of in ("given", "found")}
        for rung in found[0]["rungs"]
    }
    say_table(
        f"{name}, span F1 with predicates given, found",
        {rung: f"{shown(each['given'])}, {shown(each['found'])}" for rung, each in rungs.items()},
        row.published,
        [by_rung(each) for each in found],
    )
    scratch_best = max(rungs[rung]["given"]["mean"] for rung in rungs if rung not in ADAPTED)
    reached = {
        "scratch": scratch_best,
        "adapted": max([rungs[rung]["given"]["mean"] for rung in ADAPTED if rung in rungs] or [0]),
        "found": max(each["found"]["mean"] for each in rungs.values()),
    }
    figures = {
        "rungs": rungs,
        "asked": row.least,
        "published": row.published,
        "runs": found,
        **({"left_out": "adapted"} if adapt is None else {}),
    }
    longest = max(rung["learning_seconds"] for each in found for rung in each["rungs"].values())
    figures["longest_seconds"] = longest
    met = all(reached[kind] >= least for kind, least in row.least.items())
    return Result(met and longest <= SECONDS, figures)


def _measure(split: Split, scratch: Path, seed: int, adapt: str | None) -> dict[str, Any]:
    """The test part is never read for choices: a tenth of the rest is kept back for them."""
    train, test = (
        _write(scratch / f"{part}.jsonl", records)
        for part, records in zip(("train", "test"), split, strict=True)
    )
    out = scratch / "model"
    began = time.perf_counter()
    budget = f"{SECONDS * (2 if adapt else 1)}s"
    trained = roles.train_into(out, train, TeachOptions(seed=seed, adapt=adapt, budget=budget))
    seconds = time.perf_counter() - began
    rungs = {}
    for rung in roles.rungs_of(out):
        began = time.perf_counter()
        both = roles.evaluate(roles.load(out, rung), test)
        given, found = both.given, both.found
        rungs[rung] = {
            "given": 100 * given.f1.value,
            "given_interval": [100 * given.f1.low, 100 * given.f1.high],
            "found": 100 * found.f1.value,
            "found_interval": [100 * found.f1.low, 100 * found.f1.high],
            "sense_accuracy": given.sense_accuracy,
            "learning_seconds": next(e.seconds for e in trained.tried if e.rung == rung),
            "answering_seconds": time.perf_counter() - began,
            "bytes": size_of(out / rung if (out / rung).is_dir() else out),
        }
        say(f"  {rung}: given {100 * given.f1.value:.1f}, found {100 * found.f1.value:.1f}")
    return {"seed": seed, "seconds": seconds, "sentences": len(split[0]), "rungs": rungs}


def _write(path: Path, records: list[Record]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    return path


def _ewt(folder: Path) -> list[Split]:
    """Arguments that overlap, of one predicate, are left out: the first stays."""
    parts: list[list[Record]] = []
    for pattern in ("train-*.jsonl", "dev.jsonl"):
        records = []
        for file in sorted(folder.glob(pattern)):
            for line in file.read_text("utf-8").splitlines():
                record = json.loads(line)
                for predicate in record["predicates"]:
                    predicate["args"] = list(_apart(predicate["args"], len(record["words"])))
                records.append({"words": record["words"], "predicates": record["predicates"]})
        parts.append(records)
    return [(parts[0], parts[1])]


def _apart(args: list[list[Any]], words: int) -> Iterator[list[Any]]:
    kept: list[Span] = []
    for start, end, name in args:
        try:
            tags_of([*kept, Span(start, end, name)], words)
        except ValueError:
            continue
        kept.append(Span(start, end, name))
        yield [start, end, name]


def _csrl(folder: Path) -> list[Split]:
    """`dialogue ||| place ||| words ||| turns ||| tags`, a line a predicate; a sentence is all that
    was said so far, and its predicates are those of the last turns that have the same words."""
    dialogues: dict[str, dict[str, Record]] = {}
    for line in (folder / "duconv.dev.csrl").read_text("utf-8").splitlines():
        dialogue, index, said, _, tags = line.split("|||")
        words = said.split()
        spans = [span for span in spans_of(tags.split()) if span.name != PREDICATE]
        record = dialogues.setdefault(dialogue, {}).setdefault(
            said, {"words": words, "predicates": []}
        )
        args = [list(span) for span in spans]
        record["predicates"].append({"index": int(index), "args": args})
    folds: list[list[Record]] = [[] for _ in range(FOLDS)]
    for name, records in dialogues.items():
        folds[int(place_of(name, 7) * FOLDS)].extend(records.values())
    return [
        ([each for j, fold in enumerate(folds) if j != i for each in fold], folds[i])
        for i in range(FOLDS)
    ]


ROWS = {
    "ewt": Row(
        "srl/ewt_propbank",
        _ewt,
        {"scratch": 64.0, "adapted": 74.0, "found": 70.0},
        "BERT 82.6 to 86.7 on a sibling version",
        english=True,
    ),
    "csrl": Row("srl/csrl_duconv", _csrl, {"scratch": 60.0}, "none comparable", english=False),
}
