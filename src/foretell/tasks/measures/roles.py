"""How good the roles of predicates are, with intervals over sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.evaluation.results import Interval
from foretell.tasks.examples.frames import Frame, Sentence
from foretell.tasks.examples.spans import Span
from foretell.tasks.measures.tags import f1_interval


@dataclass(frozen=True)
class RoleMeasures:
    """Of frames, against those that are known. An argument is right if its predicate, edges and
    role are."""

    sentences: int
    f1: Interval
    precision: float
    recall: float
    sense_accuracy: float | None
    """Of predicates that are right; None where senses are not known."""
    names: dict[str, tuple[int, int, int]]
    """Right, said and there, of each role."""


@dataclass(frozen=True)
class BothMeasures:
    """With the predicates that stand there, and with those that were found."""

    given: RoleMeasures
    found: RoleMeasures


def measure_roles(gold: Sequence[Sentence], answers: Sequence[Sequence[Frame]]) -> RoleMeasures:
    """gold: in the order of the answers; at least two."""
    rows, senses = [], []
    names: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for sentence, frames in zip(gold, answers, strict=True):
        there, said = _arguments(sentence.frames), _arguments(frames)
        sets = (there & said, said, there)
        rows.append([len(each) for each in sets])
        for place, each in enumerate(sets):
            for _, span in each:
                names[span.name][place] += 1
        known = {frame.word: frame.sense for frame in sentence.frames if frame.sense}
        senses += [known[f.word] == f.sense for f in frames if f.word in known]
    counts = np.array(rows, np.float64)
    right, said_all, there_all = counts.sum(0).tolist()
    return RoleMeasures(
        sentences=len(gold),
        f1=f1_interval(counts),
        precision=right / max(1, said_all),
        recall=right / max(1, there_all),
        sense_accuracy=sum(senses) / len(senses) if senses else None,
        names={name: (n[0], n[1], n[2]) for name, n in sorted(names.items())},
    )


def measure_both(
    gold: Sequence[Sentence], given: Sequence[Sequence[Frame]], found: Sequence[Sequence[Frame]]
) -> BothMeasures:
    return BothMeasures(measure_roles(gold, given), measure_roles(gold, found))


def all_right(gold: Sequence[Sentence], answers: Sequence[Sequence[Frame]]) -> NDArray[np.float64]:
    """(N,) 1 for each sentence all of whose arguments are."""
    return np.array(
        [
            float(_arguments(sentence.frames) == _arguments(frames))
            for sentence, frames in zip(gold, answers, strict=True)
        ]
    )


def _arguments(frames: Iterable[Frame]) -> set[tuple[int, Span]]:
    return {(frame.word, span) for frame in frames for span in frame.args}
