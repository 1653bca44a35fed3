"""The only training loop: passes and batches, budget, held-out curve, early stop, checkpoints.

    run = fit(learner, texts, budget=Budget.parse("5m"), held_out=texts_kept_back)
    model = learner.model()

The same loop counts n-grams, descends gradients and fits mixtures; see `contracts.learner`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Protocol, runtime_checkable

from foretell.contracts.corpus import fingerprint_texts
from foretell.contracts.errors import Diverged, ForetellError
from foretell.contracts.evidence import Evidence
from foretell.contracts.learner import Budget, Learner, Progress, Teachable
from foretell.corpus.token_shards import TokenDocuments
from foretell.evaluation.results import CurvePoint
from foretell.evaluation.scoring import score_texts
from foretell.footprint import GivenBack
from foretell.training.checkpoints import RECIPE, Checkpoints, Position
from foretell.training.ranks import ALONE, Ranks

LOOKS = 12
"""How often the held-out text is read during a run with a budget."""
LOOK_BYTES = 16_000
"""How much of it is read each time, in whole documents: a look takes time from learning."""
PATIENCE = 5
"""Looks without a better one after which a run ends early."""
CHECKPOINT_SECONDS = 15.0
LATEST = 20
"""Batches whose mean loss tells how learning goes."""


class Interrupted(ForetellError):
    """The user asked to stop; what was learned so far is in the checkpoint folder."""


@runtime_checkable
class TokenLearner(Protocol):
    """A learner that can also read tokens from the disk, as it needs them."""

    def feed_tokens(self, documents: TokenDocuments) -> None: ...


@runtime_checkable
class Judging(Protocol):
    """A learner of less than whole texts, or of something else than a language model, which says
    itself what held-out texts cost."""

    def judge(self, texts: Sequence[str]) -> Sequence[Evidence]: ...


@runtime_checkable
class LazyBatches(Protocol):
    """Batches that are made as they are read; any other iterable of batches is held."""

    def __len__(self) -> int: ...

    def since(self, done: int) -> Iterator[Any]:
        """All after the first `done`."""
        ...


@dataclass(frozen=True)
class Glance:
    """What a progress display shows of a run in progress."""

    spent: float
    """Share of the budget, 0 to 1."""
    seconds: float
    tokens: int
    updates: int
    nats_per_token: float
    """Of the latest batches, on the training text."""
    tokens_per_second: float
    """Of the run so far, looks at the held-out text not counted."""
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Run:
    """What a finished run did."""

    seconds: float
    tokens: int
    passes: int
    updates: int
    ended: str
    """`budget`, or `early` when the held-out text had long stopped getting better."""
    curve: tuple[CurvePoint, ...]
    """On the held-out text; empty if there was none."""


def fit(
    learner: Teachable,
    texts: Sequence[str] | TokenDocuments,
    *,
    budget: Budget,
    held_out: Sequence[str] = (),
    checkpoints: Path | None = None,
    watch: Callable[[Glance], None] | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoint_seconds: float | None = None,
    ranks: Ranks = ALONE,
) -> Run:
    """Teach `learner` until the budget is spent. The learner then holds its best model.

    texts: or their tokens on the disk, which may be more than memory holds, for a learner that
    descends.
    held_out: for the curve and the early stop; the model that did best on it is the one kept.
    checkpoints: a folder from which the same call, made again after any kind of end, goes on; with
    a budget of tokens or passes the result is the same bit for bit. watch: called after updates.
    stop: asked after updates; when it says yes, a checkpoint is written and Interrupted raised.
    checkpoint_seconds: between checkpoints, if not CHECKPOINT_SECONDS. ranks: the processes that
    train together, all of which make this call, on a folder that all can read; the first writes.

    Raises ForetellError if the checkpoint is of another learner, text or budget, or if the learner
    cannot read tokens from the disk; Diverged if the loss leaves what it has been, and then the
    last checkpoint is of a time when all was well.
    """
    if budget == Budget():
        raise ForetellError("a run needs a budget: seconds, tokens or passes")
    if ranks.count > 1 and checkpoints is None:
        raise ForetellError("several processes need a folder for checkpoints that all can read")
    fed = _feed(learner, texts)
    tokenizer = learner.tokenizer.fingerprint if isinstance(learner, Learner) else ""
    recipe = {
        "text": fed,
        "held-out text": fingerprint_texts(held_out),
        "tokenizer": tokenizer,
        "budget": str(budget),
        RECIPE: learner.recipe.replace(tokenizer, "") if tokenizer else learner.recipe,
    }
    with TemporaryDirectory() as scratch:
        store = Checkpoints(checkpoints or Path(scratch), recipe, ranks)
        position = store.restore(learner)
        # None writes before all have read.
        ranks.wait()
        looked_at = first_bytes(held_out, LOOK_BYTES)
        loop = _Loop(
            learner, budget, looked_at, store, position, watch, stop, checkpoint_seconds, ranks
        )
        try:
            return loop.run(keep=checkpoints is not None)
        except BaseException as problem:
            if ranks.first:
                store.tidy()
            if isinstance(problem, Diverged):
                raise Diverged(f"{problem}; {_describe_kept(store, checkpoints)}") from None
            raise


def _describe_kept(store: Checkpoints, folder: Path | None) -> str:
    newest = None if folder is None else store.newest()
    if newest is None:
        return "nothing was kept"
    return f"the checkpoint of update {int(newest.name)} is kept in {folder}"


def _feed(learner: Teachable, texts: Sequence[str] | TokenDocuments) -> str:
    """Hand over the texts; what tells them from others."""
    if not isinstance(texts, TokenDocuments):
        learner.feed(texts)
        return fingerprint_texts(texts)
    if not isinstance(learner, TokenLearner):
        raise ForetellError(
            "only networks learn from tokens on the disk; count n-grams of a large text with "
            "foretell ngram estimate --shards"
        )
    learner.feed_tokens(texts)
    # Other batches than of the same texts in memory, so a run that began with those is another.
    return f"{texts.fingerprint} on disk"


def first_bytes(texts: Sequence[str], size: int) -> list[str]:
    """The first texts, as many as hold `size` bytes together; at least one, if there is one."""
    chosen, total = [], 0
    for text in texts:
        if total >= size:
            break
        chosen.append(text)
        total += len(text.encode())
    return chosen


class _Listed:
    """Batches that are all made at once, and so counted."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = list(batches)

    def __len__(self) -> int:
        return len(self.batches)

    def since(self, done: int) -> Iterator[Any]:
        return iter(self.batches[done:])


