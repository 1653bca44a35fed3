"""Texts with what is to be made of them: translations, summaries, answers.

{"en": "A dog runs.", "de": "Ein Hund rennt."}     read_examples(path, text="en", target="de")
train.en,train.de                                  line by line
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from foretell.contracts.errors import TextError
from foretell.corpus.pairs import MARK
from foretell.corpus.readers import is_plain
from foretell.tasks.examples.rows import FEWEST, read_column, read_texts, refuse_empty
from foretell.tasks.examples.squad import is_squad, read_squad
from foretell.tasks.options import TextOptions


class TextExample(NamedTuple):
    text: str
    """Where there are two, with a MARK between them."""
    targets: tuple[str, ...]
    """Each as good as the others; one of nothing if there is no answer."""
    place: str
    """For errors: file and row."""


def one_text(text: str) -> str:
    """Two texts on lines of their own."""
    return text.replace(MARK, "\n")


class Written(NamedTuple):
    """A text that was written as an answer."""

    text: str
    logprob: float | None
    """ln P of it under what wrote it, given what it answers; None where there is no such thing."""
    start: int | None = None
    """Character of the second text at which it stands, of answers that are chosen there."""


class Part(NamedTuple):
    """Of a text, that may be what is wanted."""

    said: str
    told: str
    """What is known of it, for counts to read."""
    start: int | None = None
    """Character of the second text at which it stands, if that matters."""


class Writes(Protocol):
    """Answers texts with texts. A text gets the same answer whatever stands beside it, but for
    near ties, which the last digits of larger batches may turn over."""

    @property
    def rung(self) -> str: ...

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        """Up to so many answers to each, the best first; at least one."""
        ...


class Writer(Writes, Protocol):
    """One that can be put on a disk."""

    @property
    def facts(self) -> dict[str, Any]:
        """What loading needs to know beside what `save` writes."""
        ...

    def save(self, folder: Path) -> None: ...


def read_examples(
    path: Path,
    options: TextOptions,
    *,
    blank: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[TextExample]:
    """All rows of a file or folder, or of two files that have a line a text. blank: whether
    nothing may be what is wanted, as of questions that have no answer.

    Raises TextError, naming the row, if one lacks a field or has nothing in it, or if one of two
    files is longer.
    """
    if is_squad(path):
        asked = (each for each in read_squad(path) if each.answers or blank)
        return [
            TextExample(each.document.text, each.answers or ("",), each.document.name)
            for each in asked
        ]
    texts_in, targets_in = _sides(path)
    texts = read_texts(texts_in, options, progress=progress)
    targets = read_column(targets_in, options.target, "--target", joined=MARK)
    found: list[TextExample] = []
    for document, target in zip_longest(texts, targets):
        if document is None or target is None:
            longer, shorter = (texts_in, targets_in)[:: 1 if target is None else -1]
            raise TextError(
                f"{longer} has more lines than {shorter}, which has {len(found):,}; give files "
                "with a line for each other"
            )
        each = tuple(part.strip() for part in target.text.split(MARK) if part.strip())
        if not blank:
            refuse_empty(target.name, options.target, "".join(each))
        found.append(TextExample(document.text, each or ("",), document.name))
    return found


def _sides(path: Path) -> tuple[Path, Path]:
    """Where texts and targets stand: in one place, or as `a,b` says. Raises TextError."""
    if not path.exists() and str(path).count(",") == 1:
        first, second = (Path(part) for part in str(path).split(","))
        for each in (first, second):
            if not is_plain(each):
                raise TextError(f"{each} is no file of lines; give two of them, as in a.en,a.de")
        return first, second
    if is_plain(path):
        raise TextError(
            f"{path} has lines without targets; name the file of these after a comma, as in "
            "a.en,a.de"
        )
    return path, path


def refuse_few(path: Path, examples: list[TextExample]) -> None:
    """Raise TextError if nothing can be learned from so few."""
    if len(examples) < FEWEST:
        raise TextError(
            f"{path} has {len(examples)} examples, which are too few to learn from; give {FEWEST} "
            "or more"
        )
