"""One model from one text: what `foretell train` and `foretell.fit` do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, TypeVar, cast

from foretell import models
from foretell.contracts.errors import Diverged, ForetellError
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.learner import Budget, Learner
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.source import LoadedCorpus
from foretell.corpus.token_shards import TokenDocuments
from foretell.evaluation.comparing import Score, measure
from foretell.ladder.machine import set_threads
from foretell.ladder.options import TrainOptions
from foretell.ladder.plans import PlannedRung, plan_rung, read_count, refuse_too_large
from foretell.ladder.records import Record
from foretell.ladder.rungs import SUBWORDS, subword_size
from foretell.storage import locked, new_folder, refuse_existing
from foretell.tokenizers import train_tokenizer
from foretell.tokenizers.spelling import SpelledTokenizer
from foretell.training.fit import Glance, Run, fit
from foretell.training.journal import EVENTS, LINES, Journal
from foretell.training.ranks import ALONE, Ranks, join_ranks
from foretell.training.recipes import (
    COUNTING,
    NETWORKS,
    TRANSFORMERS,
    Scope,
    build_learner,
)
from foretell.training.trackers import Tracker, refuse_missing

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Trained:
    """A model, how it came about, and what it scores on text it has not seen."""

    model: LanguageModel
    run: Run
    score: Score
    first: bool = True
    """False in all but one of several processes that trained it together."""


@dataclass(frozen=True)
class Parts:
    """What a model learns from, and what it is judged by."""

    train: Sequence[str] | TokenDocuments
    stopping: Sequence[str]
    held_out: Sequence[str]
    passages: bool
    """True if the ends of texts mean nothing."""

    @staticmethod
    def of(corpus: LoadedCorpus) -> Parts:
        split = corpus.split
        train, stopping, held_out = (
            [document.text for document in part]
            for part in (split.train, split.stopping, split.held_out)
        )
        return Parts(train, stopping, held_out, split.passages)


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
    refuse_unusable(options)
    texts = [document.text for document in corpus.split.train]
    set_threads(options.threads, processes=ranks.count)
    size = sum(len(text.encode()) for text in texts)
    tokenizer = choose_tokenizer(options.tokenizer, options.size, texts, size)
    return build(tokenizer, options, scope or scope_of(corpus, options), ranks)


def choose_tokenizer(
    kind: str, size: int | None, texts: Sequence[str], text_bytes: int
) -> SpelledTokenizer:
    """A tokenizer that learned from texts; size: of a subword vocabulary, by default from the
    bytes of the whole text. Raises ForetellError."""
    if kind in SUBWORDS and size is None:
        size = subword_size(text_bytes)
    if kind not in SUBWORDS and size is not None:
        raise ForetellError(
            f"a {kind} tokenizer has no size to choose; leave --size out, or give --tokenizer bpe"
        )
    return train_tokenizer(kind, texts, size=size)


def build(
    tokenizer: Tokenizer, options: TrainOptions, scope: Scope, ranks: Ranks = ALONE
) -> Learner:
    """The learner that options ask for. Raises ForetellError, also where memory does not do."""
    if options.model in NETWORKS:
        networks = 1 if ranks.sharded else ranks.beside
        refuse_too_large(options.model, tokenizer, scope, networks=networks)
    return build_learner(
        options.model,
        tokenizer,
        seed=options.seed,
        order=options.order,
        prune=thresholds(options),
        scope=scope,
        ranks=ranks,
    )


def scope_of(corpus: LoadedCorpus, options: TrainOptions) -> Scope:
    """What a network is made for: the time that it has, and the text."""
    return derive_scope(sum(len(each.text.encode()) for each in corpus.split.train), options)


def refuse_unusable(options: TrainOptions) -> None:
    """Raises ForetellError for options that cannot be used, whatever the text."""
    Budget.parse(options.budget)
    thresholds(options)
    if options.parameters is not None:
        read_count("--parameters", options.parameters)
    if options.parameters is not None and options.model not in TRANSFORMERS:
        raise ForetellError(
            f"the size of a {options.model} cannot be chosen; leave --parameters out, or give "
            f"--model {' or '.join(TRANSFORMERS)}"
        )
    rate, rows = options.learning_rate, options.rows_at_once
    if options.model in COUNTING:
        descent = {"--learning-rate": rate, "--rows-at-once": rows, "--tracker": options.tracker}
        given = [name for name, value in descent.items() if value is not None]
        if given:
            raise ForetellError(
                f"a {options.model} model is counted, not learned by descent; leave "
                f"{' and '.join(given)} out"
            )
    refuse_rate(rate)
    if rows is not None and rows < 1:
        raise ForetellError(f"--rows-at-once must be 1 or more, not {rows}")
    if options.tracker is not None:
        refuse_missing(options.tracker)


def refuse_rate(rate: float | None) -> None:
    """Raises ForetellError for a rate that cannot be one."""
    if rate is not None and not 0 < rate < inf:
        raise ForetellError(f"--learning-rate must be more than 0, not {rate}")


def derive_scope(size: int, options: TrainOptions) -> Scope:
    """What a network is made for that learns from a text of so many bytes. Raises
    ForetellError."""
    refuse_unusable(options)
    given = options.parameters
    parameters = None if given is None else read_count("--parameters", given)
    scope = Scope.of(Budget.parse(options.budget), size, parameters)
    return replace(scope, learning_rate=options.learning_rate, rows_at_once=options.rows_at_once)


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
    learner = prepare(corpus, options)
    return teach(learner, Parts.of(corpus), options, work=work, watch=watch, stop=stop)


def join(options: TrainOptions) -> Ranks:
    """The processes that train together, as options ask for. Raises ForetellError."""
    sharded = options.sharding == "fsdp"
    if options.model in NETWORKS:
        return join_ranks(sharded=sharded)
    if sharded:
        raise ForetellError(
            f"a {options.model} model is counted in one process; leave --sharding out"
        )
    return ALONE


def teach(
    learner: Learner,
    parts: Parts,
    options: TrainOptions,
    *,
    work: Path | None = None,
    watch: Callable[[Glance], None] | None = None,
    stop: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
) -> Trained:
    """Learn from one part, stop by another, measure on the third. work: as for `train`."""
    budget = Budget.parse(options.budget)
    if options.model in COUNTING:
        budget = Budget(passes=1)
    with naming_the_rate(learner):
        run = fit(
            learner,
            parts.train,
            budget=budget,
            held_out=parts.stopping,
            # Counting again is quicker than keeping count.
            checkpoints=None if options.model in COUNTING else work,
            watch=watch,
            stop=stop,
            ranks=ranks,
        )
    model = learner.model()
    score = measure(model, parts.held_out, end_of_text=not parts.passages)
    return Trained(model, run, score, ranks.first)


@contextmanager
def naming_the_rate(learner: Learner) -> Iterator[None]:
    """Say with what learning rate a run diverged, and with which to try again."""
    try:
        yield
    except Diverged as problem:
        rate = cast(Any, learner).settings.learning_rate
        raise Diverged(
            f"training diverged: {problem}. The learning rate was {rate:g}; train again with "
            f"--learning-rate {float(f'{rate / 3:.1g}'):g} and another output"
        ) from None


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
    ranks = join(options)
    learner = prepare(corpus, options, ranks=ranks)
    scope = scope_of(corpus, options)
    record = Record(corpus.path, corpus.fingerprint, options, scope, learner.recipe)
    work, parts = checkpoints_of(out), Parts.of(corpus)
    with locked(work) if ranks.first else nullcontext():
        return teach_into(out, work, learner, parts, record, watch=watch, stop=stop, ranks=ranks)


def teach_into(
    out: Path,
    work: Path,
    learner: Learner,
    parts: Parts,
    record: Record,
    *,
    watch: Callable[[Glance], None] | None = None,
    stop: Callable[[], bool] | None = None,
    ranks: Ranks = ALONE,
) -> Trained:
    """As `teach`, with a journal; the model, its record and its journal go to `out`, and `work`,
    which the first of several processes holds, goes."""
    options = record.options
    if not ranks.first:
        trained = teach(learner, parts, options, work=work, stop=stop, ranks=ranks)
        ranks.wait()
        return trained
    with ExitStack() as stack:
        watchers = [] if watch is None else [watch]
        if options.model in NETWORKS:
            about = {**asdict(options), "recipe": record.recipe, "text": record.text}
            tracker = options.tracker and Tracker(options.tracker, out.name, about)
            watchers.append(stack.enter_context(Journal(work, tracker=tracker or None)))

        def watch_all(glance: Glance) -> None:
            for each in watchers:
                each(glance)

        trained = teach(learner, parts, options, work=work, watch=watch_all, stop=stop, ranks=ranks)
    with new_folder(out) as folder:
        for name in (LINES, EVENTS):
            if (work / name).exists():
                shutil.move(work / name, folder / name)
        record.write(folder, trained.run)
        models.write(trained.model, folder)
    shutil.rmtree(work, ignore_errors=True)
    ranks.wait()
    return trained


def checkpoints_of(out: Path) -> Path:
    """Where the checkpoints of a model stand until it is written."""
    return out.with_name(out.name + ".checkpoints")
