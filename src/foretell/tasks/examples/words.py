"""Texts as words: what networks of applications read.

split("What a film!")    ["What", " a", " film", "!"]
"""

from __future__ import annotations

from foretell.corpus.pairs import MARK
from foretell.tasks.counts.ngram_features import word_starts


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
