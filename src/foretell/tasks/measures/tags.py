"""How good spans and labels are, with intervals over texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.evaluation.intervals import ratio_interval
from foretell.evaluation.results import Interval
from foretell.tasks.examples.spans import Matches
from foretell.tasks.examples.tagged import Names, Tagged, Tagging, strange_names
from foretell.tasks.measures.labels import chance_calibration, measure_calibration, share_interval


@dataclass(frozen=True)
class TagMeasures:
    """Of answers to texts whose spans and labels are known. A span is right if its edges and its
    name are."""

    texts: int
    f1: Interval
    """Harmonic mean of precision and recall, over all spans."""
    precision: float
    recall: float
    label_accuracy: Interval | None
    """None where texts have no labels."""
    calibration_error: Interval | None
    """Of the probability of the label, as `labels.expected_calibration`; None without labels."""
    span_calibration_error: Interval | None
    """Of the probability of a span that was found; None where none was."""
    chance_error: float
    """Of the labels, or without them of the spans, as of `LabelMeasures`."""
    exact: Interval
    """Share of the texts of which all is right."""
    names: dict[str, tuple[int, int, int]]
    """Right, said and there, of each name."""
    strange: int
    """Texts with a name that was not learned; such answers are wrong."""


def measure_tagging(
    gold: Sequence[Tagged], answers: Sequence[Tagging], names: Names
) -> TagMeasures:
    """gold: in the order of the answers; at least two. names: those that were learned."""
    pairs = list(zip(gold, answers, strict=True))
    matches = np.array([Matches.of(g.spans, a.spans) for g, a in pairs], np.float64)
    right, said, known = matches.sum(0).tolist()
    labels = np.array([a.label is None or a.label.value == g.label for g, a in pairs], np.float64)
    label_sure = np.array([a.label.probabilities[a.label.value] for a in answers if a.label])
    span_sure = np.array([sure for a in answers for sure in a.sure])
    there = np.array([float(span in g.spans) for g, a in pairs for span in a.spans])
    whole = np.array([set(g.spans) == set(a.spans) for g, a in pairs], np.float64) * labels
    by_name: dict[str, list[int]] = {}
    for g, a in pairs:
        both = set(g.spans) & set(a.spans)
        for place, spans in enumerate((both, set(a.spans), set(g.spans))):
            for span in spans:
                by_name.setdefault(span.name, [0, 0, 0])[place] += 1
    return TagMeasures(
        texts=len(pairs),
        f1=f1_interval(matches),
        precision=right / max(1, said),
        recall=right / max(1, known),
        label_accuracy=share_interval(labels) if answers[0].label is not None else None,
        calibration_error=measure_calibration(label_sure, labels) if label_sure.size else None,
        span_calibration_error=measure_calibration(span_sure, there) if span_sure.size else None,
        chance_error=chance_calibration(label_sure if label_sure.size else span_sure),
        exact=share_interval(whole),
        names={name: (n[0], n[1], n[2]) for name, n in sorted(by_name.items())},
        strange=sum(bool(strange_names(each, names)) for each in gold),
    )


def f1_interval(matches: NDArray[np.float64]) -> Interval:
    """Of (N, 3): right, said and there, of each text."""
    if not matches[:, 1:].any():
        return Interval(0.0, 0.0, 0.0)
    return ratio_interval(2 * matches[:, 0], matches[:, 1] + matches[:, 2])
