"""Who did what to whom: predicates of a sentence, the sense of each, and what plays which role.

found = train_into(Path("models/roles"), Path("sentences.jsonl"), TeachOptions())
load(Path("models/roles")).predict([split("She gave him tea.")])[0]

Counts and networks find predicates and the roles of each; a sense is the one that its word had
most often. docs/decisions/tasks.md
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

from foretell.contracts.errors import DamagedModel, TextError
from foretell.evaluation.results import Interval
from foretell.storage import check_seal, new_folder, refuse_existing, seal
from foretell.tasks import TOGETHER
from foretell.tasks.answering import blocks
from foretell.tasks.counts.frame_counts import PREDICATE, FrameCounts, count_frames, names_of_roles
from foretell.tasks.examples.frames import (
    Frame,
    FramePredictor,
    LearnedFrames,
    Sentence,
    read_sentences,
)
from foretell.tasks.examples.rows import keep_back
from foretell.tasks.examples.spans import BEGIN, Span, tags_of
from foretell.tasks.examples.tagged import Names
from foretell.tasks.examples.words import split
from foretell.tasks.folders import opening, refuse_missing, rungs_in, write_rungs
from foretell.tasks.heard import Decides, FramesTogether, weigh
from foretell.tasks.measures.labels import behind_best
from foretell.tasks.measures.roles import BothMeasures, all_right, measure_both
from foretell.tasks.options import LabelOptions, TeachOptions
from foretell.tasks.teaching import (
    Begin,
    Data,
    refuse_options,
    teach_networks,
    working_folder,
    write_record,
)

SENSES = "senses.json"
LEAST_DROPOUT = 0.2
"""Since sentences are read often; docs/decisions/tasks.md."""


@dataclass(frozen=True)
class RoleLabeller:
    """See the module."""

    predictor: FramePredictor
    senses: dict[str, str]

    def predict(
        self, texts: Sequence[Sequence[str]], predicates: Sequence[Sequence[int]] | None = None
    ) -> list[list[Frame]]:
        """The frames of each text. predicates: numbers of words that are known to be such; found,
        if not given."""
        if predicates is None:
            predicates = self.predictor.find(texts)
        labelled = self.predictor.label(texts, predicates)
        return [
            [frame._replace(sense=self._sense(words[frame.word])) for frame in frames]
            for words, frames in zip(texts, labelled, strict=True)
        ]

    def _sense(self, word: str) -> str:
        return self.senses.get(word.strip().lower(), "")


@dataclass(frozen=True)
class TriedRoles:
    """One kind of model, as it did on the same sentences."""

    rung: str
    seconds: float
    """That it learned for."""
    ended: str
    measures: BothMeasures
    behind: Interval | None
    """Its share of sentences that are all right, predicates found, minus that of the best; None of
    the best itself."""


@dataclass(frozen=True)
class LearnedRoles:
    """What training found, on the part by which it was chosen, so a little too good."""

    rung: str
    """The kind that was chosen."""
    roles: tuple[str, ...]
    sentences: int
    """Learned from."""
    predicates: int
    tried: tuple[TriedRoles, ...]

    @property
    def measures(self) -> BothMeasures:
        """Of the kind that was chosen."""
        return next(each.measures for each in self.tried if each.rung == self.rung)


def train_into(
    out: Path,
    path: Path,
    options: TeachOptions,
    *,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> LearnedRoles:
    """Learn from sentences, and write every kind of labeller to `out`; as `tagging.train_into`."""
    refuse_existing(out)
    refuse_options(options)
    sentences = read_sentences(path)
    if options.dev is None:
        sentences, dev = keep_back(sentences, options.seed, lambda each: "".join(each.words))
    else:
        dev = read_sentences(Path(options.dev))
    if sum(bool(each.frames) for each in dev) < 2:
        raise TextError("fewer than 2 sentences with predicates to make choices on; give --dev")
    names = names_of_roles(sentences)
    with working_folder(out) as work:
        parts, runs = _try_rungs(sentences, dev, names, options, work, begin, stop)
        senses = count_senses(sentences)
        labellers: list[FramePredictor] = list(parts)
        began, together = monotonic(), _together(parts, dev)
        if together is not None:
            labellers.append(together)
            runs.append((monotonic() - began, "whole"))
        tried = _compare([RoleLabeller(part, senses) for part in labellers], runs, dev)
        learned = LearnedRoles(
            rung=next(each.rung for each in tried if each.behind is None),
            roles=tuple(tag.removeprefix(BEGIN) for tag in names.tags if tag.startswith(BEGIN)),
            sentences=len(sentences),
            predicates=sum(len(each.frames) for each in sentences),
            tried=tried,
        )
        with new_folder(out) as folder:
            write_record(folder, learned, options, path)
            (folder / SENSES).write_text(json.dumps(senses, ensure_ascii=False), "utf-8")
            write_rungs(folder, parts)
            weights = {} if together is None else _weights(together)
            seal(folder, {"task": "roles", "chosen": learned.rung, "weights": weights})
    return learned


def _try_rungs(
    sentences: Sequence[Sentence],
    dev: Sequence[Sentence],
    names: Names,
    options: TeachOptions,
    work: Path,
    begin: Begin | None,
    stop: Callable[[], bool] | None,
) -> tuple[list[LearnedFrames], list[tuple[float, str]]]:
    began = monotonic()
    parts: list[LearnedFrames] = [count_frames(sentences, names)]
    runs = [(monotonic() - began, "whole")]
    data = Data(
        [_encode(each, names) for each in sentences],
        [_encode(each, names) for each in dev],
        [each.words for each in sentences],
    )

    def make(encoder: Any, dropout: float) -> Any:
        from foretell.tasks.networks.frames import FrameNetwork

        return FrameNetwork(encoder, names.tags, dropout=max(dropout, LEAST_DROPOUT))

    for rung, network, run in teach_networks(make, data, options, work, begin=begin, stop=stop):
        from foretell.tasks.networks.frames import NetworkFrames

        parts.append(NetworkFrames(network, rung))
        runs.append((run.seconds, run.ended))
    return parts, runs


def _together(parts: Sequence[LearnedFrames], dev: Sequence[Sentence]) -> FramesTogether | None:
    """The networks as one, if there are two."""
    networks: list[Decides] = [part for part in parts if isinstance(part, Decides)]
    if len(networks) != 2:
        return None
    one, other = networks
    marks = [[frame.word for frame in each.frames] for each in dev]
    gold = [[frame.args for frame in each.frames] for each in dev]
    return weigh(one, other, [each.words for each in dev], marks, gold)


def _weights(together: FramesTogether) -> dict[str, float]:
    return {p.rung: w for p, w in zip(together.parts, together.weights, strict=True)}


def _encode(sentence: Sentence, names: Names) -> tuple[list[str], list[tuple[int, list[int]]]]:
    """As `FrameNetwork.prepare` takes it. Roles that stand in dev alone cannot be learned, and
    such answers are wrong."""
    numbers = {tag: number for number, tag in enumerate(names.tags)}
    frames = []
    for frame in sentence.frames:
        known = [span for span in frame.args if BEGIN + span.name in numbers]
        tags = tags_of(known, len(sentence.words))
        frames.append((frame.word, [numbers[tag] for tag in tags]))
    return list(sentence.words), frames


def _compare(
    labellers: Sequence[RoleLabeller], runs: Sequence[tuple[float, str]], gold: Sequence[Sentence]
) -> tuple[TriedRoles, ...]:
    answered = [_answers(each, gold) for each in labellers]
    measured = [measure_both(gold, *each) for each in answered]
    right = [all_right(gold, found) for _, found in answered]
    behind = behind_best([1 - each.found.f1.value for each in measured], right)
    return tuple(
        TriedRoles(labeller.predictor.rung, *run, measures, apart)
        for labeller, run, measures, apart in zip(labellers, runs, measured, behind, strict=True)
    )


def _answers(
    labeller: RoleLabeller, gold: Sequence[Sentence]
) -> tuple[list[list[Frame]], list[list[Frame]]]:
    """With the predicates that stand there, and with those that are found."""
    texts = [each.words for each in gold]
    given = [[frame.word for frame in each.frames] for each in gold]
    found = labeller.predictor.find(texts)
    # Each sentence is read once for all that is asked of it.
    both = [sorted({*one, *other}) for one, other in zip(given, found, strict=True)]
    frames = [{frame.word: frame for frame in each} for each in labeller.predict(texts, both)]

    def of(asked: list[list[int]]) -> list[list[Frame]]:
        return [[known[mark] for mark in marks] for known, marks in zip(frames, asked, strict=True)]

    return of(given), of(found)


def count_senses(sentences: Iterable[Sentence]) -> dict[str, str]:
    """The sense that each word had most often."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        for frame in sentence.frames:
            if frame.sense:
                counts[sentence.words[frame.word].strip().lower()][frame.sense] += 1
    return {word: senses.most_common(1)[0][0] for word, senses in sorted(counts.items())}


