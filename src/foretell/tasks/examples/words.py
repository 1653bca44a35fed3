"""Texts as words: what applications read.

split("What a film!")    ["What", " a", " film", "!"]
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from foretell.corpus.pairs import MARK

Codes: TypeAlias = NDArray[np.uint64]
Gold = Sequence[tuple[str, ...]]
"""Of each text, those that are right."""
BLANK, LETTER, ALONE = range(3)
"""What a character is to words."""
_IDEOGRAPHS = ((0x2E80, 0xA4CF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Of scripts that are written without blanks, kana too; each stands for a word."""
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
MOSTLY = 0.3
"""Share of Han characters from which a text is read by characters."""


def split(text: str) -> list[str]:
    """Runs of letters and digits, single marks, single ideographs; white space, folded to one
    blank, belongs to the word after it. Joined they are the text again, at its edges stripped. Of
    two texts the mark between is a word."""
    if MARK in text:
        first, _, second = text.partition(MARK)
        return [*split(first), MARK, *split(second)]
    line = " ".join(text.split())
    if not line:
        return []
    starts = word_starts(line).tolist()
    parts = [line[a:b] for a, b in zip(starts, [*starts[1:], len(line)], strict=True)]
    words: list[str] = []
    blank = ""
    for part in parts:
        words.append(blank + part.rstrip(" "))
        blank = " " if part.endswith(" ") else ""
    return words


def word_starts(line: str) -> NDArray[np.int64]:
    """Where in a line its words begin, (W,)."""
    codes = np.array([ord(letter) for letter in line], np.uint64)
    return find_words(kinds_of(codes), np.zeros(len(codes), np.int64))


def find_words(kinds: NDArray[np.int8], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where words begin, (W,), in characters (N,) of these kinds, of lines (N,) with these
    numbers."""
    joined = np.zeros(len(kinds), bool)
    joined[1:] = (kinds[1:] == LETTER) & (kinds[:-1] == LETTER) & (rows[1:] == rows[:-1])
    return np.flatnonzero((kinds != BLANK) & ~joined)


def kinds_of(codes: Codes) -> NDArray[np.int8]:
    """What each character is to words."""
    different, places = np.unique(codes, return_inverse=True)
    kinds = np.array([_kind(chr(code)) for code in different.tolist()], np.int8)
    return kinds[places]


def _kind(letter: str) -> int:
    if letter.isspace():
        return BLANK
    ideograph = any(low <= ord(letter) <= high for low, high in _IDEOGRAPHS)
    return LETTER if unicodedata.category(letter)[0] in "LNM" and not ideograph else ALONE


class Words(NamedTuple):
    """Words of letters and digits in lower case, and single Han characters."""

    drop: frozenset[str] = frozenset()

    def tokenize(self, text: str) -> list[str]:
        text = unicodedata.normalize("NFKC", text).lower()
        text = HAN.sub(r" \g<0> ", text)
        text = "".join(" " if x in PUNCTUATION else x for x in text)
        return [word for word in text.split() if word not in self.drop]


PUNCTUATION = frozenset(string.punctuation + "、。，．・：；？！…—～（）《》〈〉「」『』【】“”‘’·")


def mostly_han(gold: Gold) -> bool:
    """True if words are to be told apart by characters."""
    whole = "".join(one for right in gold[:1000] for one in right)
    return len(HAN.findall(whole)) > MOSTLY * max(1, len(whole))
