"""Who did what to whom: predicates of a sentence, the sense of each, and what plays which role.

{"words": ["She", "gave", "him", "tea"],
 "predicates": [{"index": 1, "sense": "give.01", "args": [[0, 1, "ARG0"], [2, 3, "ARG2"], ...]}]}

A tagger finds the predicates, another one the roles of each (one predicate at a time, which is
marked), and a sense is the one that its word had most often. Both taggers are tried as `tagging`
tries them. docs/decisions/tasks.md
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from foretell.contracts.errors import DamagedModel, TextError
from foretell.corpus.readers import ReadReport, files_of
from foretell.evaluation.results import Interval
from foretell.storage import check_seal, new_folder, refuse_existing, seal
from foretell.tasks import tagging
from foretell.tasks.answering import blocks
from foretell.tasks.examples import keep_back
from foretell.tasks.options import LabelOptions, TeachOptions
from foretell.tasks.spans import Span, tags_of
from foretell.tasks.tag_measures import f1_interval
from foretell.tasks.tagged import Tagged, TagPredictor, json_records, names_of, spaced
from foretell.tasks.teaching import Begin, refuse_options, working_folder, write_record
from foretell.tasks.words import split

SENSES = "senses.json"
FINDER, ROLES = "predicates", "roles"
PREDICATE = "V"
"""Name of the spans that are predicates."""


class Frame(NamedTuple):
    """A predicate and what belongs to it."""

    word: int
    """Its number."""
    sense: str
    """Such as `give.01`; empty if it is not known."""
    args: tuple[Span, ...]
    sure: tuple[float, ...] = ()
    """Probability of each, of answers."""


class Sentence(NamedTuple):
    words: tuple[str, ...]
    frames: tuple[Frame, ...]
    place: str
    """For errors: file and row."""


def read_sentences(path: Path) -> list[Sentence]:
    """All of a file or folder of JSON lines. Raises TextError, naming the row."""
    found = []
    for file in files_of(path, ReadReport()):
        for place, record in json_records(file):
            words = record.get("words")
            if not isinstance(words, list) or not words or not all(map(_is_word, words)):
                raise TextError(f"{place} has no words; give a list of them")
            frames = tuple(_frame(place, each, len(words)) for each in record.get("predicates", []))
            found.append(Sentence(spaced(words), frames, place))
    if not found:
        raise TextError(f"{path} holds no sentences; give words and predicates")
    return found


def _is_word(word: object) -> bool:
    return isinstance(word, str) and bool(word.strip())


def _frame(place: str, record: Any, words: int) -> Frame:
    try:
        index = int(record["index"])
        args = tuple(Span(int(a), int(b), str(name)) for a, b, name in record.get("args", []))
        sense = str(record.get("sense") or record.get("roleset") or "")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise TextError(
            f"{place}: {str(record)[:60]} is no predicate; give index, and args as start, end, name"
        ) from None
    try:
        if not 0 <= index < words:
            raise ValueError(f"{index} is outside of {words} words")
        tags_of(args, words)
    except ValueError as problem:
        raise TextError(f"{place}: of predicate {index}, {problem}; correct it") from None
    return Frame(index, sense, tuple(sorted(args)))


def as_finding(sentence: Sentence) -> Tagged:
    """What the tagger of predicates learns from."""
    spans = (Span(frame.word, frame.word + 1, PREDICATE) for frame in sentence.frames)
    return Tagged(sentence.words, tuple(sorted(set(spans))), "", sentence.place)


def as_roles(sentence: Sentence) -> Iterator[Tagged]:
    """What the tagger of roles learns from: an example a predicate."""
    for frame in sentence.frames:
        yield Tagged(sentence.words, frame.args, "", sentence.place, frame.word)


@dataclass(frozen=True)
class RoleLabeller:
    """See the module."""

    finder: TagPredictor
    roles: TagPredictor
    senses: dict[str, str]

    def predict(
        self, texts: Sequence[Sequence[str]], predicates: Sequence[Sequence[int]] | None = None
    ) -> list[list[Frame]]:
        """The frames of each text. predicates: numbers of words that are known to be such; found,
        if not given."""
        if predicates is None:
            found = self.finder.predict(texts)
            predicates = [
                [place for span in each.spans for place in range(span.start, span.end)]
                for each in found
            ]
        asked = [(row, place) for row, places in enumerate(predicates) for place in places]
        answers = self.roles.predict(
            [texts[row] for row, _ in asked], [place for _, place in asked]
        )
        frames: list[list[Frame]] = [[] for _ in texts]
        for (row, place), answer in zip(asked, answers, strict=True):
            sense = self.senses.get(texts[row][place].strip().lower(), "")
            frames[row].append(Frame(place, sense, answer.spans, answer.sure))
        return frames


@dataclass(frozen=True)
class RoleMeasures:
    """Of frames, against those that are known. An argument is right if its predicate, edges and
    role are."""

    sentences: int
    f1: Interval
    precision: float
    recall: float
    sense_accuracy: float | None
    """Of predicates that are right; None where senses are not known."""


def measure_roles(gold: Sequence[Sentence], answers: Sequence[Sequence[Frame]]) -> RoleMeasures:
    """gold: in the order of the answers; at least two."""
    rows, senses = [], []
    for sentence, frames in zip(gold, answers, strict=True):
        there = {(frame.word, span) for frame in sentence.frames for span in frame.args}
        said = {(frame.word, span) for frame in frames for span in frame.args}
        rows.append((len(there & said), len(said), len(there)))
        known = {frame.word: frame.sense for frame in sentence.frames if frame.sense}
        senses += [known[f.word] == f.sense for f in frames if f.word in known]
    counts = np.array(rows, np.float64)
    right, said_all, there_all = counts.sum(0).tolist()
    return RoleMeasures(
        sentences=len(gold),
        f1=f1_interval(counts),
        precision=right / max(1, said_all),
        recall=right / max(1, there_all),
        sense_accuracy=sum(senses) / len(senses) if senses else None,
    )


@dataclass(frozen=True)
class LearnedRoles:
    """What training found, on the part by which it was chosen, so a little too good."""

    finder: tagging.LearnedTags
    roles: tagging.LearnedTags
    given: RoleMeasures
    """With the predicates that stand there."""
    found: RoleMeasures
    """With those that were found."""


def train_into(
    out: Path,
    path: Path,
    options: TeachOptions,
    *,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> LearnedRoles:
    """Learn from sentences, and write the labeller to `out`; as `tagging.train_into`."""
    refuse_existing(out)
    refuse_options(options)
    sentences = read_sentences(path)
    if options.dev is None:
        sentences, dev = keep_back(sentences, options.seed, lambda each: "".join(each.words))
    else:
        dev = read_sentences(Path(options.dev))
    with working_folder(out) as work, new_folder(out) as folder:
        finder = _learn(
            folder / FINDER,
            map(as_finding, sentences),
            map(as_finding, dev),
            options,
            work / FINDER,
            begin,
            stop,
        )
        roles = _learn(
            folder / ROLES,
            (each for sentence in sentences for each in as_roles(sentence)),
            (each for sentence in dev for each in as_roles(sentence)),
            options,
            work / ROLES,
            begin,
            stop,
        )
        (folder / SENSES).write_text(json.dumps(count_senses(sentences)), "utf-8")
        labeller = _open(folder, None)
        texts = [each.words for each in dev]
        given = [[frame.word for frame in each.frames] for each in dev]
        learned = LearnedRoles(
            finder,
            roles,
            measure_roles(dev, labeller.predict(texts, given)),
            measure_roles(dev, labeller.predict(texts)),
        )
        write_record(folder, learned, options, path)
        seal(folder, {"task": "roles"})
    return learned


def _learn(
    folder: Path,
    examples: Iterable[Tagged],
    dev: Iterable[Tagged],
    options: TeachOptions,
    work: Path,
    begin: Begin | None,
    stop: Callable[[], bool] | None,
) -> tagging.LearnedTags:
    learn, held_out = list(examples), list(dev)
    if len(held_out) < 2:
        raise TextError(f"{len(held_out)} examples to make choices on are too few; give --dev")
    names = names_of(learn)
    # Roles that stand in dev alone cannot be learned, and such answers are wrong.
    known = [
        each._replace(spans=tuple(s for s in each.spans if f"B-{s.name}" in names.tags))
        for each in held_out
    ]
    parts, found, _ = tagging.learn_tags(learn, known, names, options, work, begin=begin, stop=stop)
    folder.mkdir()
    tagging.write(folder, parts, found)
    return found


def count_senses(sentences: Iterable[Sentence]) -> dict[str, str]:
    """The sense that each word had most often."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        for frame in sentence.frames:
            if frame.sense:
                counts[sentence.words[frame.word].strip().lower()][frame.sense] += 1
    return {word: senses.most_common(1)[0][0] for word, senses in sorted(counts.items())}


def load(folder: Path, rung: str | None = None) -> RoleLabeller:
    """What `train_into` wrote; rung: another kind of both taggers than was chosen. Raises
    DamagedModel."""
    if check_seal(folder).get("task") != "roles":
        raise DamagedModel(
            f"{folder} labels no roles; give a folder that `foretell task roles` wrote"
        )
    return _open(folder, rung)


def _open(folder: Path, rung: str | None) -> RoleLabeller:
    senses = json.loads((folder / SENSES).read_text("utf-8"))
    return RoleLabeller(
        tagging.load(folder / FINDER, rung), tagging.load(folder / ROLES, rung), senses
    )


def evaluate(labeller: RoleLabeller, path: Path) -> tuple[RoleMeasures, RoleMeasures]:
    """With the predicates that stand there, and with those that are found. Raises TextError,
    naming the row."""
    gold = read_sentences(path)
    if len(gold) < 2:
        raise TextError(f"{path} has {len(gold)} sentence; give two or more")
    texts = [each.words for each in gold]
    given = [[frame.word for frame in each.frames] for each in gold]
    return (
        measure_roles(gold, labeller.predict(texts, given)),
        measure_roles(gold, labeller.predict(texts)),
    )


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
