"""Labels for texts, whatever they say: topics, moods, intents. Train, evaluate, predict.

labelled = train_into(Path("models/mood"), Path("reviews.csv"), LabelOptions(text="review"))
tasks.load("models/mood").predict(["What a film!"])[0].value
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from time import monotonic

from foretell.contracts.errors import TextError
from foretell.contracts.predictor import Label, LabelPredictor
from foretell.storage import new_folder, refuse_existing, seal
from foretell.tasks.examples import (
    keep_back,
    labels_of,
    read_column,
    read_labelled,
    refuse_unknown,
)
from foretell.tasks.measures import LabelMeasures, measure_labels
from foretell.tasks.options import LabelOptions
from foretell.tasks.weighed_counts import Tried, WeighedCounts, learn

RECORD = "task.json"
AT_ONCE = 1_000
"""Texts that are read and answered together."""


@dataclass(frozen=True)
class Labelled:
    """What training found."""

    rung: str
    labels: tuple[str, ...]
    examples: int
    """Learned from."""
    ngrams: int
    seconds: float
    tried: tuple[Tried, ...]
    dev: LabelMeasures
    """On the part by which choices were made, so a little too good."""


def train_into(
    out: Path,
    path: Path,
    options: LabelOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Labelled:
    """Learn from labelled examples, and write the predictor to `out`. Raises TextError for
    examples that cannot be used, OutputExists."""
    refuse_existing(out)
    examples = read_labelled(path, text=options.text, label=options.label, progress=progress)
    labels = labels_of(examples)
    if options.dev is None:
        examples, dev = keep_back(examples, options.seed)
    else:
        dev = read_labelled(Path(options.dev), text=options.text, label=options.label)
        refuse_unknown(dev, labels)
    if len(dev) < 2:
        raise TextError(f"{len(dev)} examples to make choices on are too few; give --dev")
    began = monotonic()
    predictor, tried = learn(examples, dev, labels)
    found = Labelled(
        rung=WeighedCounts.rung,
        labels=labels,
        examples=len(examples),
        ngrams=len(predictor.ngrams),
        seconds=monotonic() - began,
        tried=tried,
        dev=_measure(predictor, [each.text for each in dev], [each.label for each in dev]),
    )
    with new_folder(out) as folder:
        predictor.save(folder)
        record = asdict(found) | {"options": asdict(options), "text": str(path)}
        said = json.dumps(record, ensure_ascii=False, indent=1)
        (folder / RECORD).write_text(said + "\n", "utf-8")
        seal(folder, {"rung": found.rung, "labels": list(labels)})
    return found


def evaluate(
    predictor: LabelPredictor,
    path: Path,
    options: LabelOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> LabelMeasures:
    """Hold a predictor against labelled examples. Raises TextError, naming the row, also for a
    label that it does not know."""
    examples = read_labelled(path, text=options.text, label=options.label, progress=progress)
    refuse_unknown(examples, predictor.labels)
    if len(examples) < 2:
        raise TextError(f"{path} has {len(examples)} example; give two or more")
    return _measure(predictor, [each.text for each in examples], [each.label for each in examples])


def _measure(predictor: LabelPredictor, texts: list[str], gold: list[str]) -> LabelMeasures:
    return measure_labels(gold, predictor.predict(texts))


def answer(
    predictor: LabelPredictor,
    path: Path,
    text: str,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[str, Label]]:
    """Place and answer of every row, in order, holding no more than AT_ONCE of them. Raises
    TextError at a row that has nothing in the field `text`."""
    documents = read_column(path, text, "--text", progress=progress)
    while block := list(islice(documents, AT_ONCE)):
        for document in block:
            if not document.text.strip():
                raise TextError(f"{document.name} has nothing in {text}; take the row out")
        answers = predictor.predict([document.text.strip() for document in block])
        yield from zip((document.name for document in block), answers, strict=True)
