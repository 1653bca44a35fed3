"""Which n-grams stand in texts, as 64-bit hashes: of words 1 to 3, of characters 2 to 5.

    ^ What a film ! $       words are runs of letters and digits, single marks, single ideographs
      Wh ha at t_ _a ...    characters, small letters, white space folded to one blank

All texts at once, in arrays. The edges ^ and $ count as words. Two n-grams with one hash are taken
for one, which among a million happens once in ten million times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh64_intdigest

from foretell.corpus.pairs import MARK, Pair
from foretell.tasks.examples.words import BLANK, find_words, kinds_of

WORDS, CHARACTERS = 3, 5
"""The longest n-grams."""
SHARES = 10
"""Steps of how much of one text stands in the other."""
CROSSED = 24
"""Words of each of two texts that are set beside those of the other, at most."""
FACTS = "\x1d"
"""Group separator: behind what is known of a text beside its words."""
BEGIN, END = "\x02", "\x03"
_BOTH = 2
_PRIME = np.uint64(0x100000001B3)
_INVERSE = np.uint64(pow(int(_PRIME), -1, 2**64))
Hashes: TypeAlias = NDArray[np.uint64]
_Found: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], Hashes]


class Spans(NamedTuple):
    """The n-grams of one text."""

    line: str
    """The text as it was read: small letters, white space folded, edges before and after."""
    starts: NDArray[np.int64]
    """(M,) where in the line each begins."""
    ends: NDArray[np.int64]
    """(M,) before which character it ends."""
    hashes: Hashes
    """(M,)"""


def ngrams(texts: Sequence[str]) -> tuple[NDArray[np.int64], Hashes]:
    """(M,) the number of a text, and (M,) the hash of an n-gram in it; once for every time that
    it stands there. Of a `Pair`, once an n-gram: what stands in both is told from what stands in
    the first alone, or in the second, and how much of each does; and each word of the first alone
    stands with each of the second."""
    if any(FACTS in text for text in texts):
        return _with_facts(texts)
    if any(MARK in text for text in texts):
        return _of_pairs(texts)
    lines = [_line(text) for text in texts]
    rows = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    starts, _, hashes = _find(lines, rows)
    return rows[starts], hashes


def _with_facts(texts: Sequence[str]) -> tuple[NDArray[np.int64], Hashes]:
    """`a b c FACTS text`: each of a, b and c is there beside what the text holds, as it is."""
    numbers, hashes = [], []
    rest = []
    for number, text in enumerate(texts):
        facts, _, after = text.rpartition(FACTS)
        rest.append(after)
        for fact in facts.split():
            numbers.append(number)
            hashes.append(xxh64_intdigest(fact))
    of_rest, in_rest = ngrams(rest)
    return (
        np.concatenate([np.array(numbers, np.int64), of_rest]),
        np.concatenate([np.array(hashes, np.uint64), in_rest]),
    )


def _of_pairs(texts: Sequence[str]) -> tuple[NDArray[np.int64], Hashes]:
    numbers, hashes = ngrams([part for text in texts for part in Pair.of(text)])
    order = np.lexsort((numbers, hashes))
    numbers, hashes = numbers[order], hashes[order]
    fresh = np.ones(len(hashes), bool)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (numbers[1:] != numbers[:-1])
    numbers, hashes = numbers[fresh], hashes[fresh]
    # The two texts of a pair have neighbouring numbers, so they meet in the order.
    texts_of = numbers // 2
    twin = np.zeros(len(hashes) + 1, bool)
    twin[1:-1] = (hashes[1:] == hashes[:-1]) & (texts_of[1:] == texts_of[:-1])
    sides = np.where(twin[1:], _BOTH, numbers % 2)
    kept = ~twin[:-1]
    salts = np.array([_mix(np.array([salt], np.uint64), 128)[0] for salt in range(3)])
    alike_in, alike = _shares(texts_of[kept], sides[kept], len(texts))
    crossed_in, crossed = _crossed(texts)
    return (
        np.concatenate([texts_of[kept], alike_in, crossed_in]),
        np.concatenate([_mix(hashes[kept] ^ salts[sides[kept]], 129), alike, crossed]),
    )


def _crossed(texts: Sequence[str]) -> tuple[NDArray[np.int64], Hashes]:
    """Each word of the first text with each of the second, but for those that stand in both
    (Bowman et al. 2015); of CROSSED words at most, drawn by their hashes."""
    lines = [_line(part) for text in texts for part in Pair.of(text)]
    rows = np.repeat(np.arange(len(lines)), [len(line) for line in lines])
    spelled = "".join(lines).encode("utf-32-le", "surrogatepass")
    starts, _, words = next(_of_words(np.frombuffer(spelled, np.uint32).astype(np.uint64), rows))
    ends = np.searchsorted(rows[starts], np.arange(1, len(lines)))
    sides = [np.unique(side) for side in np.split(words, ends)]
    numbers, hashes = [], []
    for number, (first, second) in enumerate(zip(sides[::2], sides[1::2], strict=True)):
        alone = (
            np.setdiff1d(one, other)[:CROSSED] for one, other in ((first, second), (second, first))
        )
        of_first, of_second = (_mix(each, 131 + side) for side, each in enumerate(alone))
        hashes.append(_mix((of_first[:, None] ^ of_second).ravel(), 133))
        numbers.append(np.full(len(hashes[-1]), number))
    return np.concatenate(numbers), np.concatenate(hashes)


def _shares(
    texts_of: NDArray[np.int64], sides: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], Hashes]:
    """How much of the first text stands in the second, and of the second in the first: for each
    tenth that is reached, something that stands in the pair as an n-gram does."""
    totals = np.bincount(texts_of * 3 + sides, minlength=3 * count).reshape(count, 3)
    both = totals[:, _BOTH, None]
    tenths = (SHARES * both / np.maximum(1, totals[:, :_BOTH] + both)).astype(np.int64)
    reached = np.arange(1, SHARES + 1) <= tenths[:, :, None]
    pairs, first_or_second, tenth = np.nonzero(reached)
    return pairs, _mix((first_or_second * (SHARES + 1) + tenth).astype(np.uint64), 130)


def spans(text: str) -> Spans:
    """The n-grams of a text with their places, in the order in which `ngrams` has them."""
    line = _line(text)
    return Spans(line, *_find([line], np.zeros(len(line), np.int64)))


def _line(text: str) -> str:
    return f"{BEGIN} {' '.join(text.lower().split())} {END}"


def _find(lines: Sequence[str], rows: NDArray[np.int64]) -> _Found:
    """Starts, ends and hashes in lines that stand one after another; rows: each character's."""
    spelled = "".join(lines).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(spelled, np.uint32).astype(np.uint64)
    parts = [*_of_words(codes, rows), *_of_characters(codes, rows)]
    starts, ends, hashes = zip(*parts, strict=True)
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(hashes)


