"""Texts made of texts: translations, summaries, answers. Train, evaluate, predict.

train_into(Path("models/de"), Path("pairs.csv"), "translate", TextOptions(text="en", target="de"))
load(Path("models/de")).write(["A dog runs."])[0][0].text

lead         the first sentence, of summaries            `counts.extracts`
count        of translations the noisy channel           `counts.noisy_channel`
             of others the part of a text that is chosen `counts.choosing`
             or what was written for the most similar    `counts.memory`
recurrent    points to where an answer stands            `networks.pointing`
transformer  a GPT that learns from nothing              `networks.writers`
adapted      a pretrained model with low-rank parts      either of these
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from foretell.contracts.errors import DamagedModel, TextError
from foretell.contracts.learner import Budget
from foretell.corpus.pairs import MARK
from foretell.evaluation.results import Interval
from foretell.storage import check_seal, new_folder, refuse_existing, seal
from foretell.tasks import pointing
from foretell.tasks.answering import blocks
from foretell.tasks.by_sentence import by_sentence, usual_sentences
from foretell.tasks.counts import choosing, extracts, memory, noisy_channel
from foretell.tasks.examples.quotes import Quote, quotes
from foretell.tasks.examples.rows import keep_back, thinned
from foretell.tasks.examples.texts import (
    TextExample,
    Writer,
    Writes,
    Written,
    read_examples,
    refuse_few,
)
from foretell.tasks.folders import opening, refuse_missing, rungs_in, write_rungs
from foretell.tasks.measures.labels import AS_GOOD
from foretell.tasks.measures.texts import SCALES, Scale, TextMeasures
from foretell.tasks.options import Held, ReadOptions, TextOptions
from foretell.tasks.shorter import held_to, refuse_limits, short_enough
from foretell.tasks.teaching import (
    Begin,
    Taught,
    Watch,
    networks_for,
    refuse_options,
    teach_in_turn,
    working_folder,
    write_record,
)

MOST_CHOSEN_BY = 300
"""Texts of the dev part that are written for, since writing takes time."""


class Application(NamedTuple):
    scale: str
    """By which choices are made."""
    instruction: str
    """What a pretrained model is told before a text."""
    blank: bool = False
    """Whether nothing may be what is wanted."""


APPLICATIONS = {
    "translate": Application("bleu", "Translate:"),
    "summarize": Application("rouge", "Summarize in one sentence:"),
    "answer": Application("f1", "Answer in a few words:", blank=True),
}


CHOOSERS = {
    ("summarize", False): "extracts",
    ("summarize", True): "extracts",
    ("answer", True): "passages",
}
"""By application, and whether there is a second text: what is chosen from what is read."""


@dataclass(frozen=True)
class TriedWriter:
    """One kind, as it did on the dev part."""

    rung: str
    seconds: float
    """That it learned for."""
    ended: str
    measures: TextMeasures
    behind: Interval | None = None
    """Its score minus that of the best, over the same texts; None of the best itself."""


@dataclass(frozen=True)
class LearnedWriting:
    """What training found."""

    task: str
    rung: str
    """The kind that was chosen."""
    examples: int
    """Learned from."""
    unanswered: int
    """Of these, to which nothing is the answer."""
    tried: tuple[TriedWriter, ...]
    """On the part by which it was chosen, so a little too good."""

    @property
    def dev(self) -> TextMeasures:
        """Of the one that was chosen."""
        return next(each.measures for each in self.tried if each.rung == self.rung)


def train_into(
    out: Path,
    path: Path,
    task: str,
    options: TextOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> LearnedWriting:
    """Learn from examples, and write the best writer to `out`. task: one of APPLICATIONS.

    Checkpoints stand in OUT.checkpoints until it is finished, and the same call goes on from them.
    Raises TextError for examples that cannot be used, OutputExists, MissingExtra.
    """
    refuse_existing(out)
    refuse_options(options)
    refuse_limits(options)
    blank = APPLICATIONS[task].blank
    examples = read_examples(path, options, blank=blank, progress=progress)
    examples = short_enough(examples, options.longest)
    refuse_few(path, examples)
    if options.dev is None:
        examples, dev = keep_back(examples, options.seed, lambda each: each.text)
    else:
        dev = read_examples(Path(options.dev), options, blank=blank)
        dev = short_enough(dev, options.longest)
    if len(dev) < 2:
        raise TextError(f"{len(dev)} examples to make choices on are too few; give --dev")
    dev = thinned(dev, MOST_CHOSEN_BY)
    scale = SCALES[APPLICATIONS[task].scale]([each.targets for each in dev])
    usual = usual_sentences(each.text for each in examples) if task == "translate" else None
    with working_folder(out) as work:
        writers: list[Writer] = []
        runs = []
        for writer, seconds, ended in _learn(
            task, examples, dev, scale, options, work, begin, stop
        ):
            writers.append(writer)
            runs.append((seconds, ended))
        held = [held_to(by_sentence(each, usual), options, strict=False) for each in writers]
        limits = {"longest": options.longest, "least": options.least}
        tried = compare_writers(held, runs, dev, scale)
        chosen = next(each.rung for each in tried if each.behind is None)
        unanswered = sum(not any(each.targets) for each in examples)
        found = LearnedWriting(task, chosen, len(examples), unanswered, tried)
        with new_folder(out) as folder:
            write_record(folder, found, options, path)
            facts = {"task": task, "chosen": chosen, "sentences": usual, "limits": limits}
            _write(folder, facts, writers)
    return found


def _learn(
    task: str,
    examples: Sequence[TextExample],
    dev: Sequence[TextExample],
    scale: Scale,
    options: TextOptions,
    work: Path,
    begin: Begin | None,
    stop: Callable[[], bool] | None,
) -> Iterator[tuple[Writer, float, str]]:
    """Each kind that can be tried: it, the seconds that it learned for, and how that ended."""
    if task == "summarize":
        yield extracts.Lead(), 0.0, "whole"
    began = monotonic()
    counts = _learn_counts(task, examples, dev, scale, options.seed)
    yield counts, monotonic() - began, "whole"

    def teach(rung: str, budget: Budget, folder: Path, watch: Watch | None) -> Taught:
        from foretell.tasks.networks import writers

        told = APPLICATIONS[task].instruction
        return writers.teach(rung, examples, dev, options, told, budget, folder, watch, stop)

    if task == "answer" and pointing.stand_there(examples):
        taught = pointing.learn(examples, dev, options, work, begin=begin, stop=stop)
    else:
        rungs = networks_for(options, "transformer")
        taught = teach_in_turn(rungs, options, work, teach, begin=begin)
    for _, writer, run in taught:
        yield writer, run.seconds, run.ended


def _learn_counts(
    task: str,
    examples: Sequence[TextExample],
    dev: Sequence[TextExample],
    scale: Scale,
    seed: int,
) -> Writer:
    """The floor of an application: what suits it, and a memory where nothing can be chosen."""
    if task == "translate":
        return noisy_channel.learn(examples)
    chooser = CHOOSERS.get((task, any(MARK in each.text for each in examples)))
    chosen = chooser and choosing.learn(chooser, examples, dev, scale, seed=seed)
    return chosen or memory.learn(examples)


def compare_writers(
    writers: Sequence[Writes],
    runs: Sequence[tuple[float, str]],
    gold: Sequence[TextExample],
    scale: Scale,
) -> tuple[TriedWriter, ...]:
    """What each writes for the same texts, from the cheapest kind to the dearest. runs: seconds
    that each learned for, and how that ended."""
    targets, texts = [each.targets for each in gold], [each.text for each in gold]
    said = [[answers[0].text for answers in writer.write(texts)] for writer in writers]
    rows = [scale.rows(targets, each) for each in said]
    measured = [scale.measure(targets, *pair) for pair in zip(said, rows, strict=True)]
    # The first of those that are as good: it is smaller and quicker.
    most = max(each.score.value for each in measured)
    best = next(i for i, each in enumerate(measured) if each.score.value >= most * (1 - AS_GOOD))
    return tuple(
        TriedWriter(
            writer.rung,
            *runs[index],
            measured[index],
            None if index == best else scale.difference(rows[index], rows[best]),
        )
        for index, writer in enumerate(writers)
    )


def _write(folder: Path, facts: dict[str, Any], writers: Sequence[Writer]) -> None:
    write_rungs(folder, writers)
    seal(folder, facts)


def task_of(folder: Path) -> str:
    """The application that a folder is for. Raises DamagedModel."""
    return _facts(folder)["task"]


def _facts(folder: Path) -> dict[str, Any]:
    facts = check_seal(folder)
    if facts.get("task") not in APPLICATIONS:
        raise DamagedModel(
            f"{folder} writes no texts; give a folder that `foretell task` "
            f"{'|'.join(APPLICATIONS)} wrote"
        )
    return facts


def rungs_of(folder: Path) -> list[str]:
    """The kinds that a folder holds, from the quickest; `load` takes them. Raises DamagedModel."""
    _facts(folder)
    return rungs_in(folder)


def load(folder: Path, rung: str | None = None, held: Held | None = None) -> Writes:
    """A writer from its folder; rung: another kind than the one that was chosen; held: to what, if
    not to what it was when it was learned. Raises as `tasks.load`."""
    facts, there = _facts(folder), rungs_of(folder)
    rung = rung or facts["chosen"]
    refuse_missing(folder, rung, there)
    writer = by_sentence(_load(folder / rung, rung), facts.get("sentences"))
    held = held or Held()
    strict = held.least is not None
    return held_to(writer, held.or_else(**facts.get("limits", {})), strict=strict)


def _load(inside: Path, rung: str) -> Writer:
    with opening(inside) as found:
        if rung == "lead":
            return extracts.Lead()
        if rung == "count":
            if "channel" in found:
                return noisy_channel.load(inside)
            return choosing.load(inside, found) if "kind" in found else memory.load(inside)
        if "encoder" in found:
            from foretell.tasks.networks import pointing as pointers

            return pointers.load(inside, found)
        from foretell.tasks.networks import writers

        return writers.load(inside, found)


def evaluate(
    model: Path,
    path: Path,
    options: TextOptions,
    rung: str | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> TextMeasures:
    """Hold what a writer writes against what is known to be right. Raises TextError, naming the
    row."""
    return _compare(model, path, options, [rung], progress)[0].measures


def compare(
    model: Path,
    path: Path,
    options: TextOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[TriedWriter, ...]:
    """Every kind that a folder holds, against the same examples. Raises as `evaluate`."""
    return _compare(model, path, options, rungs_of(model), progress)


def _compare(
    model: Path,
    path: Path,
    options: TextOptions,
    rungs: Sequence[str | None],
    progress: Callable[[int, int], None] | None,
) -> tuple[TriedWriter, ...]:
    writers = [load(model, rung, options) for rung in rungs]
    application = APPLICATIONS[task_of(model)]
    gold = read_examples(path, options, blank=application.blank, progress=progress)
    if len(gold) < 2:
        raise TextError(f"{path} has {len(gold)} example; give two or more")
    scale = SCALES[application.scale]([each.targets for each in gold])
    return compare_writers(writers, [(0.0, "")] * len(writers), gold, scale)


class AnsweredText(NamedTuple):
    """The answer to a row."""

    place: str
    text: str
    """That it answers."""
    written: list[Written]
    """The best first."""

    @property
    def line(self) -> str:
        """Of a table: place, and the texts, of which newlines and tabs are blanks."""
        return "\t".join([self.place, *(" ".join(each.text.split()) for each in self.written)])

    @property
    def json(self) -> str:
        texts = [each._asdict() | {"quoted": self._quotes(each)} for each in self.written]
        return json.dumps({"place": self.place, "texts": texts}, ensure_ascii=False)

    def _quotes(self, written: Written) -> list[Quote]:
        """What of it stands in the text, or in the second one where there are two."""
        return quotes(written.text, self.text.rpartition(MARK)[2])


def answer(
    writer: Writes,
    path: Path,
    options: ReadOptions,
    *,
    alternatives: int = 1,
    after: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[AnsweredText]:
    """The answer to every row, in order; see `answering.blocks`, which this raises as."""
    for block in blocks(path, options, after=after, progress=progress):
        texts = [document.text for document in block]
        answers = writer.write(texts, alternatives=alternatives)
        for document, written in zip(block, answers, strict=True):
            yield AnsweredText(document.name, document.text, written)
