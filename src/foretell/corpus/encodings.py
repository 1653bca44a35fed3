"""Bytes of a file to characters: decompressed, decoded, in pieces, or refused with what to do."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NoReturn

from foretell.contracts.errors import TextError

GIVE = "Give a .txt, .md, .jsonl, .csv, .parquet file or a folder of them."
_CHUNK = 1 << 16
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
# Formats whose beginning may hold no NUL; any other binary file is known by its NULs.
_MAGIC = (b"%PDF", b"PK\x03\x04", b"\xff\xd8\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1")


class NothingToRead(TextError):
    """A file that is empty or no text: an error if the user named it, skipped inside a folder."""


def refuse(problem: OSError, path: Path | None = None) -> NoReturn:
    what, why = path or problem.filename, (problem.strerror or str(problem)).lower()
    raise TextError(f"cannot read {what}: {why}. Make it readable, or give another") from None


def open_bytes(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as problem:
        refuse(problem)


def _plain(raw: BinaryIO | gzip.GzipFile) -> Iterator[bytes]:
    while chunk := raw.read(_CHUNK):
        yield chunk


def _gunzip(raw: BinaryIO) -> Iterator[bytes]:
    return _plain(gzip.GzipFile(fileobj=raw))


def _unzstd(raw: BinaryIO) -> Iterator[bytes]:
    # Not stream_reader: it takes a file that breaks off for one that ends.
    import zstandard

    frame = None
    try:
        for chunk in _plain(raw):
            while chunk:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(chunk)
                chunk = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
    except zstandard.ZstdError as problem:
        raise EOFError from problem
    if frame is not None:
        raise EOFError


DECOMPRESSORS = {".gz": _gunzip, ".zst": _unzstd}


def decompressed(raw: BinaryIO, path: Path) -> Iterator[bytes]:
    """Bytes of the file, decompressed."""
    decompress = DECOMPRESSORS.get(path.suffix.lower(), _plain)
    try:
        yield from decompress(raw)
    except (EOFError, zlib.error) as problem:
        raise damaged(path) from problem
    except OSError as problem:
        if problem.errno is None:
            raise damaged(path) from problem
        refuse(problem, path)


def damaged(path: Path) -> TextError:
    return TextError(f"{path} is damaged or incomplete. Download or compress it again")


def decoded(raw: BinaryIO, path: Path) -> Iterator[str]:
    """Characters of the file, in pieces. Raises NothingToRead before the first of them."""
    chunks, head = decompressed(raw, path), b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _CHUNK:
            break
    if not head:
        raise NothingToRead(f"{path} is empty. {GIVE}")
    marks = [(mark, name) for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)]
    mark, encoding = marks[0] if marks else (b"", "utf-8")
    if head.startswith(_MAGIC) or (encoding == "utf-8" and b"\0" in head):
        raise NothingToRead(f"{path} is not text (first bytes {head[:4].hex(' ')}). {GIVE}")
    decoder, read, line = codecs.getincrementaldecoder(encoding)(), len(mark), 1
    try:
        for chunk in chain([head[len(mark) :]], chunks):
            pending = len(decoder.getstate()[0])
            text = decoder.decode(chunk)
            yield text
            read, line = read + len(chunk), line + text.count("\n")
        pending = len(decoder.getstate()[0])
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as problem:
        at = read - pending + problem.start
        line += problem.object[: problem.start].decode(encoding, "ignore").count("\n")
        shown = problem.object[problem.start : problem.start + 4].hex(" ")
        raise TextError(
            f"{path}:{line} is not {encoding.upper()} (byte {at}: {shown}). "
            f"{_advice(path, encoding, problem.object)}"
        ) from None


def _advice(path: Path, encoding: str, data: bytes) -> str:
    """How to convert; a guess of the encoding is good for a message, never for reading."""
    high = len(data) - len(data.decode("ascii", "ignore"))
    if encoding != "utf-8" or high > 8 * data.decode("utf-8", "replace").count("\ufffd"):
        drop = f"iconv -c -f {encoding} -t utf-8 {path} > repaired.txt"
        return f"Most of it is, so it is damaged: repair it, or drop such bytes with {drop}"
    likely, hits = "windows-1252", 0 if high > 0.3 * len(data) else 1
    for name in ("gb18030", "big5"):
        text = data.decode(name, "replace")
        common = 1 + sum(text.count(character) for character in "，。、的一是不了人我在有")
        # The data may end inside a character, hence 1.
        if text.count("\ufffd") <= 1 and common > hits:
            likely, hits = name, common
    return f"Perhaps {likely.upper()}: iconv -f {likely} -t utf-8 {path} > converted.txt"


def lines_of(pieces: Iterator[str]) -> Iterator[str]:
    """Lines with their ends. Only at newlines: str.splitlines also cuts at U+2028."""
    pending: list[str] = []
    for piece in pieces:
        *whole, rest = piece.split("\n")
        for line in whole:
            yield "".join((*pending, line, "\n"))
            pending = []
        pending.append(rest)
    if any(pending):
        yield "".join(pending)
