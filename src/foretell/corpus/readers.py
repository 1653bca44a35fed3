"""Files and folders to documents, one at a time.

    notes.txt, any text file      the file is one document       named `notes.txt`
    .jsonl .ndjson .json          a record is a document         named `poems.json:17`
    .csv .tsv .parquet            a row is a document            named `mail.csv:17`
    any of them with .gz or .zst  as without
    a folder                      all that is in it, sorted by path

The number is the line; for .json and .parquet it counts records.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from foretell.contracts.corpus import Document
from foretell.contracts.errors import MissingExtra, TextError
from foretell.corpus.encodings import (
    DECOMPRESSORS,
    GIVE,
    NothingToRead,
    damaged,
    decoded,
    decompressed,
    lines_of,
    open_bytes,
    refuse,
)


@dataclass
class ReadReport:
    """What reading passed over; filled while the documents are taken, complete after the last."""

    skipped: list[str] = field(default_factory=list)
    """In a folder: hidden entries (a hidden folder counts once), binary and empty files."""


class NoSuchField(TextError):
    """A record or table lacks the field that was asked for."""

    def __init__(self, where: str, wanted: str, fields: list[str], option: str = "--field") -> None:
        self.where, self.wanted, self.fields = where, wanted, fields
        super().__init__(
            f"{where} has no field {wanted!r}; its fields are "
            f"{', '.join(fields[:20]) or 'none'}. Name the one that is meant with {option}"
        )


Cut = Callable[[Iterator[str]], Iterator[str]]
"""Makes texts of a file's characters, which come in pieces of any length."""
_Progress = Callable[[int, int], None]
_Values = Iterator[tuple[int, object]]
"""Number of a record or row, and what it has for text."""


def read_documents(
    path: Path,
    *,
    field: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    report: ReadReport | None = None,
    cut: Cut | None = None,
    numbers: bool = False,
    joined: str = "\n",
) -> Iterator[Document]:
    """Documents of a file or folder, in order, holding no more than one of them (for .txt: file).

    field: which field of a record, or column of a table, is the text; a list of strings is one
    text, with `joined` between them, null is an empty text. None: `text`, or the only column of a
    table. Tables need a line of column names. In a folder that mixes records and plain text, field
    is for the records.
    progress: called with bytes read and bytes in all, as they lie on disk.
    cut: makes several documents of each plain text file, which is then not held whole either; they
    are named `notes.txt#1`, `notes.txt#2` ... None: the file is one.
    numbers: take a number in the field as it is spelled, where it would be refused as no text.

    Text is UTF-8, or says by its first bytes that it is UTF-16; another encoding is refused, not
    guessed. Folders behind symbolic links are not entered. Does not clean: see cleaning.py.

    Good: read_documents(Path("poems.json"), field="paragraphs")
    Bad:  read_documents(Path("notes.txt"), field="text")

    Raises TextError here if there is no such file, else as the documents are taken; MissingExtra
    for .parquet without pyarrow.
    """
    report = ReadReport() if report is None else report
    files = files_of(path, report)
    if field is not None and files and all(_suffix(file) not in _RECORDS for file in files):
        raise TextError(
            f"{path} is plain text and has no field {field!r}; leave the field out, or give "
            ".jsonl, .json, .csv, .tsv or .parquet"
        )
    progress = progress or (lambda done, total: None)
    taken = _Taken(field, cut, numbers, joined)
    return _read(path, files, taken, progress, report)


@dataclass(frozen=True)
class _Taken:
    """What is made of a file; see `read_documents`."""

    field: str | None
    cut: Cut | None
    numbers: bool
    joined: str


def is_plain(path: Path) -> bool:
    """True of a file that holds no records, by its name."""
    return path.is_file() and _suffix(path) not in _RECORDS


def _read(
    root: Path, files: list[Path], taken: _Taken, progress: _Progress, report: ReadReport
) -> Iterator[Document]:
    sizes = [file.stat().st_size for file in files]
    done, total, documents = 0, sum(sizes), 0
    for file, size in zip(files, sizes, strict=True):
        before = documents
        name = file.relative_to(root).as_posix() if root.is_dir() else file.name
        try:
            with open_bytes(file) as raw:
                for document in _read_file(raw, file, name, taken):
                    documents += 1
                    yield document
                    progress(done + min(raw.tell(), size), total)
        except NothingToRead:
            if not root.is_dir():
                raise
        if documents == before:
            report.skipped.append(name)
        done += size
    progress(total, total)
    if documents == 0:
        skipped = f" ({len(report.skipped)} files skipped)" if root.is_dir() else ""
        raise TextError(f"{root} holds no text{skipped}. {GIVE}")


def files_of(path: Path, report: ReadReport) -> list[Path]:
    """The files that `read_documents` reads, in order. Raises TextError if there is none."""
    if path.is_dir():
        return _walk(path, report)
    if path.is_file():
        return [path]
    problem = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise TextError(f"{path} {problem}. {GIVE}")


def _walk(root: Path, report: ReadReport) -> list[Path]:
    files = []
    for folder, folders, names in os.walk(root, onerror=refuse):
        for name in sorted(folders + names):
            path = Path(folder, name)
            if name.startswith(".") or (name in names and not path.is_file()):
                report.skipped.append(path.relative_to(root).as_posix())
            elif name in names:
                files.append(path)
        folders[:] = [name for name in folders if not name.startswith(".")]
    return sorted(files, key=lambda file: file.relative_to(root).parts)


