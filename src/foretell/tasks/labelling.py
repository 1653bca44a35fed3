"""Labels for texts, whatever they say: topics, moods, intents. Train, evaluate, predict.

labelled = train_into(Path("models/mood"), Path("reviews.csv"), LabelOptions(text="review"))
tasks.load("models/mood").predict(["What a film!"])[0].value
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from foretell import tasks
from foretell.contracts.errors import TextError
from foretell.contracts.predictor import Label, LabelPredictor
from foretell.storage import new_folder, refuse_existing
from foretell.tasks import scope
from foretell.tasks.answering import blocks
from foretell.tasks.examples.rows import (
    keep_back,
    labels_of,
    read_labelled,
    refuse_unknown,
)
from foretell.tasks.explaining import explain
from foretell.tasks.measures.labels import LabelMeasures, measure_labels
from foretell.tasks.options import LabelOptions
from foretell.tasks.rungs import Tried, compare_answers, try_rungs
from foretell.tasks.scope import Scope
from foretell.tasks.teaching import Begin, refuse_options, working_folder, write_record

MOST_WORDS = 5
"""That decided, of an answer."""


@dataclass(frozen=True)
class Labelled:
    """What training found."""

    rung: str
    """The kind that was chosen."""
    labels: tuple[str, ...]
    examples: int
    """Learned from."""
    tried: tuple[Tried, ...]
    """On the part by which it was chosen, so a little too good."""

    @property
    def dev(self) -> LabelMeasures:
        """Of the one that was chosen."""
        return next(each.measures for each in self.tried if each.rung == self.rung)


def train_into(
    out: Path,
    path: Path,
    options: LabelOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> Labelled:
    """Learn from labelled examples, and write the best predictor to `out`.

    Checkpoints stand in OUT.checkpoints until it is finished, and the same call goes on from them.
    Raises TextError for examples that cannot be used, OutputExists, MissingExtra.
    """
    refuse_existing(out)
    refuse_options(options)
    examples = read_labelled(path, options, progress=progress)
    labels = labels_of(examples)
    if options.dev is None:
        examples, dev = keep_back(examples, options.seed, lambda each: each.text)
    else:
        dev = read_labelled(Path(options.dev), options)
        refuse_unknown(dev, labels)
    if len(dev) < 2:
        raise TextError(f"{len(dev)} examples to make choices on are too few; give --dev")
    with working_folder(out) as work:
        choice = try_rungs(examples, dev, labels, options, work, begin=begin, stop=stop)
        found = Labelled(choice.chosen, labels, len(examples), choice.tried)
        with new_folder(out) as folder:
            write_record(folder, found, options, path)
            tasks.write(folder, choice.parts, choice.weights, choice.chosen)
            learned, kept = ([each.text for each in part] for part in (examples, dev))
            scope.learn(learned, kept, choice.answers).save(folder)
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
    examples = read_labelled(path, options, progress=progress)
    refuse_unknown(examples, predictor.labels)
    if len(examples) < 2:
        raise TextError(f"{path} has {len(examples)} example; give two or more")
    return _measure(predictor, [each.text for each in examples], [each.label for each in examples])


def compare(
    model: Path,
    path: Path,
    options: LabelOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Tried, ...]:
    """Every kind that a folder holds, against the same labelled examples. Raises as `evaluate`."""
    predictors = [tasks.load(model, rung) for rung in tasks.rungs_of(model)]
    examples = read_labelled(path, options, progress=progress)
    refuse_unknown(examples, predictors[0].labels)
    texts, gold = [each.text for each in examples], [each.label for each in examples]
    answers = [predictor.predict(texts) for predictor in predictors]
    runs = [(0.0, "")] * len(answers)
    return compare_answers([each.rung for each in predictors], runs, gold, answers)


def _measure(predictor: LabelPredictor, texts: list[str], gold: list[str]) -> LabelMeasures:
    return measure_labels(gold, predictor.predict(texts))


class Answered(NamedTuple):
    """The answer to a row."""

    place: str
    label: Label
    words: tuple[tuple[str, float], ...] = ()
    """Those that decided, if it was asked: each with nats for the answer, the strongest first."""
    usual: float | None = None
    """As `scope` has it, if it is known."""
    rejected: bool = False
    """Whether it is too unusual for the label to be given."""

    @property
    def line(self) -> str:
        """Of a table: place, label, its probability, words."""
        sure = self.label.probabilities[self.label.value]
        said = [f"{word} {nats:+.2f}" for word, nats in self.words]
        label = "" if self.rejected else self.label.value
        return "\t".join([self.place, label, f"{sure:.4f}", *([", ".join(said)] * bool(said))])

    @property
    def json(self) -> str:
        content = {
            "place": self.place,
            "label": None if self.rejected else self.label.value,
            "probabilities": dict(self.label.probabilities),
            **({} if self.usual is None else {"usual": self.usual}),
            **({"words": self.words} if self.words else {}),
        }
        return json.dumps(content, ensure_ascii=False)


def answer(
    predictor: LabelPredictor,
    path: Path,
    options: LabelOptions,
    *,
    why: bool = False,
    known: Scope | None = None,
    reject: float | None = None,
    after: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Answered]:
    """The answer to every row, in order; see `answering.blocks`, which this raises as. why: with
    the words that decided; known: what is usual, as `scope.load` gives it; reject: how unusual a
    text has to be to get no label."""
    for block in blocks(path, options, after=after, progress=progress):
        texts = [document.text for document in block]
        answers = predictor.predict(texts)
        usual = scope.usual(known, predictor.rung, texts, answers)
        for document, label, share in zip(block, answers, usual, strict=True):
            words: tuple[tuple[str, float], ...] = ()
            if why:
                found = explain(predictor, document.text)
                words = tuple(sorted(found, key=lambda word: -abs(word[1]))[:MOST_WORDS])
            yield Answered(document.name, label, words, share, scope.rejects(share, reject))
