"""Texts made of texts: translations, summaries, answers, on published data.

Choices are made on dev, or on a tenth of train that is kept back where dev is what is asked about;
test halves are read once a seed.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, say
from benchmarks.tasks.kept import Kept
from benchmarks.tasks.rows import HELD_OUT, PRETRAINED, SEEDS, pretrained_here, spread
from benchmarks.tasks.table import say_table, shown
from foretell.corpus.splits import place_of
from foretell.storage import size_of
from foretell.tasks.options import TextOptions
from foretell.tasks.writing import compare, train_into

Texts = list[dict[str, Any]]
"""text, perhaps second, and target."""
QUICK_BUDGET = "3m"


@dataclass(frozen=True)
class TextRow:
    """A data set of texts with what is to be made of them."""

    task: str
    read: Callable[[Path], list[dict[str, Texts]]]
    """Folds, or just one, each of train, test, and dev if there is one."""
    metric: str
    least: float
    published: str
    budget: str = "30m"
    longest: int | None = None
    """Words of an answer at most, where those that are asked for are known to be shorter than those
    that are learned from."""
    above_lead: bool = False
    """True if so many points above the first sentence are asked for."""
    english: bool = False
    """True if the pretrained model at hand knows the languages."""


def measure_row(name: str, kept: Kept, *, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None:
        return Result(None, {"reason": "FORETELL_DATA is not there"})
    seeds = SEEDS[:1] if quick else SEEDS
    parts = {}
    for part, row in ROWS[name].items():
        try:
            folds = row.read(data)
        except FileNotFoundError as problem:
            return Result(None, {"reason": f"{problem.filename} is not there"})
        adapt = pretrained_here() if row.english else None
        parts[part] = _measure_part(
            f"{name}-{part}", row, folds[:1] if quick else folds, seeds, adapt, kept, quick
        )
        if row.english and adapt is None:
            parts[part]["left_out"] = f"adapted: foretell pull {PRETRAINED}"
        say_table(
            f"{name} {part}, {row.metric}",
            {rung: shown(each) for rung, each in parts[part]["rungs"].items()},
            row.published,
            parts[part]["runs"],
        )
    return Result(all(part["met"] for part in parts.values()), parts)


def _measure_part(
    name: str,
    row: TextRow,
    folds: list[dict[str, Texts]],
    seeds: tuple[int, ...],
    adapt: Any,
    kept: Kept,
    quick: bool,
) -> dict[str, Any]:
    # Several folds are as many runs as there are folds: each has its own seed.
    runs = [(fold, seed) for fold in folds for seed in seeds]
    if len(folds) > 1:
        runs = [(fold, seed) for seed, fold in enumerate(folds)]
    budget = QUICK_BUDGET if quick else row.budget
    with tempfile.TemporaryDirectory() as scratch:
        found = [
            kept.run(
                f"{name}-{seed}",
                partial(_measure, row, fold, seed, adapt, budget, Path(scratch) / str(seed)),
            )
            for fold, seed in runs
        ]
    rungs = {rung: spread([each["rungs"][rung] for each in found]) for rung in found[0]["rungs"]}
    chosen = spread([each["rungs"][each["chosen"]] for each in found])
    least = row.least + (rungs["lead"]["mean"] if row.above_lead else 0)
    return {
        "met": chosen["mean"] >= least,
        "metric": row.metric,
        "chosen": chosen,
        "rungs": rungs,
        "asked": least,
        "published": row.published,
        "runs": found,
        "examples": {part: len(rows) for part, rows in folds[0].items()},
    }


def _measure(
    row: TextRow, fold: dict[str, Texts], seed: int, adapt: Any, budget: str, folder: Path
) -> dict[str, Any]:
    folder.mkdir()
    files = {}
    for part, rows in fold.items():
        files[part] = folder / f"{part}.jsonl"
        lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in rows)
        files[part].write_text("".join(lines), "utf-8")
    options = TextOptions(
        dev=str(files["dev"]) if "dev" in files else None,
        seed=seed,
        adapt=adapt,
        budget=budget,
        longest=row.longest,
        second="second" if "second" in fold["train"][0] else None,
    )
    began = time.perf_counter()
    trained = train_into(folder / "m", files["train"], row.task, options)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    tried = compare(folder / "m", files["test"], options)
    figures = {each.rung: _figure(asdict(each.measures), row.metric) for each in tried}
    say(f"  {seed}: {figures}")
    return {
        "seed": seed,
        "chosen": trained.rung,
        "seconds": seconds,
        "testing_seconds": time.perf_counter() - began,
        "rungs": figures,
        "measures": {each.rung: asdict(each.measures) for each in tried},
        "dev": {each.rung: _figure(asdict(each.measures), row.metric) for each in trained.tried},
        "learning_seconds": {each.rung: each.seconds for each in trained.tried},
        "bytes": {each.rung: size_of(folder / "m" / each.rung) for each in tried},
    }


def _figure(measures: dict[str, Any], metric: str) -> float:
    if measures["name"] == metric:
        return float(measures["score"]["value"])
    return float(measures["others"][metric])


def _multi30k(source: str, target: str) -> Callable[[Path], list[dict[str, Texts]]]:
    def read(data: Path) -> list[dict[str, Texts]]:
        found = {}
        for part, name in (("train", "train"), ("dev", "val"), ("test", "test_2016_flickr")):
            sides = [
                gzip.decompress((data / f"mt/multi30k/raw/{name}.{side}.gz").read_bytes())
                .decode("utf-8")
                .splitlines()
                for side in (source, target)
            ]
            found[part] = [
                {"text": text.strip(), "target": said.strip()}
                for text, said in zip(*sides, strict=True)
            ]
        return [found]

    return read


def _tatoeba(source: int, target: int) -> Callable[[Path], list[dict[str, Texts]]]:
    """English, Chinese, whose they are. A tenth is held out by the English sentence, so that what
    is translated in several ways stands on one side."""

    def read(data: Path) -> list[dict[str, Texts]]:
        found: dict[str, Texts] = {"train": [], "dev": [], "test": []}
        for line in (data / "mt/tatoeba_cmn_eng/cmn.txt").read_text("utf-8").splitlines():
            sides = line.split("\t")[:2]
            # Another seed than any by which a tenth is kept back for choices.
            place = place_of(sides[0], 99)
            part = "test" if place < HELD_OUT else "dev" if place < 1.5 * HELD_OUT else "train"
            found[part].append({"text": sides[source].strip(), "target": sides[target].strip()})
        for part in ("dev", "test"):
            found[part] = _joined(found[part])
        return [found]

    return read


def _joined(rows: Texts) -> Texts:
    """Each text once, with all that are right."""
    targets: dict[str, list[str]] = {}
    for row in rows:
        targets.setdefault(row["text"], []).append(row["target"])
    return [{"text": text, "target": each} for text, each in targets.items()]


def _scitldr(data: Path) -> list[dict[str, Texts]]:
    """Its dev part is what is asked about, so choices are made on a tenth of train."""
    found = {}
    for part, name in (("train", "train"), ("test", "dev")):
        lines = (data / f"summarization/scitldr_a/{name}.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        found[part] = [{"text": row["source"], "target": row["target"]} for row in rows]
    return [found]


def _csl(data: Path) -> list[dict[str, Texts]]:
    """Five folds, by the number of the row."""
    lines = (data / "summarization/csl_title/dev.tsv").read_text("utf-8").splitlines()
    rows = [
        {"text": text, "target": title}
        for _, text, title in (line.split("\t") for line in lines if line.count("\t") == 2)
    ]
    return [
        {
            "train": [row for at, row in enumerate(rows) if at % 5 != fold],
            "test": [row for at, row in enumerate(rows) if at % 5 == fold],
        }
        for fold in range(5)
    ]


def _tweetqa(data: Path) -> list[dict[str, Texts]]:
    """Its dev part is what is asked about, so choices are made on a tenth of train."""
    found = {}
    for part, name in (("train", "train"), ("test", "dev")):
        rows = json.loads((data / f"qa/tweetqa/{name}.json").read_text("utf-8"))
        found[part] = [
            {"text": row["Question"], "second": row["Tweet"], "target": row["Answer"]}
            for row in rows
        ]
    return [found]


def _cmrc(data: Path) -> list[dict[str, Texts]]:
    """Trained on the trial part, without its two questions that are empty; its dev part is what is
    asked about. Answers there are 9 characters long on average (Cui et al. 2019, from memory),
    a third of those of the trial part, so they are held to twice that."""
    found = {}
    for part, name in (("train", "trial"), ("test", "dev")):
        content = json.loads((data / f"qa/cmrc2018/cmrc2018_{name}.json").read_text("utf-8"))
        found[part] = [
            {
                "text": asked["question"],
                "second": paragraph["context"],
                "target": list(dict.fromkeys(answer["text"] for answer in asked["answers"])),
            }
            for article in content["data"]
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
            if asked["question"].strip() or part == "test"
        ]
    return [found]


GERMAN = "attention over a GRU 33.5 (de-en); Transformer of 2.6M 41.0 tokenised, lower case (en-de)"
OPUS = "opus-mt, pretrained: zh-en 36.1, en-zh 31.4"
ROWS: dict[str, dict[str, TextRow]] = {
    "multi30k": {
        "en-de": TextRow("translate", _multi30k("en", "de"), "BLEU", 32.0, GERMAN, "60m"),
        "de-en": TextRow("translate", _multi30k("de", "en"), "BLEU", 34.0, GERMAN, "60m"),
    },
    "tatoeba": {
        "zh-en": TextRow("translate", _tatoeba(1, 0), "BLEU", 15.0, OPUS, "60m"),
        "en-zh": TextRow("translate", _tatoeba(0, 1), "BLEU", 12.0, OPUS, "60m"),
    },
    "scitldr": {
        "dev": TextRow("summarize", _scitldr, "ROUGE-1", 34.0, "lead 28.2, BART 43.3", english=True)
    },
    "csl": {
        "folds": TextRow(
            "summarize", _csl, "ROUGE-L", 10.0, "none comparable", "6m", above_lead=True
        )
    },
    "cmrc": {
        "dev": TextRow(
            "answer", _cmrc, "F1", 35.0, "BERT 84.5, trained on a file not here", "10m", 18
        )
    },
    "tweetqa": {"dev": TextRow("answer", _tweetqa, "F1", 50.0, "BART 64.8", "60m", english=True)},
}