def rungs_of(folder: Path) -> list[str]:
    """The kinds of models that a folder holds, from the quickest. Raises DamagedModel."""
    weights = _facts(folder).get("weights", {})
    return [*rungs_in(folder), *([TOGETHER] if weights else [])]


def load(folder: Path, rung: str | None = None) -> RoleLabeller:
    """What `train_into` wrote; rung: another kind than the one that was chosen. Raises as
    `tasks.load`."""
    facts = _facts(folder)
    chosen = rung or str(facts["chosen"])
    refuse_missing(folder, chosen, rungs_of(folder))
    senses = json.loads((folder / SENSES).read_text("utf-8"))
    if chosen != TOGETHER:
        return RoleLabeller(_load(folder / chosen), senses)
    weights = facts["weights"]
    parts = tuple(_load(folder / name) for name in weights)
    return RoleLabeller(FramesTogether(parts, tuple(weights.values())), senses)


def _load(inside: Path) -> Any:
    with opening(inside) as facts:
        if facts["rung"] == FrameCounts.rung:
            return FrameCounts.load(inside, facts)
        from foretell.tasks.networks.frames import load as load_network

        return load_network(inside, facts)


def _facts(folder: Path) -> dict[str, Any]:
    facts = check_seal(folder)
    if facts.get("task") != "roles" or "chosen" not in facts:
        raise DamagedModel(
            f"{folder} labels no roles; give a folder that `foretell task roles` wrote"
        )
    return facts


