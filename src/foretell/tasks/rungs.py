"""The kinds of models that label texts, each learned in the same way, and which did best.

count        n-grams of each label, weighed: `weighed_counts`
recurrent    a bidirectional GRU that learns from nothing: `networks.recurrent`
adapted      a pretrained model with low-rank parts: `networks.pretrained`
together     those of them that add something
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from foretell.contracts.errors import MissingExtra
from foretell.contracts.learner import Budget
from foretell.contracts.predictor import Label, LearnedPredictor
from foretell.evaluation.intervals import paired_difference
from foretell.evaluation.results import Interval
from foretell.tasks import TOGETHER
from foretell.tasks.calibration import fit_sureness
from foretell.tasks.examples import Example
from foretell.tasks.measures import LabelMeasures, measure_labels
from foretell.tasks.options import LabelOptions
from foretell.tasks.together import Together, log_shares, weigh
from foretell.tasks.weighed_counts import learn
from foretell.tasks.words import split
from foretell.training.fit import Glance, Run, fit

Watch = Callable[[Glance], None]
Begin = Callable[[str], Watch]
"""Told the name of what begins to learn."""


AS_GOOD = 0.01
"""Share of the nats by which a more costly kind has to be better."""


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
    options: LabelOptions,
    work: Path,
    *,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> Choice:
    """Learn each kind, and choose by the dev part. work: folder for checkpoints. Raises
    MissingExtra."""
    gold = [example.label for example in dev]
    numbers = np.array([labels.index(label) for label in gold])
    texts = [example.text for example in dev]
    began = monotonic()
    parts: list[LearnedPredictor] = [learn(examples, dev, labels)[0]]
    runs = [(monotonic() - began, "whole")]
    networks = _networks(options)
    left = Budget.parse(options.budget)
    for index, rung in enumerate(networks):
        watch = None if begin is None else begin(rung)
        budget = left
        if left.seconds is not None:
            # What one does not need is for those after it.
            budget = replace(left, seconds=left.seconds / (len(networks) - index))
        part, run = _teach(rung, examples, dev, labels, options, budget, work / rung, watch, stop)
        if left.seconds is not None:
            left = replace(left, seconds=max(1.0, round(left.seconds - run.seconds)))
        parts.append(part)
        runs.append((run.seconds, run.ended))
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
    return Choice(tuple(parts), together, tried, chosen)


def compare_answers(
    rungs: Sequence[str],
    runs: Sequence[tuple[float, str]],
    gold: Sequence[str],
    answers: Sequence[Sequence[Label]],
) -> tuple[Tried, ...]:
    """Several answers to the same texts, from the cheapest kind to the dearest. runs: seconds that
    each learned for, and how that ended."""
    measured = [measure_labels(gold, each) for each in answers]
    # The first of those that are as good: it is smaller and quicker.
    least = min(each.nats for each in measured)
    best = next(i for i, each in enumerate(measured) if each.nats <= least * (1 + AS_GOOD))
    right = [
        np.array([float(answer.value == g) for answer, g in zip(each, gold, strict=True)])
        for each in answers
    ]
    ones = np.ones(len(gold))
    return tuple(
        Tried(
            rung,
            *run,
            measured[index],
            None if index == best else paired_difference(right[index], right[best], ones).interval,
        )
        for index, (rung, run) in enumerate(zip(rungs, runs, strict=True))
    )


def _networks(options: LabelOptions) -> list[str]:
    there = find_spec("torch") is not None and find_spec("safetensors") is not None
    if options.adapt is not None and not there:
        raise MissingExtra('networks need PyTorch: pip install "foretell[neural]"')
    return [*(["recurrent"] if there else []), *(["adapted"] if options.adapt else [])]


def _teach(
    rung: str,
    examples: Sequence[Example],
    dev: Sequence[Example],
    labels: tuple[str, ...],
    options: LabelOptions,
    budget: Budget,
    work: Path,
    watch: Watch | None,
    stop: Callable[[], bool] | None,
) -> tuple[LearnedPredictor, Run]:
    """A network of a kind."""
    import torch

    from foretell.tasks.networks.labels import LabelNetwork, NetworkLabels, build_encoder
    from foretell.tasks.networks.learner import ExampleLearner, as_lines
    from foretell.tasks.networks.recipes import RECIPES
    from foretell.tasks.networks.recurrent import choose_rows

    recipe = RECIPES[rung]
    facts: dict[str, Any] = {"model": options.adapt}
    if rung == "recurrent":
        facts = {"rows": choose_rows(split(each.text) for each in examples)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        encoder = build_encoder(rung, facts)
        network = LabelNetwork(encoder, len(labels), dropout=recipe.dropout)
    number = {label: index for index, label in enumerate(labels)}
    lines, held_out = (
        as_lines([each.text, number[each.label]] for each in part) for part in (examples, dev)
    )
    run = fit(
        ExampleLearner(network, recipe.settings(options.seed)),
        lines,
        budget=replace(budget, passes=budget.passes or recipe.passes),
        held_out=["\n".join(held_out)],
        checkpoints=work,
        watch=watch,
        stop=stop,
    )
    scores = network.scores([network.prepare((each.text, 0)) for each in dev])
    sure = fit_sureness(scores, np.array([number[each.label] for each in dev])).factor
    return NetworkLabels(labels, network, sure, rung), run