def _suffix(path: Path) -> str:
    """Ending that says what is inside, compression taken off."""
    compressed = path.suffix.lower() in DECOMPRESSORS
    return (path.with_suffix("") if compressed else path).suffix.lower()


def _read_file(raw: BinaryIO, path: Path, name: str, taken: _Taken) -> Iterator[Document]:
    reader = _RECORDS.get(_suffix(path))
    if reader is None:
        pieces = decoded(raw, path)
        if taken.cut is None:
            yield Document("".join(pieces), name)
            return
        for number, text in enumerate(taken.cut(pieces), 1):
            yield Document(text, f"{name}#{number}")
        return
    for number, value in reader(raw, path, taken.field):
        if isinstance(value, list) and all(isinstance(line, str) for line in value):
            value = taken.joined.join(value)
        if taken.numbers and isinstance(value, int | float):
            value = str(value)
        if not isinstance(value, str | None):
            raise TextError(f"{path}:{number}: the field is no text. Name another with --field")
        yield Document(value or "", f"{name}:{number}")


def _choose(fields: list[str], field: str | None, path: Path, number: int, only: bool) -> str:
    """The field that is the text. only: one that stands alone is, whatever its name."""
    wanted = field or (fields[0] if only and len(fields) == 1 else "text")
    if wanted not in fields:
        raise NoSuchField(f"{path}:{number}", wanted, fields)
    return wanted


def _value(content: object, path: Path, number: int, field: str | None) -> object:
    if isinstance(content, dict):
        return content[_choose(list(content), field, path, number, only=False)]
    if isinstance(content, str) and field is None:
        return content
    raise TextError(f"{path}:{number} is not a record with fields. Give an object for each text")


def _json_lines(raw: BinaryIO, path: Path, field: str | None) -> _Values:
    for number, line in enumerate(lines_of(decoded(raw, path)), 1):
        if not line.isspace():
            try:
                content = json.loads(line)
            except (ValueError, RecursionError) as problem:
                raise _broken_json(path, number, problem) from None
            yield number, _value(content, path, number, field)


def _json_values(raw: BinaryIO, path: Path, field: str | None) -> _Values:
    """Elements of an array, or values that follow one another, parsed as they are read."""
    decoder, pieces = json.JSONDecoder(), decoded(raw, path)
    text, at, newlines, number, inside = "", 0, 0, 0, False
    while True:
        while text[at : at + 1] in (" ", "\t", "\n", "\r", ","):
            at += 1
        if text[at : at + 1] == ("]" if inside else "["):
            inside, at = not inside, at + 1
            continue
        try:
            content, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as problem:
            # Perhaps only cut off. Read as much again, so that a long record is not parsed often.
            more: list[str] = []
            while sum(len(piece) for piece in more) <= len(text) - at:
                if (piece := next(pieces, None)) is None:
                    break
                more.append(piece)
            if not more and at == len(text) and not inside:
                return
            if not more:
                line = newlines + getattr(problem, "lineno", 1)
                raise _broken_json(path, line, problem) from None
            newlines += text.count("\n", 0, at)
            text, at = text[at:] + "".join(more), 0
        else:
            number += 1
            yield number, _value(content, path, number, field)


def _broken_json(path: Path, line: int, problem: Exception) -> TextError:
    why = getattr(problem, "msg", "not readable")
    return TextError(f"{path}:{line} is not valid JSON ({why}). Repair or remove that line")


def _table(separator: str, raw: BinaryIO, path: Path, field: str | None) -> _Values:
    # The limit is the process's, and so small that an article is an error.
    csv.field_size_limit(2**31 - 1)
    # .tsv has no quoting (IANA); a lone quotation mark would swallow the rows after it.
    rows = csv.reader(
        lines_of(decoded(raw, path)),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    header: list[str] = []
    try:
        for row in rows:
            if not header:
                header = row
                wanted = header.index(_choose(header, field, path, 1, only=True))
            elif len(row) == len(header):
                yield rows.line_num, row[wanted]
            elif row:
                raise TextError(
                    f"{path}:{rows.line_num} has {len(row)} columns, the first line {len(header)}."
                    " Quote texts that hold the separator, or give .jsonl"
                )
    except csv.Error as problem:
        raise TextError(
            f"{path}:{rows.line_num} is not a valid table ({problem}). Repair it, or give .jsonl"
        ) from None


def _parquet(raw: BinaryIO, path: Path, field: str | None) -> _Values:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        advice = 'Install it: pip install "foretell[parquet]"'
        raise MissingExtra(f"{path} needs pyarrow. {advice}") from None
    import tempfile

    with tempfile.TemporaryFile() as unpacked:
        if path.suffix.lower() in DECOMPRESSORS:
            unpacked.writelines(decompressed(raw, path))
        number = 0
        try:
            table = parquet.ParquetFile(unpacked if unpacked.tell() else str(path))
            wanted = _choose(table.schema_arrow.names, field, path, 1, only=True)
            for batch in table.iter_batches(batch_size=256, columns=[wanted]):
                for value in batch.column(0).to_pylist():
                    number += 1
                    yield number, value
                # raw is not what the table reads from; it is moved for the progress.
                raw.seek(path.stat().st_size * number // table.metadata.num_rows)
        except ArrowException:
            raise damaged(path) from None


_RECORDS: dict[str, Callable[[BinaryIO, Path, str | None], _Values]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_values,
    ".csv": partial(_table, ","),
    ".tsv": partial(_table, "\t"),
    ".parquet": _parquet,
}