def compare(model: Path, path: Path) -> tuple[TriedRoles, ...]:
    """Every kind that a folder holds, against the same sentences. Raises TextError, naming the
    row."""
    labellers = [load(model, rung) for rung in rungs_of(model)]
    return _compare(labellers, [(0.0, "")] * len(labellers), _read_some(path))


def evaluate(labeller: RoleLabeller, path: Path) -> BothMeasures:
    """Hold a labeller against sentences. Raises TextError, naming the row."""
    gold = _read_some(path)
    return measure_both(gold, *_answers(labeller, gold))


def _read_some(path: Path) -> list[Sentence]:
    gold = read_sentences(path)
    if len(gold) < 2:
        raise TextError(f"{path} has {len(gold)} sentence; give two or more")
    return gold


class AnsweredRoles(NamedTuple):
    """The answer to a row."""

    place: str
    words: tuple[str, ...]
    frames: tuple[Frame, ...]

    def said(self, span: Span) -> str:
        return "".join(self.words[span.start : span.end]).strip()

    def bracketed(self, frame: Frame) -> str:
        """`[ARG0 She] [V gave] [ARG2 him] [ARG1 tea]`"""
        names = {span.start: f"[{span.name}" for span in frame.args}
        ends = {span.end - 1 for span in frame.args}
        parts = []
        for place, word in enumerate(self.words):
            if place == frame.word and place not in names:
                word = f"{word[:1] if word[:1] == ' ' else ''}[{PREDICATE} {word.strip()}]"
            elif place in names:
                blank = " " if word.startswith(" ") else ""
                word = f"{blank}{names[place]} {word.strip()}"
            parts.append(word + "]" * (place in ends))
        return "".join(parts).strip()

    @property
    def line(self) -> str:
        """Of a table: place, and the sentence in brackets for each predicate."""
        said = [f"{each.sense or '?'}: {self.bracketed(each)}" for each in self.frames]
        return "\t".join([self.place, *said])

    @property
    def json(self) -> str:
        predicates = [
            {
                "index": frame.word,
                "sense": frame.sense,
                "args": [list(span) for span in frame.args],
                "probabilities": list(frame.sure),
            }
            for frame in self.frames
        ]
        words = [word.strip() for word in self.words]
        content = {"place": self.place, "words": words, "predicates": predicates}
        return json.dumps(content, ensure_ascii=False)


def answer(
    labeller: RoleLabeller,
    path: Path,
    options: LabelOptions,
    *,
    after: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[AnsweredRoles]:
    """The answer to every row, in order; see `answering.blocks`, which this raises as."""
    for block in blocks(path, options, after=after, progress=progress):
        texts = [tuple(split(document.text)) for document in block]
        for document, words, frames in zip(block, texts, labeller.predict(texts), strict=True):
            yield AnsweredRoles(document.name, words, tuple(frames))
