"""Names for the words of a text, and for what it is about: requests and their slots, entities.

found = train_into(Path("models/requests"), Path("requests.jsonl"), TeachOptions())
load(Path("models/requests")).predict([split("a flight to New York")])[0].spans
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from foretell.contracts.errors import DamagedModel, TextError
from foretell.evaluation.intervals import paired_difference
from foretell.evaluation.results import Interval
from foretell.storage import check_seal, new_folder, refuse_existing, seal
from foretell.tasks import scope
from foretell.tasks.answering import blocks
from foretell.tasks.counts.tag_counts import TagCounts, count_tags
from foretell.tasks.counts.weighed_counts import WeighedCounts, learn
from foretell.tasks.examples.rows import Example, keep_back
from foretell.tasks.examples.spans import Span, tags_of
from foretell.tasks.examples.tagged import (
    Names,
    Tagged,
    Tagging,
    TagPredictor,
    names_of,
    read_tagged,
    refuse_unknown_names,
)
from foretell.tasks.examples.words import split
from foretell.tasks.folders import opening, refuse_missing, rungs_in, write_rungs
from foretell.tasks.measures.tags import TagMeasures, measure_tagging
from foretell.tasks.options import LabelOptions, TeachOptions
from foretell.tasks.scope import Scope
from foretell.tasks.teaching import (
    Begin,
    Data,
    refuse_options,
    teach_networks,
    working_folder,
    write_record,
)


@dataclass(frozen=True)
class TriedTags:
    """One kind of model, as it did on the same texts."""

    rung: str
    seconds: float
    """That it learned for."""
    ended: str
    measures: TagMeasures
    behind: Interval | None
    """Its share of texts that are all right minus that of the best; None of the best itself."""


@dataclass(frozen=True)
class LearnedTags:
    """What training found."""

    rung: str
    """The kind that was chosen."""
    names: Names
    examples: int
    """Learned from."""
    tried: tuple[TriedTags, ...]
    """On the part by which it was chosen, so a little too good."""


def train_into(
    out: Path,
    path: Path,
    options: TeachOptions,
    *,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> LearnedTags:
    """Learn from examples, and write every kind of model to `out`.

    Checkpoints stand in OUT.checkpoints until it is finished, and the same call goes on from them.
    Raises TextError for examples that cannot be used, OutputExists, MissingExtra.
    """
    refuse_existing(out)
    refuse_options(options)
    examples = read_tagged(path)
    if options.dev is None:
        examples, dev = keep_back(examples, options.seed, lambda each: "".join(each.words))
    else:
        dev = read_tagged(Path(options.dev))
    names = names_of(examples)
    refuse_unknown_names(dev, names)
    if len(dev) < 2:
        raise TextError(f"{len(dev)} examples to make choices on are too few; give --dev")
    with working_folder(out) as work:
        parts, found, answers = learn_tags(
            examples, dev, names, options, work, begin=begin, stop=stop
        )
        with new_folder(out) as folder:
            write_record(folder, found, options, path)
            write(folder, parts, found)
            if names.labels:
                learned, kept = (["".join(each.words) for each in part] for part in (examples, dev))
                labels = {
                    part.rung: [each.label for each in said if each.label is not None]
                    for part, said in zip(parts, answers, strict=True)
                }
                scope.learn(learned, kept, labels).save(folder)
    return found


def learn_tags(
    examples: Sequence[Tagged],
    dev: Sequence[Tagged],
    names: Names,
    options: TeachOptions,
    work: Path,
    *,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[list[TagPredictor], LearnedTags, list[list[Tagging]]]:
    """Every kind of model, how they did on the dev part, and the answers of each to it. work:
    folder for checkpoints."""
    parts, runs = _try_rungs(examples, dev, names, options, work, begin, stop)
    answers = [answers_to(part, dev) for part in parts]
    tried = _compare(parts, runs, dev, answers)
    chosen = next(each.rung for each in tried if each.behind is None)
    return parts, LearnedTags(chosen, names, len(examples), tried), answers


def write(folder: Path, parts: Sequence[TagPredictor], found: LearnedTags) -> None:
    """Write and seal every kind of model in a folder that exists."""
    write_rungs(folder, parts, labels=list(parts[0].labels))
    seal(folder, {"chosen": found.rung, "tags": list(found.names.tags)})


def _try_rungs(
    examples: Sequence[Tagged],
    dev: Sequence[Tagged],
    names: Names,
    options: TeachOptions,
    work: Path,
    begin: Begin | None,
    stop: Callable[[], bool] | None,
) -> tuple[list[TagPredictor], list[tuple[float, str]]]:
    began = monotonic()
    parts: list[TagPredictor] = [count_tags(examples, names, _labeller(examples, dev, names))]
    runs = [(monotonic() - began, "whole")]
    data = Data(
        [_encode(each, names) for each in examples],
        [_encode(each, names) for each in dev],
        [each.words for each in examples],
    )

    def make(encoder: Any, dropout: float) -> Any:
        from foretell.tasks.networks.tags import TagNetwork

        return TagNetwork(encoder, names.tags, len(names.labels), dropout=dropout)

    for rung, network, run in teach_networks(make, data, options, work, begin=begin, stop=stop):
        from foretell.tasks.networks.tags import NetworkTags

        learned = NetworkTags(names.labels, network, rung)
        words = [each.words for each in dev]
        parts.append(learned.calibrated(words, [each.label for each in dev]))
        runs.append((run.seconds, run.ended))
    return parts, runs


def _labeller(
    examples: Sequence[Tagged], dev: Sequence[Tagged], names: Names
) -> WeighedCounts | None:
    if not names.labels:
        return None
    both = [
        [Example("".join(each.words), each.label, each.place) for each in part]
        for part in (examples, dev)
    ]
    return learn(both[0], both[1], names.labels)[0]


def _encode(example: Tagged, names: Names) -> tuple[list[str], list[int], int]:
    """As `TagNetwork.prepare` takes it."""
    tags = tags_of(example.spans, len(example.words))
    label = names.labels.index(example.label) if names.labels else -1
    return list(example.words), [names.tags.index(tag) for tag in tags], label


def _compare(
    parts: Sequence[TagPredictor],
    runs: Sequence[tuple[float, str]],
    gold: Sequence[Tagged],
    answers: Sequence[Sequence[Tagging]],
) -> tuple[TriedTags, ...]:
    """The best has the fewest spans and labels wrong."""
    names = _names(parts[0])
    measured = [measure_tagging(gold, each, names) for each in answers]
    best = max(range(len(parts)), key=lambda index: _quality(measured[index]))
    right = [
        np.array([float(_all_right(g, a)) for g, a in zip(gold, each, strict=True)])
        for each in answers
    ]
    ones = np.ones(len(gold))
    return tuple(
        TriedTags(
            part.rung,
            *run,
            measured[index],
            None if index == best else paired_difference(right[index], right[best], ones).interval,
        )
        for index, (part, run) in enumerate(zip(parts, runs, strict=True))
    )


def answers_to(predictor: TagPredictor, texts: Sequence[Tagged]) -> list[Tagging]:
    """As if nothing was known of them but the words."""
    return predictor.predict([each.words for each in texts])


def _all_right(gold: Tagged, answer: Tagging) -> bool:
    label = answer.label is None or answer.label.value == gold.label
    return label and set(gold.spans) == set(answer.spans)


def _quality(measures: TagMeasures) -> float:
    label = measures.label_accuracy
    return measures.f1.value + (0.0 if label is None else label.value)


def rungs_of(folder: Path) -> list[str]:
    """The kinds of models that a folder holds, from the quickest. Raises DamagedModel."""
    _facts(folder)
    return rungs_in(folder)


def load(folder: Path, rung: str | None = None) -> TagPredictor:
    """What `train_into` wrote; rung: another kind than the one that was chosen. Raises as
    `tasks.load`."""
    chosen = rung or _facts(folder)["chosen"]
    refuse_missing(folder, chosen, rungs_in(folder))
    with opening(folder / chosen) as facts:
        if chosen == TagCounts.rung:
            return TagCounts.load(folder / chosen, facts)
        from foretell.tasks.networks.tags import load as load_network

        return load_network(folder / chosen, facts)


def _facts(folder: Path) -> dict[str, Any]:
    facts = check_seal(folder)
    if "chosen" not in facts or "tags" not in facts:
        raise DamagedModel(
            f"{folder} holds no predictor of spans; give a folder that `foretell task understand` "
            "wrote"
        )
    return facts


def compare(model: Path, path: Path) -> tuple[TriedTags, ...]:
    """Every kind that a folder holds, against the same examples. Raises TextError, naming the
    row."""
    parts = [load(model, rung) for rung in rungs_of(model)]
    gold = _read_some(path)
    answers = [answers_to(part, gold) for part in parts]
    return _compare(parts, [(0.0, "")] * len(parts), gold, answers)


def evaluate(predictor: TagPredictor, path: Path) -> TagMeasures:
    """Hold a predictor against examples. Raises TextError, naming the row."""
    gold = _read_some(path)
    answers = answers_to(predictor, gold)
    return measure_tagging(gold, answers, _names(predictor))


def _read_some(path: Path) -> list[Tagged]:
    gold = read_tagged(path)
    if len(gold) < 2:
        raise TextError(f"{path} has {len(gold)} example; give two or more")
    return gold


def _names(predictor: TagPredictor) -> Names:
    return Names(tuple(predictor.tags), tuple(predictor.labels))


class AnsweredTags(NamedTuple):
    """The answer to a row."""

    place: str
    tagging: Tagging
    usual: float | None = None
    """As `scope` has it, if it is known."""
    rejected: bool = False
    """Whether it is too unusual for the label to be given."""

    def said(self, span: Span) -> str:
        return "".join(self.tagging.words[span.start : span.end]).strip()

    @property
    def line(self) -> str:
        """Of a table: place, label, what each span says."""
        label = self.tagging.label
        spans = [f"{span.name}={self.said(span)}" for span in self.tagging.spans]
        value = [] if label is None else ["" if self.rejected else label.value]
        return "\t".join([self.place, *value, *spans])

    @property
    def json(self) -> str:
        tagging = self.tagging
        edges = np.cumsum([0, *map(len, tagging.words)]).tolist()
        text = "".join(tagging.words)
        spans = [
            {
                "start": edges[span.start] + (text[edges[span.start]] == " "),
                "end": edges[span.end],
                "name": span.name,
                "text": self.said(span),
                "probability": sure,
            }
            for span, sure in zip(tagging.spans, tagging.sure, strict=True)
        ]
        content: dict[str, Any] = {"place": self.place, "text": text, "spans": spans}
        if tagging.label is not None:
            content["label"] = None if self.rejected else tagging.label.value
            content["probabilities"] = dict(tagging.label.probabilities)
        if self.usual is not None:
            content["usual"] = self.usual
        return json.dumps(content, ensure_ascii=False)


def answer(
    predictor: TagPredictor,
    path: Path,
    options: LabelOptions,
    *,
    known: Scope | None = None,
    reject: float | None = None,
    after: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[AnsweredTags]:
    """The answer to every row, in order; see `answering.blocks`, which this raises as. known,
    reject: as of `labelling.answer`."""
    for block in blocks(path, options, after=after, progress=progress):
        words = [split(document.text) for document in block]
        found = predictor.predict(words)
        labels = [each.label for each in found if each.label is not None]
        usual = scope.usual(known, predictor.rung, ["".join(each) for each in words], labels)
        for document, tagging, share in zip(block, found, usual, strict=True):
            yield AnsweredTags(document.name, tagging, share, scope.rejects(share, reject))
