"""Trace a text to its sources: the passages of it that stand in the training data, longest first.

    text       w h o s e   b r o a d   s t r i p e s
    matches    |-------------------|
                       |-----------------------|         maximal: contained in no longer one
                                 |-----|                 left out

Finds exact repetition of tokens, not paraphrase; says that a passage stands in the training data,
not that it was taken from there.

Source: Liu et al. 2025, OLMoTrace, for maximal spans.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from foretell.audit.indexed import IndexedText, Source


@dataclass(frozen=True)
class Passage:
    """A part of the text that stands in the training data."""

    begin: int
    end: int
    """In bytes of the text's UTF-8; the space before a word may be a part of it."""
    tokens: int
    text: str
    count: int
    """How often it occurs there."""
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Trace:
    tokens: int
    """Of the whole text."""
    covered: int
    """Tokens that are in a passage."""
    passages: tuple[Passage, ...]


def trace(indexed: IndexedText, text: str, *, least: int = 8, most: int = 5) -> Trace:
    """The maximal passages of at least `least` tokens, with at most `most` sources each."""
    tokens, ends, lengths = indexed.match(text)
    begins = find_maximal(lengths, least)
    byte_edges = np.concatenate(([0], ends))
    data = text.encode("utf-8", "surrogatepass")
    passages = []
    for begin in sorted(begins.tolist(), key=lambda place: -int(lengths[place])):
        length = int(lengths[begin])
        count, sources = indexed.find(tokens[begin : begin + length], most=most)
        first, last = int(byte_edges[begin]), int(byte_edges[begin + length])
        passages.append(
            Passage(
                begin=first,
                end=last,
                tokens=length,
                text=data[first:last].decode("utf-8", "replace"),
                count=count,
                sources=tuple(sources),
            )
        )
    return Trace(len(tokens), count_covered(lengths, least), tuple(passages))


def find_maximal(lengths: NDArray[np.int32], least: int) -> NDArray[np.int64]:
    """Begins (M,) of the matches of at least `least` tokens that no longer one contains, from the
    longest match at each place (T,)."""
    # A match that ends no later than the one before it is the rest of that one.
    longer = lengths >= np.concatenate(([0], lengths[:-1]))
    return np.flatnonzero(longer & (lengths >= max(1, least)))


def count_covered(lengths: NDArray[np.int32], least: int) -> int:
    """Tokens that are in any match of at least `least`, from the longest at each place (T,)."""
    begins = find_maximal(lengths, least)
    if not len(begins):
        return 0
    ends = begins + lengths[begins]
    # Ends rise with begins, so each match covers up to the next one's begin, or its own end.
    total = sum(min(int(ends[k]), b) - a for k, (a, b) in enumerate(pairwise(begins.tolist())))
    return total + int(lengths[begins[-1]])
