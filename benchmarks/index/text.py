"""Text for the speed bars: documentation that the machine carries, and if that is too little,
more of the same drawn from its own trigrams. `Source` says which."""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import unescape
from pathlib import Path
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.result import find_folder, say
from foretell.corpus.builtin import builtin_documents
from foretell.corpus.suffixes import sort_to_depth
from foretell.tokenizers.whitespace import Whitespace, learn_lines
from foretell.tokenizers.word_table import FIRST_WORD

FOLDERS = ("/usr/share/doc", "/usr/share/info", "/usr/share/perl", "/usr/lib/python3")
SUFFIXES = (".txt", ".html", ".htm", ".md", ".rst", ".py", ".pod", ".info", ".xml")
MOST_OF_A_FILE = 1 << 22
OWN = 60_000
TAG = re.compile(rb"<[^<>]{0,2000}>")
RESERVED = re.compile(rb"(?<!\S)(?:<s>|</s>|<unk>|<UNK>)(?!\S)")


@dataclass(frozen=True)
class Source:
    path: Path
    """One sentence or line a line, tokens between white space."""
    words: int
    types: int
    real: int
    """How many of the words are as someone wrote them; the others are drawn from trigrams."""

    @property
    def facts(self) -> dict[str, int | str]:
        kind = "documentation on this machine"
        if self.real < self.words:
            kind += ", then text drawn from a trigram model of it"
        return {"words": self.words, "types": self.types, "real_words": self.real, "text": kind}


@dataclass(frozen=True)
class TokenSource:
    path: Path
    """Raw little-endian tokens of 16 bits, the boundary before the first line and after each."""
    tokens: int
    real: int
    """How many tokens are of text that someone wrote; the others are drawn from trigrams."""

    vocabulary_size: ClassVar[int] = 1 << 16
    boundary: ClassVar[int] = Whitespace.boundary

    @property
    def facts(self) -> dict[str, int | str]:
        kind = "words of documentation on this machine"
        if self.real < self.tokens:
            kind += ", then words drawn from a trigram model of it"
        kind += f"; the {OWN:,} most frequent have tokens of their own, the others share by hash"
        return {"tokens": self.tokens, "real_tokens": self.real, "text": kind}


@cache
def tokens_of(count: int) -> TokenSource:
    """So many tokens of 16 bits, boundaries included; kept in the temporary folder."""
    folder = Path(tempfile.gettempdir()) / "foretell-benchmark-text"
    folder.mkdir(exist_ok=True)
    path = folder / f"{count}.tokens.bin"
    data, _ = _real(count)
    vocabulary, stream = learn_lines(np.frombuffer(data, np.uint8), skip_reserved=True)
    narrow = _narrow(stream, vocabulary.vocabulary_size)[:count].copy()
    real = len(narrow)
    if real < count:
        say(f"{real:,} tokens found; drawing {count - real:,} more from their trigrams")
        # Drawn in narrow tokens, so that no more words are needed than there is room for.
        size = TokenSource.vocabulary_size
        drawn = draw(narrow.astype(np.int32), count - real, size, seed=1)
        narrow = np.concatenate([narrow, drawn[: count - real].astype(np.uint16)])
    narrow[-1] = TokenSource.boundary
    narrow.astype("<u2").tofile(path)
    return TokenSource(path, len(narrow), real)


def _narrow(stream: NDArray[np.int32], size: int) -> NDArray[np.uint16]:
    """Tokens (S,) of `size` words as tokens of 16 bits: 0 and the boundary as they are, then the
    most frequent words by rank; the rest share what is left by a multiplicative hash."""
    counts = np.bincount(stream, minlength=size)
    counts[:FIRST_WORD] = 0
    ranked = np.argsort(-counts[FIRST_WORD:], kind="stable") + FIRST_WORD
    numbers = np.arange(size, dtype=np.int64)
    numbers[ranked] = np.arange(FIRST_WORD, size)
    shared = TokenSource.vocabulary_size - FIRST_WORD - OWN
    hashed = (numbers * 2654435761 % 2**32) % shared + FIRST_WORD + OWN
    return np.where(numbers < FIRST_WORD + OWN, numbers, hashed).astype(np.uint16)[stream]


