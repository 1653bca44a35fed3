"""The kinds of models that label texts, each learned in the same way, and which did best.

count        n-grams of each label, weighed: `counts.weighed_counts`
recurrent    a bidirectional GRU that learns from nothing: `networks.recurrent`
prompted     a pretrained model that is only asked
adapted      a pretrained model with low-rank parts: `networks.pretrained`
together     those of them that add something
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from foretell.contracts.predictor import Label, LearnedPredictor
from foretell.corpus.pairs import MARK
from foretell.evaluation.results import Interval
from foretell.tasks import TOGETHER, prompted
from foretell.tasks.counts.weighed_counts import learn
from foretell.tasks.examples.rows import Example
from foretell.tasks.examples.words import split
from foretell.tasks.measures.calibration import fit_sureness
from foretell.tasks.measures.labels import LabelMeasures, behind_best, measure_labels
from foretell.tasks.options import TeachOptions
from foretell.tasks.prompted import MOST_TEXTS
from foretell.tasks.teaching import Begin, Data, teach_networks
from foretell.tasks.together import Together, log_shares, weigh


@dataclass(frozen=True)
class Tried:
    """One kind, as it did on the dev part."""

    rung: str
    seconds: float
    """That it learned for."""
    ended: str
    measures: LabelMeasures
    behind: Interval | None = None
    """Its accuracy minus that of the best, over the same texts; None of the best itself."""


class Choice(NamedTuple):
    """Predictors of the same labels, and which of them did best."""

    parts: tuple[LearnedPredictor, ...]
    together: Together | None
    """All of them, if there are several."""
    tried: tuple[Tried, ...]
    chosen: str
    answers: Mapping[str, Sequence[Label]]
    """By kind, to the dev part."""

    @property
    def weights(self) -> dict[str, float]:
        """Of each part, when they answer together."""
        if self.together is None:
            return {}
        return {p.rung: w for p, w in zip(self.parts, self.together.weights, strict=True)}


def try_rungs(
    examples: Sequence[Example],
    dev: Sequence[Example],
    labels: tuple[str, ...],
    options: TeachOptions,
    work: Path,
    *,
    choices: bool = False,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> Choice:
    """Learn each kind, and choose by the dev part. work: folder for checkpoints. choices: as of
    `Prompted`. Raises MissingExtra."""
    gold = [example.label for example in dev]
    numbers = np.array([labels.index(label) for label in gold])
    texts = [example.text for example in dev]
    began = monotonic()
    parts: list[LearnedPredictor] = [learn(examples, dev, labels)[0]]
    runs = [(monotonic() - began, "whole")]
    taught = teach_networks(
        lambda encoder, dropout: _network(encoder, len(labels), dropout, examples),
        Data(
            [(each.text, labels.index(each.label)) for each in examples],
            [(each.text, labels.index(each.label)) for each in dev],
            (split(each.text) for each in examples),
        ),
        options,
        work,
        begin=begin,
        stop=stop,
    )
    for rung, network, run in taught:
        scores = network.scores([network.prepare((text, 0)) for text in texts])
        parts.append(_as_predictor(labels, network, fit_sureness(scores, numbers).factor, rung))
        runs.append((run.seconds, run.ended))
    if options.adapt is not None and len(dev) <= MOST_TEXTS:
        began = monotonic()
        asked = prompted.learn(options.adapt, examples, dev, labels, choices=choices)
        place = next((i for i, part in enumerate(parts) if part.rung == "adapted"), len(parts))
        parts.insert(place, asked)
        runs.insert(place, (monotonic() - began, "whole"))
    answers = [part.predict(texts) for part in parts]
    together = None
    if len(parts) > 1:
        began = monotonic()
        said = np.stack([log_shares(each, labels) for each in answers])
        together = weigh(parts, said, numbers)
        answers.append(together.pool(said))
        runs.append((monotonic() - began, "whole"))
    names = [*(part.rung for part in parts), *([TOGETHER] if together else [])]
    tried = compare_answers(names, runs, gold, answers)
    chosen = next(each.rung for each in tried if each.behind is None)
    by_kind = dict(zip(names, answers, strict=True))
    return Choice(tuple(parts), together, tried, chosen, by_kind)


def compare_answers(
    rungs: Sequence[str],
    runs: Sequence[tuple[float, str]],
    gold: Sequence[str],
    answers: Sequence[Sequence[Label]],
) -> tuple[Tried, ...]:
    """Several answers to the same texts, from the cheapest kind to the dearest. runs: seconds that
    each learned for, and how that ended."""
    measured = [measure_labels(gold, each) for each in answers]
    right = [
        np.array([float(answer.value == g) for answer, g in zip(each, gold, strict=True)])
        for each in answers
    ]
    behind = behind_best([each.nats for each in measured], right)
    return tuple(
        Tried(rung, *run, found, apart)
        for rung, run, found, apart in zip(rungs, runs, measured, behind, strict=True)
    )


def _network(encoder: Any, labels: int, dropout: float, examples: Sequence[Example]) -> Any:
    from foretell.tasks.networks.labels import build

    pairs = any(MARK in each.text for each in examples)
    return build(encoder, labels, dropout=dropout, pairs=pairs)


def _as_predictor(labels: tuple[str, ...], network: Any, sure: float, rung: str) -> Any:
    from foretell.tasks.networks.labels import NetworkLabels

    return NetworkLabels(labels, network, sure, rung)
