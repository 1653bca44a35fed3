"""Probabilities of the allowed answers: they sum to one, they are calibrated, and Python and the
command line say the same. Questions in English, reviews in Chinese, and requests with slots; every
kind of model, on examples that stood in no part by which anything was learned or chosen.

Calibrated: the calibration error, or the lower end of its interval, is no more than CLOSE, or no
more than what as many texts show by chance alone.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.result import Result, find_folder, foretell, say
from benchmarks.tasks import atis
from benchmarks.tasks.rows import ROWS
from foretell import tasks
from foretell.evaluation.results import Interval
from foretell.storage import write_text
from foretell.tasks import labelling, tagging
from foretell.tasks.examples.words import split
from foretell.tasks.options import LabelOptions, TeachOptions

CLOSE = 0.05
WHOLE = 1e-6
"""How far a sum may lie from one, as it is written."""
SEED = 0
BUDGET, QUICK_BUDGET = "10m", "1 pass"


def measure(*, quick: bool) -> Result:
    data = find_folder("FORETELL_DATA", "data")
    if data is None:
        return Result(None, {"reason": "FORETELL_DATA is not there"})
    budget = QUICK_BUDGET if quick else BUDGET
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            for name in ("trec6",) if quick else ("trec6", "chnsenticorp"):
                found |= _labels(name, data, Path(scratch), budget)
            found |= _requests(data, Path(scratch), budget)
        except FileNotFoundError as problem:
            return Result(None, {"reason": f"{problem.filename} is not there"})
    met = all(
        each["calibrated"] and each["far_from_one"] <= WHOLE and each["same_as_command_line"]
        for each in found.values()
    )
    return Result(met, found)


def _labels(name: str, data: Path, folder: Path, budget: str) -> dict[str, Any]:
    files = {}
    for part, rows in ROWS[name].read(data).items():
        files[part] = folder / f"{name}-{part}.jsonl"
        lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
        files[part].write_text("".join(lines), "utf-8")
    model, options = folder / name, LabelOptions(seed=SEED, budget=budget)
    labelling.train_into(model, files["train"], options)
    found = {}
    for tried in labelling.compare(model, files["test"], options):
        predictor = tasks.load(model, tried.rung)
        lines = files["test"].read_text("utf-8").splitlines()
        ours = predictor.predict([json.loads(line)["text"] for line in lines])
        theirs = _said("classify", model, files["test"], tried.rung)
        measures = tried.measures
        found[f"{name} {tried.rung}"] = _told(
            measures.calibration_error,
            measures.chance_error,
            [dict(each.probabilities) for each in ours],
            [each["probabilities"] for each in theirs],
            same=[each.value for each in ours] == [each["label"] for each in theirs],
        )
        say(f"{name} {tried.rung}: {found[f'{name} {tried.rung}']}")
    return found


def _requests(data: Path, folder: Path, budget: str) -> dict[str, Any]:
    files = atis.read_parts(data / "nlu/atis", folder)
    model = folder / "atis"
    options = TeachOptions(dev=str(files["valid"]), seed=SEED, budget=budget)
    tagging.train_into(model, files["train"], options)
    texts = ["".join(each.words) for each in tagging.read_tagged(files["test"])]
    plain = folder / "atis.txt"
    write_text(plain, "".join(f"{text}\n" for text in texts))
    found = {}
    for tried in tagging.compare(model, files["test"]):
        ours = tagging.load(model, tried.rung).predict([split(text) for text in texts])
        theirs = _said("understand", model, plain, tried.rung)
        measures = tried.measures
        found[f"atis {tried.rung}"] = _told(
            measures.calibration_error,
            measures.chance_error,
            [dict(each.label.probabilities) for each in ours if each.label],
            [each["probabilities"] for each in theirs],
            same=[len(each.spans) for each in ours] == [len(each["spans"]) for each in theirs],
        )
        say(f"atis {tried.rung}: {found[f'atis {tried.rung}']}")
    return found


def _said(task: str, model: Path, texts: Path, rung: str) -> list[dict[str, Any]]:
    """What the command line answers."""
    command = ["task", task, "predict", str(model), str(texts), "--rung", rung, "--json"]
    done = foretell(command, folder=texts.parent)
    if done.code != 0:
        raise RuntimeError(done.err)
    return [json.loads(line) for line in done.out.splitlines()]


def _told(
    apart: Interval | None,
    chance: float,
    ours: list[dict[str, float]],
    theirs: list[dict[str, float]],
    *,
    same: bool,
) -> dict[str, Any]:
    """apart: the calibration error; None if answers have no probability."""
    if apart is None:
        return {"calibrated": False, "far_from_one": 1.0, "same_as_command_line": same}
    return {
        "calibration_error": asdict(apart),
        "by_chance": chance,
        "calibrated": apart.value <= CLOSE or apart.low <= max(CLOSE, chance),
        "far_from_one": max(abs(sum(each.values()) - 1) for each in (*ours, *theirs)),
        "same_as_command_line": same and ours == theirs,
        "texts": len(ours),
    }