class _Loop:
    """One call of fit; everything that has to survive a kill stands in `position`."""

    def __init__(
        self,
        learner: Teachable,
        budget: Budget,
        held_out: Sequence[str],
        store: Checkpoints,
        position: Position,
        watch: Callable[[Glance], None] | None,
        stop: Callable[[], bool] | None,
        checkpoint_seconds: float | None,
        ranks: Ranks,
    ) -> None:
        self.ranks = ranks
        self.checkpoint_seconds = checkpoint_seconds or CHECKPOINT_SECONDS
        self.learner, self.budget, self.held_out = learner, budget, held_out
        self.store, self.position = store, position
        self.watch, self.stop = watch, stop
        self.recent: list[Progress] = []
        self.batches_a_pass = 1
        self.spent = 0.0
        self.clock = monotonic()
        self.saved = self.clock
        self.memory = GivenBack()

    def run(self, *, keep: bool) -> Run:
        position = self.position
        while not position.ended:
            made = self.learner.batches(position.passes)
            batches = made if isinstance(made, LazyBatches) else _Listed(made)
            self.batches_a_pass = max(1, len(batches))
            self.spent = self.measure()
            for batch in batches.since(position.batches):
                progress = self.learner.update(batch, spent=self.spent)
                position.batches += 1
                position.updates += 1
                position.tokens += progress.tokens
                self.recent = [*self.recent[1 - LATEST :], progress]
                self.tick()
                self.refuse_divergence()
                if self.held_out and self.spent >= (position.looks + 1) / LOOKS:
                    self.look()
                if self.watch is not None:
                    self.watch(self.glance())
                if position.ended or (self.spent >= 1 and position.batches < len(batches)):
                    break
                self.save_now_and_then(keep)
            else:
                self.learner.end_pass()
                self.tick()
                position.passes, position.batches = position.passes + 1, 0
                if position.updates == 0:
                    raise ForetellError("there is no text to learn from; give more text")
            if not position.ended and self.spent >= 1:
                position.ended = "budget"
        self.finish()
        return Run(
            seconds=position.seconds,
            tokens=position.tokens,
            passes=position.passes,
            updates=position.updates,
            ended=position.ended,
            curve=tuple(position.curve),
        )

    def tick(self) -> None:
        now = monotonic()
        self.position.seconds += now - self.clock
        self.clock = now
        self.spent = self.measure()
        self.memory.now_and_then()

    def measure(self) -> float:
        """Share of the budget that is spent."""
        at = self.position
        passes = at.passes + at.batches / self.batches_a_pass
        spent = self.budget.spent(seconds=at.seconds, tokens=at.tokens, passes=passes)
        # Clocks differ between processes.
        return spent if self.budget.seconds is None else self.ranks.agree(spent)

    def look(self) -> None:
        """Read the held-out text, keep the model if it is the best yet, end if none will come.

        The time this takes counts neither as training nor against the budget.
        """
        at = self.position
        at.looks = int(self.spent * LOOKS)
        if isinstance(self.learner, Judging):
            evidence = self.learner.judge(self.held_out)
        else:
            assert isinstance(self.learner, Learner)
            evidence = score_texts(self.learner.model(), self.held_out, end_of_text=False)
        total = Evidence.sum(evidence)
        bits = self.ranks.agree(total.bits_per_byte)
        at.curve.append(CurvePoint(at.seconds, at.tokens, bits))
        best = min(range(len(at.curve)), key=lambda index: at.curve[index].bits_per_byte)
        if best == len(at.curve) - 1:
            at.best = at.updates
            self.store.keep_best(self.learner, at)
        elif len(at.curve) - 1 - best >= PATIENCE:
            at.ended = "early"
        self.clock = monotonic()

    def save_now_and_then(self, keep: bool) -> None:
        asked = self.stop is not None and self.stop()
        due = monotonic() - self.saved > self.checkpoint_seconds and not self.rose(by=0.5)
        due = keep and (asked or due)
        asked, due = bool(self.ranks.agree(asked)), bool(self.ranks.agree(due))
        if due:
            self.store.save(self.learner, self.position)
            self.saved = self.clock = monotonic()
        if asked:
            kept = "the same command goes on from here" if keep else "nothing was kept"
            raise Interrupted(f"stopped; {kept}")

    def refuse_divergence(self) -> None:
        """Raises Diverged if the latest batches do far worse than those of an earlier time."""
        at = self.position
        if len(self.recent) < LATEST:
            return
        if self.rose(by=1.0):
            raise Diverged(
                f"the loss has gone from {self.lowest():.2f} to {self.latest():.2f} nats/token by "
                f"update {at.updates}"
            )
        at.lowest = min(self.lowest(), self.latest())

    def rose(self, *, by: float) -> bool:
        """Whether the loss stands that much of itself above its lowest, and so many nats."""
        return self.latest() > self.lowest() + by * max(1.0, self.lowest() / 2)

    def lowest(self) -> float:
        """Nats a token of the best batches so far. At first those of knowing nothing, since a
        network may be worse from its first update on, or of the first batch, if they are more: a
        model of other text may begin below chance."""
        if self.position.lowest is not None:
            return self.position.lowest
        first = self.recent[0]
        chance = 0.0
        if isinstance(self.learner, Learner):
            chance = log(self.learner.tokenizer.vocabulary_size)
        return max(chance, first.nats / max(1, first.tokens))

    def latest(self) -> float:
        """Nats a token of the latest batches."""
        tokens = sum(progress.tokens for progress in self.recent)
        return sum(progress.nats for progress in self.recent) / max(1, tokens)

    def finish(self) -> None:
        """Leave the learner with its best model: the last, unless an earlier look was better."""
        at = self.position
        if self.held_out and at.ended == "budget" and at.looks < LOOKS:
            at.looks = LOOKS
            self.look()
            at.ended = "budget"
        if at.curve and min(point.bits_per_byte for point in at.curve) < at.curve[-1].bits_per_byte:
            self.ranks.wait()
            self.store.restore_best(self.learner, at)

    def glance(self) -> Glance:
        return Glance(
            spent=self.spent,
            seconds=self.position.seconds,
            tokens=self.position.tokens,
            updates=self.position.updates,
            nats_per_token=self.latest(),
            tokens_per_second=self.position.tokens / max(1e-9, self.position.seconds),
            curve=tuple(self.position.curve),
        )
