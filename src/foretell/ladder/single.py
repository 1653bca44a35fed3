"""One model from one text: what `foretell train` and `foretell.fit` do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.learner import Budget, Learner
from foretell.corpus.source import LoadedCorpus
from foretell.evaluation.comparing import Score, measure
from foretell.ladder.machine import set_threads
from foretell.ladder.options import TrainOptions
from foretell.ladder.plans import PlannedRung, plan_rung
from foretell.ladder.records import Record
from foretell.ladder.rungs import SUBWORDS, subword_size
from foretell.storage import locked, new_folder, refuse_existing
from foretell.tokenizers import train_tokenizer
from foretell.training.fit import Glance, Run, fit
from foretell.training.journal import EVENTS, LINES, Journal
from foretell.training.ranks import ALONE, Ranks, join_ranks
from foretell.training.recipes import COUNTING, NETWORKS, Scope, build_learner

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Trained:
    """A model, how it came about, and what it scores on text it has not seen."""

    model: LanguageModel
    run: Run
    score: Score
    first: bool = True
    """False in all but one of several processes that trained it together."""


def prepare(
    corpus: LoadedCorpus,
    options: TrainOptions,
    *,
    scope: Scope | None = None,
    ranks: Ranks = ALONE,
) -> Learner:
    """The tokenizer and the learner that options ask for, with what they leave open derived.

    scope: what a network is made for; from budget and text if not given.

    Raises ForetellError for any option that cannot be used; writes nothing.
    """
    set_threads(options.threads, processes=ranks.count)
    Budget.parse(options.budget)
    texts = [document.text for document in corpus.split.train]
    size = options.size
    if options.tokenizer in SUBWORDS and size is None:
        size = subword_size(sum(len(text.encode()) for text in texts))
    if options.tokenizer not in SUBWORDS and size is not None:
        raise ForetellError(
            f"a {options.tokenizer} tokenizer has no size to choose; leave --size out, or give "
            "--tokenizer bpe"
        )
    tokenizer = train_tokenizer(options.tokenizer, texts, size=size)
    return build_learner(
        options.model,
        tokenizer,
        seed=options.seed,
        order=options.order,
        prune=thresholds(options),
        scope=scope or scope_of(corpus, options),
        ranks=ranks,
    )


def scope_of(corpus: LoadedCorpus, options: TrainOptions) -> Scope:
    """What a network is made for: the time that it has, and the text."""
    size = sum(len(document.text.encode()) for document in corpus.split.train)
    return Scope.of(Budget.parse(options.budget), size)


def thresholds(options: TrainOptions) -> tuple[int, ...]:
    """`0,0,1` to numbers. Raises ForetellError."""
    return read_numbers("--prune", options.prune, int)


def read_numbers(option: str, text: str, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    """Numbers between commas. Raises ForetellError that names the option."""
    try:
        return tuple(kind(number) for number in text.split(","))
    except ValueError:
        raise ForetellError(
            f"cannot read {option} {text!r}; write numbers with commas, such as 0,0,1"
        ) from None


def plan(corpus: LoadedCorpus, options: TrainOptions) -> PlannedRung:
    """What `train` would do. Trains the tokenizer; writes nothing."""
    learner = prepare(corpus, options)
    seconds = Budget.parse(options.budget).seconds
    return plan_rung(
        options.model, options.model, learner.tokenizer, scope_of(corpus, options), seconds
    )


def train(
    corpus: LoadedCorpus,
    options: TrainOptions,
    *,
    work: Path | None = None,
    watch: Callable[[Glance], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """Teach one model. work: folder for checkpoints, from which the same call goes on."""
    return _teach(prepare(corpus, options), corpus, options, work=work, watch=watch, stop=stop)


def _teach(
    learner: Learner,
    corpus: LoadedCorpus,
    options: TrainOptions,
    *,
    work: Path | None,
    watch: Callable[[Glance], None] | None,
    stop: Callable[[], bool] | None,
    ranks: Ranks = ALONE,
) -> Trained:
    budget = Budget.parse(options.budget)
    if options.model in COUNTING:
        budget = Budget(passes=1)
    split = corpus.split
    run = fit(
        learner,
        [document.text for document in split.train],
        budget=budget,
        held_out=[document.text for document in split.stopping],
        # Counting again is quicker than keeping count.
        checkpoints=None if options.model in COUNTING else work,
        watch=watch,
        stop=stop,
        ranks=ranks,
    )
    held_out = [document.text for document in split.held_out]
    model = learner.model()
    score = measure(model, held_out, end_of_text=not split.passages)
    return Trained(model, run, score, ranks.first)


def train_into(
    out: Path,
    corpus: LoadedCorpus,
    options: TrainOptions,
    *,
    watch: Callable[[Glance], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """As `train`, and write the model to `out`, which must not exist.

    Checkpoints stand beside it in OUT.checkpoints until it is finished. Started by torchrun, all
    processes train together, and the first one writes. Raises OutputExists.
    """
    refuse_existing(out)
    ranks = join_ranks() if options.model in NETWORKS else ALONE
    learner = prepare(corpus, options, ranks=ranks)
    work = out.with_name(out.name + ".checkpoints")
    if not ranks.first:
        trained = _teach(learner, corpus, options, work=work, watch=None, stop=stop, ranks=ranks)
        ranks.wait()
        return trained
    scope = scope_of(corpus, options)
    record = Record(corpus.path, corpus.fingerprint, options, scope, learner.recipe)
    with locked(work), ExitStack() as stack:
        watchers = [] if watch is None else [watch]
        if options.model in NETWORKS:
            watchers.append(stack.enter_context(Journal(work)))

        def watch_all(glance: Glance) -> None:
            for each in watchers:
                each(glance)

        trained = _teach(
            learner, corpus, options, work=work, watch=watch_all, stop=stop, ranks=ranks
        )
        stack.close()
        with new_folder(out) as folder:
            for name in (LINES, EVENTS):
                if (work / name).exists():
                    shutil.move(work / name, folder / name)
            record.write(folder, trained.run)
            models.write(trained.model, folder)
        shutil.rmtree(work, ignore_errors=True)
    ranks.wait()
    return trained
