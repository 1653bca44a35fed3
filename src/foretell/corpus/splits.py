"""Which documents train, tune, stop and judge; and passages, where documents are few and long.

The part of a document is decided by a hash of its own text and nothing else:

    hash    0          .06             .50     .53              .94         1
            |-held out-|---- train -----|-stop--|---- train -----|--tuning--|

so that documents which are added, or come in another order, move none, and copies never stand in
two parts. Shares come in steps: within a step no document moves, and where a corpus grows into
the next, each evaluated part shrinks in its place and gives documents to train alone. Ranks of
the hashes would fill small parts exactly, but every new document would push others about. The
price of thresholds is that a part may come out a little larger or smaller than its share.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

from foretell.contracts.corpus import Document, Split
from foretell.contracts.errors import TextError

PASSAGE_BYTES = 2048
SMALL_BYTES = 200_000
_SHORTEST_PASSAGE_BYTES = 512
_PASSAGES_OF_SMALL_TEXT = 100
_FEW_DOCUMENTS = 60
_LARGEST_DOCUMENT_SHARE = 0.2

STOPPING_BEGINS = 0.5
_FEWEST_DOCUMENTS = 20
FEWEST_IN_A_PART = 2
_LEAST_TRAIN_BYTES = 2048

_STEPS = (0.15, 0.10, 0.06, *(0.03 / 2**halvings for halvings in range(24)))
MOST_JUDGED_BYTES = 300_000
MOST_STOPPING_BYTES = 64_000
_JUDGED_DOCUMENTS = 12
_STOPPING_DOCUMENTS = 8

_ENDS = (
    re.compile(r"\n[^\S\n]*\n\s*"),
    re.compile(r"\n"),
    re.compile(r"[。！？…][」』”’）]*|[.!?][\"')\]”’]*\s+"),
)


@dataclass(frozen=True)
class Prepared:
    """Documents ready to be split."""

    documents: tuple[Document, ...]
    passages: bool
    """True if any of them was cut."""


@dataclass(frozen=True)
class Shares:
    """Expected parts of the whole; what they leave trains."""

    held_out: float
    tuning: float
    stopping: float


def cut_passages(document: Document, size_bytes: int = PASSAGE_BYTES) -> list[Document]:
    """Pieces of about size_bytes UTF-8 bytes, whose texts joined are the document's.

    Each ends at the last paragraph end of its second half, else at a line end there, else at the
    end of a sentence (English or Chinese), else wherever it is full. The last may be a quarter
    longer than size_bytes, rather than leave a scrap. A passage's end means nothing to a reader.
    """
    if size_bytes < 1:
        raise ValueError(f"size_bytes must be at least 1, got {size_bytes}")
    text = document.text
    pieces, start = [], 0
    while start < len(text):
        end = end_of_passage(text, start, size_bytes)
        pieces.append(text[start:end])
        start = end
    if len(pieces) <= 1:
        return [document]
    return [Document(piece, f"{document.name}#{i}") for i, piece in enumerate(pieces, 1)]


def end_of_passage(text: str, start: int, size_bytes: int) -> int:
    """Where the passage ends that begins at start; decided by the next 1.25 x size_bytes bytes."""
    end = _fit(text, start, size_bytes)
    if end == len(text) or _fit(text, start, size_bytes + size_bytes // 4) == len(text):
        return len(text)
    return _good_end(text, start, end)


def _fit(text: str, start: int, size_bytes: int) -> int:
    """End of the longest piece from start within size_bytes, but of one character at least."""
    data = text[start : start + size_bytes].encode("utf-8", "surrogatepass")
    if len(data) <= size_bytes:
        return min(start + size_bytes, len(text))
    size = size_bytes
    while data[size] & 0xC0 == 0x80:  # the byte after the cut must begin a character
        size -= 1
    return start + max(1, len(data[:size].decode("utf-8", "surrogatepass")))


def _good_end(text: str, start: int, end: int) -> int:
    half = start + (end - start) // 2
    for ending in _ENDS:
        cuts = [match.end() for match in ending.finditer(text, half, end)]
        if cuts:
            return cuts[-1]
    return end


def prepare(documents: Sequence[Document]) -> Prepared:
    """Cut long documents where there are few, or where one is a large part of all.

    Long is more than two passages. Small text gets smaller passages, so that there are about as
    many. Growth past one of these bounds changes what the documents are, and so their parts.
    Neighbouring passages may fall into different parts, and share names and topics:
    the held-out numbers are those of a text known in part. `leaks.leak_share` tells how far.
    """
    sizes = [_bytes(document) for document in documents]
    total = sum(sizes)
    if len(sizes) >= _FEW_DOCUMENTS and max(sizes) <= _LARGEST_DOCUMENT_SHARE * total:
        return Prepared(tuple(documents), False)
    size = PASSAGE_BYTES
    if total < SMALL_BYTES:
        size = max(_SHORTEST_PASSAGE_BYTES, total // _PASSAGES_OF_SMALL_TEXT)
    pieces: list[Document] = []
    for document, length in zip(documents, sizes, strict=True):
        pieces.extend(cut_passages(document, size) if length > 2 * size else [document])
    return Prepared(tuple(pieces), len(pieces) > len(documents))


def choose_shares(total_bytes: int, documents: int) -> Shares:
    """Shares of a corpus: smaller for larger text, and never fewer documents than tell much.

    Only `total_bytes` and `documents` are looked at, in steps, so that growth moves documents
    rarely, and then to train alone.
    """
    small = total_bytes < SMALL_BYTES
    judged = _step(
        total_bytes, documents, 0.10 if small else 0.06, MOST_JUDGED_BYTES, _JUDGED_DOCUMENTS
    )
    stopping = _step(
        total_bytes, documents, 0.06 if small else 0.03, MOST_STOPPING_BYTES, _STOPPING_DOCUMENTS
    )
    return Shares(held_out=judged, tuning=judged, stopping=stopping)


def _step(total_bytes: int, documents: int, wanted: float, most_bytes: int, fewest: int) -> float:
    """The first step small enough, unless the one after it would leave too few documents."""
    for share, smaller in pairwise(_STEPS):
        enough = share <= wanted and share * total_bytes <= most_bytes
        if enough or smaller * documents < fewest:
            return share
    return _STEPS[-1]


def split(documents: Sequence[Document], *, seed: int = 0, passages: bool = False) -> Split:
    """Parts by hash of (seed, text), in the documents' order; white space does not count.

    passages: the documents are passages (`Prepared.passages`); handed on, decides nothing.
    Does not balance kinds of documents. Raises TextError if the text is too short.
    """
    total = sum(map(_bytes, documents))
    shares = choose_shares(total, len(documents))
    train: list[Document] = []
    stopping: list[Document] = []
    tuning: list[Document] = []
    held_out: list[Document] = []
    for document in documents:
        place = place_of(document.text, seed)
        if place < shares.held_out:
            held_out.append(document)
        elif place >= 1 - shares.tuning:
            tuning.append(document)
        elif STOPPING_BEGINS <= place < STOPPING_BEGINS + shares.stopping:
            stopping.append(document)
        else:
            train.append(document)
    if (
        len(documents) < _FEWEST_DOCUMENTS
        or min(map(len, (train, stopping, tuning, held_out))) < FEWEST_IN_A_PART
        or sum(map(_bytes, train)) < _LEAST_TRAIN_BYTES
    ):
        noun = "passages" if passages else "documents"
        least = 2 * max(_FEW_DOCUMENTS * _SHORTEST_PASSAGE_BYTES, total) // 1000
        raise TextError(
            f"the text is too short to split: {total:,} bytes make {len(documents)} {noun}; give "
            f"at least {least} kB"
        )
    return Split(tuple(train), tuple(stopping), tuple(tuning), tuple(held_out), passages)


def place_of(text: str, seed: int) -> float:
    """Where in [0, 1) a document stands."""
    folded = " ".join(text.split()).encode("utf-8", "surrogatepass")
    digest = blake2b(b"%d " % seed + folded, digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _bytes(document: Document) -> int:
    return len(document.text.encode("utf-8", "surrogatepass"))
