"""Copies of documents, found before the split, so that none is learned from and scored too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.corpus import Document

THRESHOLD = 0.8
_WORDS = 3
_CHARACTERS = 5
_FEWEST_SHINGLES = 5
_PERMUTATIONS = 64
# Bands and rows of the hash table: a pair at the threshold is missed once in 5,000.
_BANDS = (16, 4)
_CANDIDATES = 8
_SLICE = 4096


@dataclass(frozen=True)
class Copies:
    kept: tuple[Document, ...]
    """In their order, the first of each group of copies."""
    set_aside: tuple[tuple[str, str], ...]
    """(name of a copy, name of the kept document it repeats)"""


def find_exact_copies(documents: Sequence[Document]) -> Copies:
    """Documents that differ in white space at most."""
    first: dict[bytes, str] = {}
    kept, set_aside = [], []
    for document in documents:
        folded = " ".join(document.text.split()).encode("utf-8", "surrogatepass")
        key = blake2b(folded, digest_size=16).digest()
        if key in first:
            set_aside.append((document.name, first[key]))
        else:
            first[key] = document.name
            kept.append(document)
    return Copies(tuple(kept), tuple(set_aside))


def find_copies(documents: Sequence[Document]) -> Copies:
    """Exact copies, and documents whose shingles have a Jaccard similarity of THRESHOLD or more.

    Shingles are runs of words in scripts with spaces, and runs of characters where most letters
    are Chinese or Japanese. Candidates come from a hash table (Broder 1997; Leskovec, Rajaraman
    and Ullman, Mining of Massive Datasets, 3.4) and are checked on the shingles themselves.

    Does not find a short text inside a long one: their union is too large. leaks.py counts those.
    Does not look for near copies of texts that are too short to have shingles enough.
    """
    exact = find_exact_copies(documents)
    if len(exact.kept) < 2:
        return exact

    from datasketch import LeanMinHash, MinHash, MinHashLSH

    seen = MinHashLSH(num_perm=_PERMUTATIONS, params=_BANDS)
    blank = MinHash(num_perm=_PERMUTATIONS, hashfunc=int)
    kept: list[Document] = []
    near: dict[str, str] = {}
    # Row i belongs to kept[i]; rows of documents too short to compare stay empty.
    sketches = np.zeros((len(exact.kept), _PERMUTATIONS), np.uint32)
    for document in exact.kept:
        shingles = _shingles(document.text)
        if len(shingles) >= _FEWEST_SHINGLES:
            sketch = blank.copy()
            for start in range(0, len(shingles), _SLICE):
                sketch.update_batch(shingles[start : start + _SLICE].tolist())
            values = sketch.hashvalues.astype(np.uint32)
            candidates = np.sort(np.array(seen.query(sketch), np.int64))
            original = _original(shingles, values, candidates, sketches, kept)
            if original is not None:
                near[document.name] = original.name
                continue
            sketches[len(kept)] = values
            seen.insert(len(kept), LeanMinHash(sketch), check_duplication=False)
        kept.append(document)
    # A copy of a document that turned out to be a near copy repeats that one's original.
    pairs = [(name, near.get(of, of)) for name, of in exact.set_aside]
    return Copies(tuple(kept), (*near.items(), *pairs))


def _original(
    shingles: NDArray[np.uint32],
    values: NDArray[np.uint32],
    candidates: NDArray[np.int64],
    sketches: NDArray[np.uint32],
    kept: list[Document],
) -> Document | None:
    """The first likely candidate that holds up; few are tried, as forms filled in are all alike."""
    alike = (sketches[candidates] == values).mean(axis=1)
    for index in np.argsort(-alike, kind="stable")[:_CANDIDATES]:
        original = kept[candidates[index]]
        theirs = _shingles(original.text)
        common = len(np.intersect1d(shingles, theirs, assume_unique=True))
        if common >= THRESHOLD * (len(shingles) + len(theirs) - common):
            return original
    return None


def _shingles(text: str) -> NDArray[np.uint32]:
    """Hashes (S,) of the text's distinct shingles, sorted; the same in every process."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    # Kana and Han stand above U+3040 and Hangul, which is written with spaces, above them.
    unspaced = ((points >= 0x3040) & (points < 0xAC00)) | (points >= 0x20000)
    words = re.findall(r"\w+", text.lower())
    # A Chinese character says about as much as half an English word; a run of them is one match.
    if unspaced.any() and 2 * int(unspaced.sum()) >= len(words):
        width = _CHARACTERS
        units = points[~_is_space(points)].astype(np.uint64)
    else:
        width = _WORDS
        hashes = {word: crc32(word.encode("utf-8", "surrogatepass")) for word in set(words)}
        units = np.fromiter(map(hashes.__getitem__, words), np.uint64, len(words))
    count = len(units) - width + 1
    if count < _FEWEST_SHINGLES:
        return np.zeros(0, np.uint32)
    mixed = np.zeros(count, np.uint64)
    for offset in range(width):
        mixed = (mixed ^ units[offset : offset + count]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return np.unique((mixed >> np.uint64(32)).astype(np.uint32))


def _is_space(points: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return (points <= 0x20) | (points == 0xA0) | (points == 0x3000)
