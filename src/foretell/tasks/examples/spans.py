"""Spans of words as tags of words: B-name where one begins, I-name inside it, O elsewhere.

["O", "B-city", "I-city"]    <->    [Span(1, 3, "city")]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OUTSIDE, BEGIN, INSIDE = "O", "B-", "I-"
NEVER = -1e9
"""In place of a log-probability."""
Floats = NDArray[np.float64]


class Span(NamedTuple):
    start: int
    """Number of its first word."""
    end: int
    """Number of the word after it."""
    name: str


def spans_of(tags: Sequence[str]) -> list[Span]:
    """A tag that goes on with what did not begin begins it, as in the CoNLL evaluation."""
    found: list[Span] = []
    start, name = 0, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        goes_on = tag == INSIDE + name and bool(name)
        if name and not goes_on:
            found.append(Span(start, place, name))
            name = ""
        if not goes_on and tag != OUTSIDE:
            start, name = place, tag[len(BEGIN) :]
    return found


def tags_of(spans: Iterable[Span], words: int) -> list[str]:
    """Raises ValueError for a span outside the words, or two that overlap."""
    tags = [OUTSIDE] * words
    for span in spans:
        if not 0 <= span.start < span.end <= words:
            raise ValueError(f"{span.start} to {span.end} is outside of {words} words")
        if any(tag != OUTSIDE for tag in tags[span.start : span.end]):
            raise ValueError(f"{span.start} to {span.end} overlaps another one")
        tags[span.start : span.end] = [INSIDE + span.name] * (span.end - span.start)
        tags[span.start] = BEGIN + span.name
    return tags


def allowed(tags: Sequence[str]) -> NDArray[np.bool_]:
    """(K + 1, K): whether a tag may follow one, and, last, begin a text."""
    begins = np.array([not tag.startswith(INSIDE) for tag in tags])
    name = [tag[len(BEGIN) :] if tag != OUTSIDE else "" for tag in tags]
    goes_on = np.array([[bool(one) and one == other for other in name] for one in name])
    return np.concatenate([goes_on | begins, begins[None]])


def decode(logprobs: Floats, may: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The likeliest tags (T,) that may follow each other. logprobs: (T, K); may: of `allowed`."""
    steps = np.where(may, 0.0, NEVER)
    best = logprobs[0] + steps[-1]
    back = np.zeros(logprobs.shape, np.int64)
    for place in range(1, len(logprobs)):
        ways = best[:, None] + steps[:-1]
        back[place] = ways.argmax(0)
        best = ways.max(0) + logprobs[place]
    tags = np.zeros(len(logprobs), np.int64)
    tags[-1] = best.argmax()
    for place in range(len(logprobs) - 1, 0, -1):
        tags[place - 1] = back[place, tags[place]]
    return tags


class Matches(NamedTuple):
    """Of the spans of a text; they add up."""

    right: int
    said: int
    there: int

    @staticmethod
    def of(gold: Iterable[Span], said: Iterable[Span]) -> Matches:
        gold, said = set(gold), set(said)
        return Matches(len(gold & said), len(said), len(gold))


def f1(matches: Sequence[Matches]) -> float:
    """Harmonic mean of precision and recall, of all texts together; 0 if there is no span."""
    right, said, there = np.array(matches).sum(0) if matches else (0, 0, 0)
    return float(2 * right / max(1, said + there))
