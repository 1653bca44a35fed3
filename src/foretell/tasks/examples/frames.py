"""Sentences whose predicates are known: which words, in which sense, and what plays which role.

{"words": ["She", "gave", "him", "tea"],
 "predicates": [{"index": 1, "sense": "give.01", "args": [[0, 1, "ARG0"], [2, 3, "ARG2"], ...]}]}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from foretell.contracts.errors import TextError
from foretell.corpus.readers import ReadReport, files_of
from foretell.tasks.examples.spans import Span, tags_of
from foretell.tasks.examples.tagged import json_records, spaced


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


class FramePredictor(Protocol):
    """Finds the predicates of sentences, and the roles of predicates."""

    @property
    def rung(self) -> str: ...

    def find(self, texts: Sequence[Sequence[str]]) -> list[list[int]]:
        """Numbers of the words of each text that are predicates."""
        ...

    def label(
        self, texts: Sequence[Sequence[str]], predicates: Sequence[Sequence[int]]
    ) -> list[list[Frame]]:
        """The frames of these predicates of each text, without senses, in their order."""
        ...


class LearnedFrames(FramePredictor, Protocol):
    """One that can be put on a disk."""

    @property
    def facts(self) -> dict[str, Any]: ...

    def save(self, folder: Path) -> None: ...
