"""Texts with their labels, as tables and records have them: two fields of a row.

{"review": "What a film!", "mood": "positive"}
read_labelled(path, text="review", label="mood")
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, TypeVar

from foretell.contracts.corpus import Document
from foretell.contracts.errors import TextError
from foretell.corpus.encodings import lines_of
from foretell.corpus.pairs import MARK
from foretell.corpus.readers import NoSuchField, is_plain, read_documents
from foretell.corpus.splits import place_of
from foretell.tasks.examples.squad import is_squad, read_squad
from foretell.tasks.options import LabelOptions, ReadOptions

MOST_LABELS = 1_000
DEV = 0.1
"""Share of the examples that is kept back for choices where no dev part is given."""
FEWEST = 20
"""Examples from which anything is learned."""


Kind = TypeVar("Kind")


class Example(NamedTuple):
    text: str
    label: str
    place: str
    """For errors: file and row."""


def read_labelled(
    path: Path,
    options: LabelOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Example]:
    """All rows of a file or folder.

    Raises TextError, naming the row, if one lacks a field or has nothing in it.
    """
    texts = read_texts(path, options, progress=progress)
    labels = read_column(path, options.label, "--label")
    found = []
    for document, said in zip(texts, labels, strict=True):
        refuse_empty(document.name, options.label, said.text)
        found.append(Example(document.text, said.text.strip(), document.name))
    return found


def read_texts(
    path: Path,
    options: ReadOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Document]:
    """The text of every row, in order; where there are two, as the document of a `Pair`. Of
    questions as SQuAD has them each with its passage. Raises TextError as `read_labelled`."""
    if is_squad(path):
        yield from (each.document for each in read_squad(path))
        return
    text, second = options.text, options.second
    seconds = repeat(None) if second is None else read_column(path, second, "--second")
    firsts = read_column(path, text, "--text", progress=progress)
    for document, other in zip(firsts, seconds, strict=second is not None):
        refuse_empty(document.name, text, document.text)
        whole = document.text.strip().replace(MARK, " ")
        if other is not None:
            refuse_empty(other.name, str(second), other.text)
            whole += MARK + other.text.strip().replace(MARK, " ")
        yield replace(document, text=whole)


def refuse_empty(place: str, name: str, value: str) -> None:
    """Raise TextError for a field without anything in it."""
    if not value.strip():
        raise TextError(f"{place} has nothing in {name}; take the row out, or fill it in")


def read_column(
    path: Path,
    name: str,
    option: str,
    *,
    progress: Callable[[int, int], None] | None = None,
    joined: str = "\n",
) -> Iterator[Document]:
    """One field of every row, in order, as it is spelled, or every line of a plain file. option: by
    which a user names it; joined: what stands between the texts of a list.

    Raises TextError, as the rows are taken.
    """
    if is_plain(path):
        yield from read_documents(path, cut=_lines, progress=progress)
        return
    try:
        yield from read_documents(path, field=name, progress=progress, numbers=True, joined=joined)
    except NoSuchField as problem:
        raise NoSuchField(problem.where, problem.wanted, problem.fields, option) from None


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    return (line.rstrip("\r\n") for line in lines_of(pieces))


def labels_of(examples: Sequence[Example]) -> tuple[str, ...]:
    """The different labels, sorted. Raises TextError if they cannot be learned."""
    counts = Counter(example.label for example in examples)
    first = {example.label: example for example in reversed(examples)}
    if len(examples) < FEWEST or len(counts) < 2:
        raise TextError(
            f"{len(examples)} examples with {len(counts)} labels are too few to learn from; give "
            f"{FEWEST} or more, of two labels at least"
        )
    if len(counts) > MOST_LABELS:
        raise TextError(
            f"there are {len(counts):,} different labels ({first[max(counts)].place}: "
            f"{max(counts)[:40]!r}), and {MOST_LABELS:,} are told apart at most; name the column "
            "of labels with --label"
        )
    for label, count in counts.items():
        if count == 1:
            raise TextError(
                f"{first[label].place}: the label {label[:40]!r} stands only here; give more "
                "examples of it, or take the row out"
            )
    return tuple(sorted(counts))


def refuse_unknown(examples: Sequence[Example], labels: Sequence[str]) -> None:
    """Raise TextError at the first example whose label is none of those learned."""
    known = set(labels)
    for example in examples:
        if example.label not in known:
            raise TextError(
                f"{example.place}: the label {example.label[:40]!r} is none of the {len(labels)} "
                "that were learned; correct it, or learn from examples of it"
            )


def thinned(examples: Sequence[Kind], most: int) -> list[Kind]:
    """Up to so many, evenly from all."""
    return list(examples[:: max(1, -(-len(examples) // most))])


def keep_back(
    examples: Sequence[Kind], seed: int, text: Callable[[Kind], str]
) -> tuple[list[Kind], list[Kind]]:
    """Examples to learn from, and those kept back for choices: by a hash of the text of each, so
    that copies of a text stand on one side."""
    learn: list[Kind] = []
    dev: list[Kind] = []
    for example in examples:
        (dev if place_of(text(example), seed) < DEV else learn).append(example)
    return learn, dev