def _of_characters(codes: Hashes, rows: NDArray[np.int64]) -> Iterator[_Found]:
    hashes = codes + np.uint64(1)
    for length in range(2, CHARACTERS + 1):
        hashes = hashes[:-1] * _PRIME + codes[length - 1 :]
        starts = np.flatnonzero(rows[: len(hashes)] == rows[length - 1 :])
        yield starts, starts + length, _mix(hashes[starts], length)


def _of_words(codes: Hashes, rows: NDArray[np.int64]) -> Iterator[_Found]:
    kinds = kinds_of(codes)
    starts = find_words(kinds, rows)
    ends = np.append(starts[1:], len(codes))
    # Blanks count for nothing, so a word may as well reach to the next.
    powers = np.cumprod(np.full(len(codes), _PRIME))
    worth = np.where(kinds == BLANK, np.uint64(0), codes) * powers
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(worth)])
    back = np.cumprod(np.full(len(codes), _INVERSE))
    words = _mix((sums[ends] - sums[starts]) * back[starts], 0)
    lines, hashes = rows[starts], words
    for length in range(1, WORDS + 1):
        if length > 1:
            hashes = hashes[:-1] * _PRIME + words[length - 1 :]
        inside = np.flatnonzero(lines[: len(hashes)] == lines[length - 1 :])
        yield starts[inside], ends[inside + length - 1], _mix(hashes[inside], 64 + length)


def _mix(hashes: Hashes, salt: int) -> Hashes:
    """Every bit of the outcome depends on all (splitmix64; Steele et al. 2014)."""
    x = hashes + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = x ^ (x >> np.uint64(31))
    return mixed
