"""Answers to the rows of a file, of any application: a thousand rows at a time, a line each, into a
file that a stopped command goes on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from foretell.contracts.corpus import Document
from foretell.contracts.errors import OutputExists
from foretell.corpus.readers import ReadReport, files_of
from foretell.storage import check_seal, locked, refuse_existing, write_text
from foretell.tasks.examples.rows import read_texts
from foretell.tasks.options import ReadOptions

Row = TypeVar("Row")
AT_ONCE = 1_000
"""Rows that are read and answered together."""


class Answer(Protocol):
    """To a row."""

    @property
    def line(self) -> str:
        """Of a table."""
        ...

    @property
    def json(self) -> str: ...


def blocks(
    path: Path,
    options: ReadOptions,
    *,
    after: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[list[Document]]:
    """The texts of the rows after so many, AT_ONCE of them together. Raises TextError at a row that
    has nothing in a field that is read."""
    yield from in_blocks(read_texts(path, options, progress=progress), after)


def in_blocks(rows: Iterator[Row], after: int) -> Iterator[list[Row]]:
    """What stands after so many rows, AT_ONCE of them together."""
    left = islice(rows, after, None)
    while block := list(islice(left, AT_ONCE)):
        yield block


def write_answers(
    out: Path,
    model: Path,
    path: Path,
    asked: Any,
    answers: Callable[[int], Iterable[Answer]],
    *,
    as_json: bool,
) -> int:
    """Write the answers of a model to the rows of a file or folder; their number.

    asked: the options, as JSON has them. answers: gives those after so many rows. OUT.partial holds
    them until all are there, and the same call goes on after it. Raises OutputExists if the file
    stands already, or a partial one of another model or data.
    """
    refuse_existing(out)
    partial, beside = (out.with_name(out.name + end) for end in (".partial", ".partial.json"))
    facts = {
        "model": check_seal(model),
        "data": [[str(each), *_state(each)] for each in files_of(path, ReadReport())],
        "asked": [asked, as_json],
    }
    with locked(out.with_name(out.name + ".lock")):
        done = 0
        if beside.exists():
            if json.loads(beside.read_text("utf-8")) != facts:
                raise OutputExists(
                    f"{partial} holds answers of another model, other data or other options; "
                    "remove it, or give another --out"
                )
            done = _cut_to_whole_lines(partial)
        else:
            refuse_existing(partial)
        write_text(beside, json.dumps(facts))
        with partial.open("a", encoding="utf-8", newline="\n") as stream:
            for each in answers(done):
                stream.write((each.json if as_json else each.line) + "\n")
                done += 1
        partial.replace(out)
        beside.unlink()
    return done


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file does: size, and time in nanoseconds."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _cut_to_whole_lines(path: Path) -> int:
    """Take off what was written of a line when the process ended; the lines that are left."""
    count = end = 0
    if not path.exists():
        return 0
    with path.open("r+b") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                count, end = count + 1, end + len(line)
        stream.truncate(end)
    return count
