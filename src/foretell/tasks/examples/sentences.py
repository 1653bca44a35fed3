"""Texts as sentences, and Chinese ones as clauses."""

from __future__ import annotations

import re

from foretell.tasks.examples.texts import one_text

_STOPS = "。！？!?；;"
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
# A full stop ends a Chinese sentence too, and an English one where a capital follows, but for that
# of a title, an initial, or an abbreviation that stands before names.
_TITLES = ("Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Sr", "Jr", "Hr", "Fr", "[A-Z]")
_ABBREVIATIONS = ("vs", "cf", "Fig", "Eq", "Sec", "bzw", "ca", "Nr")
_SHORT = "".join(rf"(?<!\b{each}\.)" for each in (*_TITLES, *_ABBREVIATIONS))
_SENTENCE = re.compile(
    rf"(?<=[{_STOPS}])|(?<=[{_HAN})）]\.)|(?<=\.)(?=[{_HAN}])|(?<=[.!?][\"”’)])\s+(?=[A-Z])"
    rf"|(?<=\.){_SHORT}\s+(?=[A-ZÀ-ÖØ-Þ\"“(\[])"
)
_CLAUSE = re.compile(rf"(?<=[{_STOPS},，:：])|(?<=[{_HAN})）]\.)")
MARKS = f"{_STOPS},，:：. "


def sentences(text: str) -> list[str]:
    """In order: cut at newlines, and behind what ends a sentence."""
    return _cut(_SENTENCE, one_text(text)) or [text.strip()]


def _cut(where: re.Pattern[str], text: str) -> list[str]:
    parts = (part.strip() for line in text.split("\n") for part in where.split(line))
    return [part for part in parts if part.strip(MARKS)]


def clauses_of(text: str) -> list[str]:
    """In order: cut behind commas too."""
    return _cut(_CLAUSE, one_text(text))
