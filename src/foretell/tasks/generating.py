"""Texts like those of a collection: on a topic, or in a form that the name of the topic stands for.

train_into(Path("ci"), Path("songci/"), GenerateOptions(text="paragraphs", topic="rhythmic"))
load(Path("ci")).write(["浣溪沙"])[0].text

A language model reads the topic on a line of its own and then the text. Where texts of a topic have
a form (`examples.forms`), what is written keeps to it. What is copied is found by an index of all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np

from foretell import models
from foretell.contracts.errors import DamagedModel, TextError
from foretell.contracts.evidence import Evidence
from foretell.contracts.learner import Budget
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.index import build_index, open_index
from foretell.evaluation.intervals import paired_difference, ratio_interval
from foretell.evaluation.results import Interval
from foretell.evaluation.scoring import score_texts
from foretell.storage import check_seal, new_folder, refuse_existing, seal
from foretell.tasks.answering import blocks
from foretell.tasks.examples.forms import Form, learn_forms
from foretell.tasks.examples.rows import FEWEST, keep_back, read_column, refuse_empty, thinned
from foretell.tasks.examples.words import mostly_han
from foretell.tasks.folders import refuse_missing
from foretell.tasks.measures.labels import AS_GOOD
from foretell.tasks.measures.pieces import (
    GenerationMeasures,
    Generator,
    Piece,
    measure_pieces,
    prompt_for,
)
from foretell.tasks.options import GenerateOptions, ReadOptions
from foretell.tasks.teaching import Begin, has_networks, working_folder, write_record
from foretell.tokenizers import load_tokenizer
from foretell.tokenizers.characters import Characters
from foretell.tokenizers.subwords import as_many_subwords
from foretell.training.fit import fit
from foretell.training.recipes import Scope, build_learner

FAMILIES = {"count": "kneser-ney", "transformer": "gpt"}
"""By the kind, from the quickest."""
FORMS, INDEX, LETTERS = "forms.json", "index", "letters"
SUBWORDS = 4_000
MOST_CHOSEN_BY = 300
MOST_EVALUATED = 200


class TopicText(NamedTuple):
    topic: str
    """Empty if there are none."""
    text: str
    place: str

    @property
    def document(self) -> str:
        """As a model reads it."""
        return prompt_for(self.topic) + self.text


def read_topics(
    path: Path,
    options: GenerateOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[TopicText]:
    """All rows of a file or folder that have a text. Raises TextError, naming a row without a
    topic."""
    texts = read_column(path, options.text, "--text", progress=progress)
    name = options.topic
    topics = repeat(None) if name is None else read_column(path, name, "--topic")
    found = []
    for text, topic in zip(texts, topics, strict=name is not None):
        if not text.text.strip():
            continue
        said = "" if topic is None else " ".join(topic.text.split())
        if topic is not None:
            refuse_empty(topic.name, str(name), said)
        found.append(TopicText(said, text.text.strip(), text.name))
    return found


@dataclass(frozen=True)
class TriedModel:
    """One kind, as it did on the dev part."""

    rung: str
    seconds: float
    ended: str
    bits_per_byte: Interval
    """Of texts, with what they are about before them."""
    behind: Interval | None = None
    """Its bits a byte minus those of the best, paired by text; None of the best itself."""


@dataclass(frozen=True)
class LearnedGeneration:
    """What training found."""

    rung: str
    """The kind that was chosen."""
    texts: int
    topics: int
    forms: int
    """Topics of which a form is known."""
    generates: tuple[TriedModel, ...]
    """On the part by which it was chosen."""


def train_into(
    out: Path,
    path: Path,
    options: GenerateOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> LearnedGeneration:
    """Learn a collection, and write the best generator to `out`.

    Checkpoints stand in OUT.checkpoints until it is finished, and the same call goes on from them.
    Raises TextError for texts that cannot be used, OutputExists, MissingExtra.
    """
    refuse_existing(out)
    budget = Budget.parse(options.budget)
    texts = read_topics(path, options, progress=progress)
    if options.dev is None:
        texts, dev = keep_back(texts, options.seed, lambda each: each.text)
    else:
        dev = read_topics(Path(options.dev), options)
    if len(texts) < FEWEST or len(dev) < 2:
        raise TextError(f"{path} has {len(texts) + len(dev)} texts, too few to learn from")
    dev = thinned(dev, MOST_CHOSEN_BY)
    documents = [each.document for each in texts]
    letters = Characters.train(documents, minimum_count=1)
    forms: dict[str, list[Form]] = {}
    tokenizer: Tokenizer
    # Forms are of characters.
    if mostly_han([(document,) for document in documents]):
        forms = learn_forms((each.topic, each.text) for each in texts if each.topic)
        tokenizer = Characters.train(documents)
    else:
        tokenizer = as_many_subwords(documents, most=SUBWORDS)
    with working_folder(out) as work, new_folder(out) as folder:
        tried, evidence = [], []
        for rung in FAMILIES if has_networks() else ("count",):
            watch = None if begin is None else begin(rung)
            size = sum(len(document.encode()) for document in documents)
            own = budget if rung == "transformer" else Budget(passes=1)
            learner = build_learner(
                FAMILIES[rung], tokenizer, seed=options.seed, scope=Scope.of(own, size)
            )
            run = fit(
                learner,
                documents,
                budget=own,
                held_out=[each.document for each in dev] if rung == "transformer" else (),
                checkpoints=work / rung,
                watch=watch,
                stop=stop,
            )
            model = learner.model()
            scored = score_texts(model, [each.document for each in dev], end_of_text=True)
            evidence.append(scored)
            tried.append(TriedModel(rung, run.seconds, run.ended, _bits(scored)))
            (folder / rung).mkdir()
            models.write(model, folder / rung)
        compared = _compare(tried, evidence)
        chosen = next(each.rung for each in compared if each.behind is None)
        topics = len({each.topic for each in texts})
        found = LearnedGeneration(chosen, len(texts), topics, len(forms), compared)
        _write_index(folder / INDEX, texts, letters)
        listed = {topic: [[f.blanks, f.rhymes] for f in each] for topic, each in forms.items()}
        (folder / FORMS).write_text(json.dumps(listed, ensure_ascii=False), "utf-8")
        write_record(folder, found, options, path)
        seal(folder, {"task": "generate", "chosen": chosen})
    return found


def _bits(scored: Sequence[Evidence]) -> Interval:
    bits, sizes = (np.array(each, np.float64) for each in _bits_and_bytes(scored))
    return ratio_interval(bits, sizes)


def _bits_and_bytes(scored: Sequence[Evidence]) -> tuple[list[float], list[float]]:
    return [each.bits_per_byte * each.bytes for each in scored], [float(e.bytes) for e in scored]


def _compare(
    tried: Sequence[TriedModel], evidence: Sequence[Sequence[Evidence]]
) -> tuple[TriedModel, ...]:
    """Beside the first of those that are as good as the best: it is smaller and quicker."""
    least = min(each.bits_per_byte.value for each in tried)
    best = next(
        i for i, each in enumerate(tried) if each.bits_per_byte.value <= least * (1 + AS_GOOD)
    )
    rows = [[np.array(side) for side in _bits_and_bytes(each)] for each in evidence]
    return tuple(
        each
        if index == best
        else replace(
            each, behind=paired_difference(rows[index][0], rows[best][0], rows[best][1]).interval
        )
        for index, each in enumerate(tried)
    )


def _write_index(folder: Path, texts: Sequence[TopicText], letters: Characters) -> None:
    folder.mkdir()
    index = build_index(
        [letters.encode(each.text).tokens for each in texts],
        names=[each.place for each in texts],
        vocabulary_size=letters.vocabulary_size,
        boundary=letters.boundary,
        tokenizer_fingerprint=letters.fingerprint,
    )
    index.save(folder)
    (folder / LETTERS).mkdir()
    letters.save(folder / LETTERS)


def rungs_of(folder: Path) -> list[str]:
    """The kinds that a folder holds, from the quickest; `load` takes them. Raises DamagedModel."""
    _facts(folder)
    return [each for each in FAMILIES if (folder / each).is_dir()]


def _facts(folder: Path) -> dict[str, str]:
    facts = check_seal(folder)
    if facts.get("task") != "generate":
        raise DamagedModel(
            f"{folder} generates nothing; give a folder that `foretell task generate` wrote"
        )
    return facts


def load(folder: Path, rung: str | None = None) -> Generator:
    """What `train_into` wrote; rung: another kind than the one that was chosen. Raises
    DamagedModel, ForetellError for a kind that is not there."""
    facts, there = _facts(folder), rungs_of(folder)
    rung = rung or facts["chosen"]
    refuse_missing(folder, rung, there)
    listed = json.loads((folder / FORMS).read_text("utf-8"))
    forms = {
        topic: [Form(blanks, tuple((a, b) for a, b in rhymes)) for blanks, rhymes in each]
        for topic, each in listed.items()
    }
    letters = load_tokenizer(folder / INDEX / LETTERS)
    return Generator(models.load(folder / rung), forms, open_index(folder / INDEX), letters, rung)


def evaluate(
    generator: Generator,
    path: Path,
    options: GenerateOptions,
    *,
    temperature: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[GenerationMeasures, GenerationMeasures]:
    """Texts on the topics of up to MOST_EVALUATED rows, and the rows' own texts. Raises TextError,
    naming the row."""
    rows = read_topics(path, options, progress=progress)
    if len(rows) < 2:
        raise TextError(f"{path} has {len(rows)} text; give two or more")
    rows = thinned(rows, MOST_EVALUATED)
    pieces = generator.write([each.topic for each in rows], temperature=temperature)
    theirs = [generator.judge(each.topic, each.text) for each in rows]
    return measure_pieces(pieces), measure_pieces(theirs)


class GeneratedText(NamedTuple):
    """For a row."""

    place: str
    piece: Piece

    @property
    def line(self) -> str:
        """Of a table: place, topic, text on one line."""
        return "\t".join([self.place, self.piece.topic, " / ".join(self.piece.text.split("\n"))])

    @property
    def json(self) -> str:
        kept = None if self.piece.kept is None else self.piece.kept._asdict()
        content = {"place": self.place, **self.piece._asdict(), "kept": kept}
        return json.dumps(content, ensure_ascii=False)


def answer(
    generator: Generator,
    path: Path,
    options: ReadOptions,
    *,
    temperature: float = 1.0,
    seed: int = 0,
    after: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[GeneratedText]:
    """A text for every row, of which the text field holds the topic; see `answering.blocks`."""
    first = after
    for block in blocks(path, options, after=after, progress=progress):
        topics = [" ".join(document.text.split()) for document in block]
        pieces = generator.write(topics, temperature=temperature, seed=seed, first=first)
        first += len(block)
        for document, piece in zip(block, pieces, strict=True):
            yield GeneratedText(document.name, piece)
