"""Questions with a few answers to choose from. Train, evaluate, predict.

{"text": "What is wet?", "choices": ["sand", "rain"], "target": "rain"}
found = train_into(Path("models/quiz"), Path("quiz.jsonl"), TextOptions(choices="choices"))
load(Path("models/quiz")).choose(["What is wet?"], [("sand", "rain")])[0].value

Each choice with its question is two texts with a label, right or wrong, as `rungs` learns it; of a
question

    P(choice) ~ exp(s . ln odds of right)     s: how sure to be, fitted on questions kept back
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from foretell import tasks
from foretell.contracts.errors import DamagedModel, TextError
from foretell.contracts.predictor import Label, LabelPredictor
from foretell.corpus.pairs import MARK
from foretell.evaluation.results import Interval
from foretell.storage import check_seal, new_folder, refuse_existing
from foretell.tasks.answering import in_blocks
from foretell.tasks.examples.questions import Question, read_examples, read_questions
from foretell.tasks.examples.rows import FEWEST, Example, keep_back
from foretell.tasks.measures.calibration import fit_sureness
from foretell.tasks.measures.labels import (
    behind_best,
    chance_calibration,
    measure_calibration,
    share_interval,
)
from foretell.tasks.options import TextOptions
from foretell.tasks.rungs import try_rungs
from foretell.tasks.teaching import Begin, refuse_options, working_folder, write_record
from foretell.tasks.together import log_shares

RIGHT, WRONG = "right", "wrong"
TIED = 1e-6
"""Probability by which choices have to differ to be told apart."""
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class ChoiceMeasures:
    """Of answers to questions whose right choices are known."""

    texts: int
    accuracy: Interval
    nats: float
    """-ln P of the right choices together, a question."""
    calibration_error: Interval
    chance_error: float
    """As of `LabelMeasures`."""
    floor: float
    """Accuracy of choosing blindly."""


@dataclass(frozen=True)
class TriedChoices:
    """One kind, as it did on the same questions."""

    rung: str
    seconds: float
    """That it learned for."""
    ended: str
    measures: ChoiceMeasures
    behind: Interval | None
    """Its accuracy minus that of the best, over the same questions; None of the best itself."""


@dataclass(frozen=True)
class LearnedChoices:
    """What training found."""

    rung: str
    """The kind that was chosen."""
    examples: int
    """Questions learned from."""
    choices: float
    """Of a question, on average."""
    tried: tuple[TriedChoices, ...]
    """On the part by which it was chosen, so a little too good."""

    @property
    def dev(self) -> ChoiceMeasures:
        """Of the one that was chosen."""
        return next(each.measures for each in self.tried if each.rung == self.rung)


@dataclass(frozen=True)
class MultipleChoice:
    """Chooses, by one kind of model."""

    predictor: LabelPredictor
    sure: float

    @property
    def rung(self) -> str:
        return self.predictor.rung

    def choose(self, texts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[Label]:
        """Of each question, one of its choices, and how likely each is; they add up to one."""
        pairs = [
            MARK.join((text, each)) for text, of in zip(texts, choices, strict=True) for each in of
        ]
        return self.of_answers(self.predictor.predict(pairs), choices)

    def of_answers(self, answers: Sequence[Label], choices: Sequence[Sequence[str]]) -> list[Label]:
        """answers: to each choice with its question."""
        odds = _odds(answers)
        ends = list(accumulate(map(len, choices)))
        found = []
        for of, end in zip(choices, ends, strict=True):
            shares = softmax(self.sure * odds[end - len(of) : end])
            found.append(
                Label(of[int(shares.argmax())], dict(zip(of, shares.tolist(), strict=True)))
            )
        return found


def _odds(answers: Sequence[Label]) -> Floats:
    """(N,) ln P(right) / P(wrong)."""
    said = log_shares(answers, (RIGHT, WRONG))
    found: Floats = said[:, 0] - said[:, 1]
    return found


def train_into(
    out: Path,
    path: Path,
    options: TextOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> LearnedChoices:
    """Learn from examples, and write every kind of model to `out`.

    Checkpoints stand in OUT.checkpoints until it is finished, and the same call goes on from them.
    Raises TextError for examples that cannot be used, OutputExists, MissingExtra.
    """
    refuse_existing(out)
    refuse_options(options)
    questions = read_examples(path, options, progress=progress)
    if len(questions) < FEWEST:
        raise TextError(f"{path} has {len(questions)} questions; give {FEWEST} or more")
    if options.dev is None:
        learn, dev = keep_back(questions, options.seed, lambda each: each.text)
    else:
        learn, dev = questions, read_examples(Path(options.dev), options)
    if len(dev) < 2:
        raise TextError(f"{len(dev)} questions to make choices on are too few; give --dev")
    with working_folder(out) as work:
        examples, kept = _as_pairs(learn), _as_pairs(dev)
        choice = try_rungs(
            examples, kept, (RIGHT, WRONG), options, work, choices=True, begin=begin, stop=stop
        )
        predictors: list[LabelPredictor] = list(choice.parts)
        if choice.together is not None:
            predictors.append(choice.together)
        choosers = [
            MultipleChoice(each, _fit(choice.answers[each.rung], dev)) for each in predictors
        ]
        answers = [
            each.of_answers(choice.answers[each.rung], [q.choices for q in dev])
            for each in choosers
        ]
        runs = [(each.seconds, each.ended) for each in choice.tried]
        tried = _compare([each.rung for each in choosers], runs, dev, answers)
        chosen = next(each.rung for each in tried if each.behind is None)
        mean = sum(len(each.choices) for each in learn) / len(learn)
        found = LearnedChoices(chosen, len(learn), mean, tried)
        with new_folder(out) as folder:
            write_record(folder, found, options, path)
            sure = {each.rung: each.sure for each in choosers}
            tasks.write(folder, choice.parts, choice.weights, chosen, choices=sure)
    return found


def _as_pairs(questions: Sequence[Question]) -> list[Example]:
    return [
        Example(
            MARK.join((each.text, choice)),
            RIGHT if choice in each.targets else WRONG,
            each.place,
        )
        for each in questions
        for choice in each.choices
    ]


def _fit(answers: Sequence[Label], dev: Sequence[Question]) -> float:
    """How sure to be: by questions with one right choice, of which there are nearly always some."""
    odds, rows, gold, at = _odds(answers), [], [], 0
    most = max(len(each.choices) for each in dev)
    for each in dev:
        row = np.full(most, -np.inf)
        row[: len(each.choices)] = odds[at : at + len(each.choices)]
        at += len(each.choices)
        if len(each.targets) == 1:
            rows.append(row)
            gold.append(each.choices.index(next(iter(each.targets))))
    return fit_sureness(np.array(rows), np.array(gold)).factor if rows else 1.0


def _compare(
    rungs: Sequence[str],
    runs: Sequence[tuple[float, str]],
    gold: Sequence[Question],
    answers: Sequence[Sequence[Label]],
) -> tuple[TriedChoices, ...]:
    """Several answers to the same questions, from the cheapest kind to the dearest."""
    right = [_right(gold, each) for each in answers]
    measured = [_measure(gold, each, is_so) for each, is_so in zip(answers, right, strict=True)]
    behind = behind_best([each.nats for each in measured], right)
    return tuple(
        TriedChoices(rung, *run, found, apart)
        for rung, run, found, apart in zip(rungs, runs, measured, behind, strict=True)
    )


def _right(gold: Sequence[Question], answers: Sequence[Label]) -> Floats:
    """(N,) of the likeliest choices, the share that are right: where several are as likely, which
    of them stands first is no merit."""
    found = []
    for question, answer in zip(gold, answers, strict=True):
        most = max(answer.probabilities.values()) - TIED
        best = [choice for choice, share in answer.probabilities.items() if share >= most]
        found.append(sum(choice in question.targets for choice in best) / len(best))
    return np.array(found)


def _measure(gold: Sequence[Question], answers: Sequence[Label], right: Floats) -> ChoiceMeasures:
    sure = np.array([each.probabilities[each.value] for each in answers])
    given = [
        sum(each.probabilities[target] for target in question.targets)
        for question, each in zip(gold, answers, strict=True)
    ]
    return ChoiceMeasures(
        texts=len(gold),
        accuracy=share_interval(right),
        nats=float(np.log(1 / np.clip(given, 1e-12, 1.0)).mean()),
        calibration_error=measure_calibration(sure, right),
        chance_error=chance_calibration(sure),
        floor=float(np.mean([len(each.targets) / len(each.choices) for each in gold])),
    )


def load(folder: Path, rung: str | None = None) -> MultipleChoice:
    """What `train_into` wrote; rung: another kind than the one that was chosen. Raises as
    `tasks.load`."""
    facts = check_seal(folder)
    predictor = tasks.load(folder, rung)
    try:
        return MultipleChoice(predictor, float(facts["choices"][predictor.rung]))
    except (KeyError, TypeError, ValueError) as problem:
        raise DamagedModel(f"{folder} chooses no answers ({problem}); train it again") from None


def evaluate(
    model: Path,
    path: Path,
    options: TextOptions,
    rung: str | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ChoiceMeasures:
    """Hold what is chosen against what is known to be right. Raises TextError, naming the row."""
    return _hold([load(model, rung)], path, options, progress)[0].measures


def compare(
    model: Path,
    path: Path,
    options: TextOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[TriedChoices, ...]:
    """Every kind that a folder holds, against the same questions. Raises as `evaluate`."""
    choosers = [load(model, rung) for rung in tasks.rungs_of(model)]
    return _hold(choosers, path, options, progress)


def _hold(
    choosers: Sequence[MultipleChoice],
    path: Path,
    options: TextOptions,
    progress: Callable[[int, int], None] | None,
) -> tuple[TriedChoices, ...]:
    gold = read_examples(path, options, progress=progress)
    if len(gold) < 2:
        raise TextError(f"{path} has {len(gold)} question; give two or more")
    texts, choices = [each.text for each in gold], [each.choices for each in gold]
    answers = [each.choose(texts, choices) for each in choosers]
    return _compare([each.rung for each in choosers], [(0.0, "")] * len(answers), gold, answers)


class Chosen(NamedTuple):
    """The answer to a row."""

    place: str
    label: Label
    withheld: bool = False
    """Whether it is not likely enough to be given."""

    @property
    def line(self) -> str:
        """Of a table: place, choice, its probability."""
        sure = self.label.probabilities[self.label.value]
        value = "" if self.withheld else " ".join(self.label.value.split())
        return "\t".join([self.place, value, f"{sure:.4f}"])

    @property
    def json(self) -> str:
        content: dict[str, Any] = {
            "place": self.place,
            "choice": None if self.withheld else self.label.value,
            "probabilities": dict(self.label.probabilities),
        }
        return json.dumps(content, ensure_ascii=False)


def answer(
    chooser: MultipleChoice,
    path: Path,
    options: TextOptions,
    *,
    least: float | None = None,
    after: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Chosen]:
    """The answer to every row, in order. least: probability from which on it is given. Raises
    TextError, naming the row."""
    for block in in_blocks(read_questions(path, options, progress=progress), after):
        found = chooser.choose([each.text for each in block], [each.choices for each in block])
        for question, label in zip(block, found, strict=True):
            sure = label.probabilities[label.value]
            yield Chosen(question.place, label, least is not None and sure < least)
