"""Questions with a few answers to choose from, as tables and records have them.

{"text": "What is wet?", "choices": ["sand", "rain"], "target": "rain"}
read_examples(path, TextOptions(choices="choices"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from foretell.contracts.errors import TextError
from foretell.corpus.pairs import MARK
from foretell.tasks.examples.rows import read_column, read_texts
from foretell.tasks.examples.texts import one_text
from foretell.tasks.options import TextOptions

BETWEEN = "|"
"""Stands between answers in a cell of a table."""


class Question(NamedTuple):
    text: str
    """With what it is about, on a line of its own."""
    choices: tuple[str, ...]
    place: str
    """For errors: file and row."""
    targets: frozenset[str] = frozenset()
    """Those of the choices that are right."""


def read_questions(
    path: Path,
    options: TextOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Question]:
    """All rows of a file or folder, without what is right. Raises TextError, naming the row."""
    assert options.choices is not None
    texts = read_texts(path, options, progress=progress)
    listed = read_column(path, options.choices, "--choices", joined=MARK)
    for document, cell in zip(texts, listed, strict=True):
        parts = cell.text.split(MARK if MARK in cell.text else BETWEEN)
        choices = tuple(part.strip() for part in parts)
        if len(choices) < 2 or not all(choices) or len(set(choices)) < len(choices):
            raise TextError(
                f"{document.name} has no choices in {options.choices}: {cell.text[:40]!r}; give "
                f"two or more different ones, as a list or with {BETWEEN} between"
            )
        yield Question(one_text(document.text), choices, document.name)


def read_examples(
    path: Path,
    options: TextOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Question]:
    """As `read_questions`, with what is right. Raises TextError, naming the row, if that is none of
    the choices."""
    found = []
    rights = read_column(path, options.target, "--target", joined=MARK)
    for question, cell in zip(
        read_questions(path, options, progress=progress), rights, strict=True
    ):
        targets = frozenset(part.strip() for part in cell.text.split(MARK))
        if not targets <= set(question.choices):
            wrong = sorted(targets - set(question.choices))[0]
            raise TextError(
                f"{question.place}: {wrong[:40]!r} is none of its {len(question.choices)} choices; "
                "correct it"
            )
        found.append(question._replace(targets=targets))
    return found
