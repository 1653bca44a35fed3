"""Where answers stand in passages, for networks that learn to point there (`networks.pointing`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from foretell.corpus.pairs import MARK, Pair
from foretell.tasks.examples.texts import TextExample
from foretell.tasks.examples.units import units_of, words_of
from foretell.tasks.options import TeachOptions
from foretell.tasks.teaching import Begin, Data, Taught, teach_networks

MOST_WORDS = 80
"""Of a span that a network may point to; Chinese characters where they are words."""
NEARLY, LEAST = 0.95, 0.5
"""Share of the F1 of a passage's best span from which on a span is right, and the least F1."""
MOST_STAND = 0.5
"""Share of the examples whose answers stand in their passages from which on networks point."""
NOTHING = (-1, -1)
"""Where an answer of nothing stands."""
MOST_HAVE = 0.99
"""Share of the answers that are as short as what a network may point to."""


class Pointed(NamedTuple):
    """An example with where its answers stand, as `PointingNetwork.prepare` takes it."""

    question: str
    passage: str
    spans: list[tuple[int, int]]
    """First and last word."""


def pointed(example: TextExample) -> Pointed:
    """No spans if its answers do not stand there."""
    question, passage = Pair.of(example.text)
    said = [unit.said for unit in units_of(passage)]
    if not any(example.targets):
        return Pointed(question, passage, [NOTHING])
    figures: dict[tuple[int, int], float] = {}
    for target in example.targets:
        for span, figure in _figures(said, [unit.said for unit in units_of(target)]):
            figures[span] = max(figure, figures.get(span, 0.0))
    best = max(figures.values(), default=0.0)
    if best < LEAST:
        return Pointed(question, passage, [])
    return Pointed(question, passage, [s for s, each in figures.items() if each >= NEARLY * best])


def _figures(
    words: Sequence[str], wanted: Sequence[str]
) -> Iterator[tuple[tuple[int, int], float]]:
    """Spans that begin and end with words that are wanted, with their F1 over words."""
    counts, places = Counter(wanted), [at for at, word in enumerate(words) if word in set(wanted)]
    for number, start in enumerate(places):
        left, right = counts.copy(), 0
        for end in places[number:]:
            if end - start >= MOST_WORDS:
                break
            if left[words[end]] > 0:
                left[words[end]] -= 1
                right += 1
                yield (start, end), 2 * right / (end - start + 1 + len(wanted))


def stand_there(examples: Sequence[TextExample]) -> bool:
    """Whether answers stand in their passages, mostly."""
    if not all(MARK in each.text for each in examples):
        return False
    return float(np.mean([bool(pointed(each).spans) for each in examples])) >= MOST_STAND


def learn(
    examples: Sequence[TextExample],
    dev: Sequence[TextExample],
    options: TeachOptions,
    work: Path,
    *,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Taught]:
    """Each kind of network that can be tried here, with a writer in place of the network."""
    known, kept = ([each for each in map(pointed, part) if each.spans] for part in (examples, dev))
    lengths = [last - first + 1 for each in known for first, last in each.spans[:1]]
    longest = int(np.quantile(lengths, MOST_HAVE, method="inverted_cdf"))
    words = ([unit.said for unit in words_of(text)] for each in known for text in each[:2])

    def make(encoder: Any, dropout: float) -> Any:
        from foretell.tasks.networks.pointing import PointingNetwork

        return PointingNetwork(encoder, longest, dropout=dropout)

    for taught in teach_networks(
        make, Data(known, kept or known, words), options, work, begin=begin, stop=stop
    ):
        from foretell.tasks.networks.pointing import NetworkPointer

        yield taught._replace(network=NetworkPointer(taught.network, taught.rung))
