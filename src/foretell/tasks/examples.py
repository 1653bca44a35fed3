"""Texts with their labels, as tables and records have them: two fields of a row.

{"review": "What a film!", "mood": "positive"}
read_labelled(path, text="review", label="mood")
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from foretell.contracts.corpus import Document
from foretell.contracts.errors import TextError
from foretell.corpus.readers import NoSuchField, read_documents
from foretell.corpus.splits import place_of

MOST_LABELS = 1_000
DEV = 0.1
"""Share of the examples that is kept back for choices where no dev part is given."""
FEWEST = 20
"""Examples from which anything is learned."""


class Example(NamedTuple):
    text: str
    label: str
    place: str
    """For errors: file and row."""


def read_labelled(
    path: Path,
    *,
    text: str,
    label: str,
    progress: Callable[[int, int], None] | None = None,
) -> list[Example]:
    """All rows of a file or folder. text, label: names of the two fields.

    Raises TextError, naming the row, if one lacks a field or has nothing in it.
    """
    texts = read_column(path, text, "--text", progress=progress)
    labels = read_column(path, label, "--label")
    found = []
    for document, said in zip(texts, labels, strict=True):
        example = Example(document.text.strip(), said.text.strip(), document.name)
        for name, value in ((text, example.text), (label, example.label)):
            if not value:
                raise TextError(
                    f"{example.place} has nothing in {name}; take the row out, or fill it in"
                )
        found.append(example)
    return found


def read_column(
    path: Path,
    name: str,
    option: str,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Document]:
    """One field of every row, in order, as it is spelled. option: by which a user names it.

    Raises TextError, as the rows are taken.
    """
    try:
        yield from read_documents(path, field=name, progress=progress, numbers=True)
    except NoSuchField as problem:
        raise NoSuchField(problem.where, problem.wanted, problem.fields, option) from None


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


def keep_back(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and those kept back for choices: by a hash of their texts, so that
    copies of a text stand on one side."""
    learn: list[Example] = []
    dev: list[Example] = []
    for example in examples:
        (dev if place_of(example.text, seed) < DEV else learn).append(example)
    return learn, dev