@cache
def text_of(words: int) -> Source:
    """A file of about so many words, kept in the temporary folder until the machine forgets it."""
    folder = Path(tempfile.gettempdir()) / "foretell-benchmark-text"
    folder.mkdir(exist_ok=True)
    path = folder / f"{words}.txt"
    data, real = _real(words)
    vocabulary, stream = learn_lines(np.frombuffer(data, np.uint8), skip_reserved=True)
    if real < words:
        say(f"{real:,} words found; drawing {words - real:,} more from their trigrams")
        drawn = draw(stream, words - real, vocabulary.vocabulary_size, seed=1)
        stream = np.concatenate([stream, drawn])
    _write(path, vocabulary, stream)
    total = int(np.count_nonzero(stream != Whitespace.boundary))
    return Source(path, total, vocabulary.vocabulary_size, min(real, total))


def _real(words: int) -> tuple[bytes, int]:
    """Lines of the documentation at hand, each line once, up to so many words; and how many."""
    seen: set[int] = set()
    lines: list[bytes] = []
    count = 0
    for line in _lines():
        key = hash(line)
        if key in seen:
            continue
        seen.add(key)
        lines.append(line)
        count += line.count(b" ") + 1
        if count >= words:
            break
    return b"\n".join(lines) + b"\n", count


def _lines() -> Iterator[bytes]:
    for document in builtin_documents():
        yield from clean_lines(document.text.encode())
    data = find_folder("FORETELL_DATA", "data")
    roots = [*([data] if data else []), *(Path(folder) for folder in FOLDERS)]
    for root in roots:
        for path in sorted(root.rglob("*")):
            inner = path.with_suffix("") if path.suffix == ".gz" else path
            if not path.is_file() or inner.suffix not in SUFFIXES + ((".tsv",) if data else ()):
                continue
            try:
                with open(path, "rb") as raw:
                    text = (gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw).read(
                        MOST_OF_A_FILE
                    )
            except OSError:
                continue
            yield from clean_lines(text)


def clean_lines(text: bytes) -> Iterator[bytes]:
    """Lines of three words and more, without tags, entities and reserved words."""
    text = unescape(TAG.sub(b" ", text).decode("utf-8", "replace")).encode("utf-8", "replace")
    for line in RESERVED.sub(b" ", text).splitlines():
        words = line.split()
        if len(words) >= 3:
            yield b" ".join(words)


def draw(stream: NDArray[np.int32], words: int, size: int, *, seed: int) -> NDArray[np.int32]:
    """Tokens drawn from the trigrams of a stream, with its boundaries, until there are enough."""
    boundary = Whitespace.boundary
    found = sort_to_depth(stream, depth=2, vocabulary_size=size, boundary=boundary)
    out = np.empty(words * 2, np.int32)
    made = _draw(
        stream, *found, words, boundary, np.random.default_rng(seed).bit_generator.random_raw(), out
    )
    return out[:made]


@njit
def _draw(stream, places, shared, reach, words, boundary, seed, out):  # type: ignore[no-untyped-def]
    size = len(places)
    low, high = np.empty(size, np.int32), np.empty(size, np.int32)
    first = 0
    for k in range(1, size + 1):
        if k == size or shared[k] < 2:
            for j in range(first, k):
                low[places[j]], high[places[j]] = first, k
            first = k
    begins = np.flatnonzero(stream[:-1] == boundary)
    state = np.uint64(seed | 1)
    made, count, place = 0, 0, 0
    at_start = True
    while count < words and made + 2 < len(out):
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        pick = state >> np.uint64(11)
        if at_start:
            place = begins[pick % np.uint64(len(begins))]
            token = stream[place + 1]
            at_start = False
        else:
            # Any place with the same two tokens; what follows it there follows here.
            span = np.uint64(high[place] - low[place])
            place = places[low[place] + np.int64(pick % span)] + 1
            if place + 1 >= len(stream):
                at_start = True
                continue
            token = stream[place + 1]
        out[made] = token
        made += 1
        if token == boundary:
            at_start = True
        else:
            count += 1
    out[made] = boundary
    return made + 1


def _write(path: Path, vocabulary: Whitespace, stream: NDArray[np.int32]) -> None:
    words = np.array([b"", b"\n", *list(vocabulary.words())[2:]], object)
    draft = path.with_suffix(".draft")
    with open(draft, "wb") as file:
        for start in range(1, len(stream), 1 << 20):
            piece = stream[start : start + (1 << 20)]
            file.write(b" ".join(words[piece].tolist()) + b" ")
    draft.replace(path)
