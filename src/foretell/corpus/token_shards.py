"""Tokens of a text that may be larger than memory: written as a stream, read from maps.

folder/
  00000.tokens     raw little-endian, uint16 if the vocabulary fits, else int32
  00000.starts     int64: the place in .tokens of the boundary before each document, and the last
  00001.tokens ...
  tokens.json      counts, and fingerprints of the tokenizer and of the text

    tokens   # a a a # b b # c #        #: the boundary, shared by neighbours
    starts   0       4     7   9        document i between its boundaries: starts[i] ... starts[i+1]

Knows nothing of splits and passes, see streaming.py and passes.py; and does not seal: what writes
whole folders, ladder/streamed.py, does.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.tokenizer import Tokenizer

FACTS = "tokens.json"
SHARD_TOKENS = 1 << 26
"""A shard is closed once it holds as many."""
CHUNK_CHARACTERS = 1 << 18
"""Of texts that are encoded together: a token takes some 430 bytes until it is a number."""
AHEAD = 3
"""Chunks between the reader and the disk."""
READ_AT_ONCE = 64
"""Documents that are copied out of the map together, where all are read in their order."""
NARROW = 1 << 16
"""Vocabularies of this size and below take 16 bits a token."""


@dataclass(frozen=True)
class Shard:
    """One pair of files. Holds no map of its tokens: pages that were looked at would stay."""

    stem: Path
    width: np.dtype[Any]
    starts: NDArray[np.int64]
    """(D + 1,), mapped."""

    def read(self, first: int, last: int) -> list[NDArray[np.int32]]:
        """Documents first ... last - 1, each between its boundaries, copied out of the map."""
        starts = self.starts[first : last + 1]
        begin, end = int(starts[0]), int(starts[-1]) + 1
        mapped = np.memmap(self.stem.with_suffix(".tokens"), self.width, "r")
        tokens = mapped[begin:end].astype(np.int32)
        edges = (starts - begin).tolist()
        return [tokens[a : b + 1] for a, b in pairwise(edges)]


@dataclass(frozen=True, eq=False)
class TokenDocuments(Sequence[NDArray[np.int32]]):
    """The documents of a folder, each (T + 2,) between two boundaries, read when they are asked."""

    shards: tuple[Shard, ...]
    facts: Mapping[str, Any]
    """What tokens.json says."""

    @property
    def tokenizer_fingerprint(self) -> str:
        return str(self.facts["tokenizer"])

    @property
    def fingerprint(self) -> str:
        """Of the texts, as `contracts.corpus.fingerprint_texts` has it."""
        return str(self.facts["text"])

    @property
    def tokens(self) -> int:
        """Boundaries not counted."""
        return int(self.facts["tokens"])

    def __len__(self) -> int:
        return int(self.facts["documents"])

    @overload
    def __getitem__(self, index: int) -> NDArray[np.int32]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[np.int32]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.int32] | list[NDArray[np.int32]]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        firsts = self._firsts
        shard = bisect_right(firsts, number) - 1
        at = number - firsts[shard]
        return self.shards[shard].read(at, at + 1)[0]

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        for shard in self.shards:
            end = len(shard.starts) - 1
            for first in range(0, end, READ_AT_ONCE):
                yield from shard.read(first, min(first + READ_AT_ONCE, end))

    @property
    def _firsts(self) -> list[int]:
        """Number of the first document of each shard."""
        counts = [len(shard.starts) - 1 for shard in self.shards]
        return [0, *np.cumsum(counts[:-1]).tolist()]


def open_tokens(folder: Path) -> TokenDocuments:
    """What `write_tokens` wrote, mapped; looks for no damage."""
    facts = json.loads((folder / FACTS).read_text("utf-8"))
    width = np.dtype(facts["width"])
    shards = []
    for number in range(facts["shards"]):
        stem = folder / f"{number:05d}"
        shards.append(Shard(stem, width, np.memmap(stem.with_suffix(".starts"), "<i8", "r")))
    return TokenDocuments(tuple(shards), facts)


def write_tokens(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    folder: Path,
    *,
    progress: Callable[[int], None] | None = None,
    shard_tokens: int = SHARD_TOKENS,
) -> None:
    """Tokenise texts as they come into an empty folder, holding a few chunks of them at a time.

    progress: called with the bytes of text that are written so far. Threads read, encode and write
    at once, and the `tokenizers` library has threads of its own; the files do not depend on them.
    """
    digest, read, done = sha256(), 0, 0
    pending: deque[tuple[int, Future[list[NDArray[np.int32]]]]] = deque()
    with (
        closing(_Writer(folder, tokenizer, shard_tokens)) as writer,
        ThreadPoolExecutor(AHEAD - 1) as pool,
    ):
        for chunk in _chunks(texts):
            size = _digest(chunk, digest)
            read += size
            pending.append((size, pool.submit(_encode, tokenizer, chunk)))
            if len(pending) == AHEAD:
                done += _write_first(pending, writer)
                if progress is not None:
                    progress(done)
        while pending:
            done += _write_first(pending, writer)
    if progress is not None:
        progress(done)
    facts = {
        "width": writer.width.str,
        "shards": writer.shards,
        "documents": writer.documents,
        "tokens": writer.tokens,
        "bytes": read,
        "tokenizer": tokenizer.fingerprint,
        "text": digest.hexdigest()[:16],
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for text in texts:
        chunk.append(text)
        size += len(text)
        if size >= CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _digest(texts: list[str], digest: Any) -> int:
    """As `fingerprint_texts` does, text after text; their bytes."""
    size = 0
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
        size += len(data)
    return size


def _write_first(
    pending: deque[tuple[int, Future[list[NDArray[np.int32]]]]], writer: _Writer
) -> int:
    """Take the oldest chunk, wait for it, write it; its bytes of text."""
    size, encoded = pending.popleft()
    writer.write(encoded.result())
    return size


def _encode(tokenizer: Tokenizer, texts: list[str]) -> list[NDArray[np.int32]]:
    return [encoding.tokens for encoding in tokenizer.encode_many(texts)]


class _Writer:
    """Appends documents to the newest shard, and begins another when that is full."""

    def __init__(self, folder: Path, tokenizer: Tokenizer, shard_tokens: int) -> None:
        self.folder, self.shard_tokens = folder, shard_tokens
        self.width = np.dtype("<u2" if tokenizer.vocabulary_size <= NARROW else "<i4")
        self.edge = np.array([tokenizer.boundary], self.width)
        self.shards = self.documents = self.tokens = 0
        self.at = 0
        """Tokens in the newest shard, boundaries included."""
        self.file: BinaryIO | None = None
        self.starts: list[NDArray[np.int64]] = []

    def write(self, documents: Sequence[NDArray[np.int32]]) -> None:
        """Documents (T,), without their boundaries."""
        lengths = np.array([len(document) for document in documents], np.int64)
        if self.file is None:
            self.file = (self.folder / f"{self.shards:05d}.tokens").open("wb")
            self.shards += 1
            self.file.write(self.edge.tobytes())
            self.at, self.starts = 1, []
        parts = [part for document in documents for part in (document, self.edge)]
        self.file.write(np.concatenate(parts).astype(self.width).tobytes())
        ends = self.at + np.cumsum(lengths + 1)
        self.starts.append(np.concatenate([[self.at], ends[:-1]]) - 1)
        self.at = int(ends[-1])
        self.documents += len(documents)
        self.tokens += int(lengths.sum())
        if self.at >= self.shard_tokens:
            self.close()

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            starts = np.concatenate([*self.starts, [self.at - 1]]).astype("<i8")
            (self.folder / f"{self.shards - 1:05d}.starts").write_bytes(starts.tobytes())
            self.file = None
