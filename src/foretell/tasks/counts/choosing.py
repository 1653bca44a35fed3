"""Writers that choose a part of a text, by counts: what is told of each part is weighed as the
n-grams of a text are (`weighed_counts`), and the part that is most like good ones is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from foretell.tasks.counts import extracts, passages
from foretell.tasks.counts.weighed_counts import WeighedCounts
from foretell.tasks.counts.weighed_counts import learn as learn_counts
from foretell.tasks.examples.rows import Example
from foretell.tasks.examples.texts import Part, TextExample, Written
from foretell.tasks.measures.texts import Scale

GOOD, OTHER = "good", "other"


class Kind(NamedTuple):
    """What parts there are of a text, and which of them are learned from."""

    parts_of: Callable[[str], list[Part]]
    nearly: float
    """Share of the figure of a text's best part from which on a part is good."""
    clearly: float
    """And up to which it is not."""
    least: float
    """Percent that the best part has to have, for a text to be learned from."""
    most_good: int
    most_others: int


KINDS = {
    "extracts": Kind(extracts.parts_of, 0.95, 0.8, 0, most_good=5, most_others=15),
    "passages": Kind(passages.parts_of, 0.95, 0.7, 50, most_good=3, most_others=20),
}


@dataclass(frozen=True)
class Chooser:
    """A writer."""

    counts: WeighedCounts
    kind: str
    least: float = 0.0
    """Probability of the best part below which it is taken that there is none."""

    rung = "count"

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        found = []
        for text in texts:
            parts = KINDS[self.kind].parts_of(text)
            said = self.counts.predict([part.told for part in parts])
            good = np.array([each.probabilities[GOOD] for each in said])
            best = np.argsort(-good, kind="stable")[:alternatives]
            answers = [
                Written(parts[at].said, float(np.log(good[at])), parts[at].start) for at in best
            ]
            if not answers:
                answers = [Written("", None)]
            elif good[best[0]] < self.least:
                nothing = Written("", float(np.log1p(-good[best[0]])))
                answers = [nothing, *answers][:alternatives]
            found.append(answers)
        return found

    @property
    def facts(self) -> dict[str, Any]:
        return {"labels": [GOOD, OTHER], "kind": self.kind, "least": self.least}

    def save(self, folder: Path) -> None:
        self.counts.save(folder)


def learn(
    kind: str,
    examples: Sequence[TextExample],
    dev: Sequence[TextExample],
    scale: Scale,
    *,
    seed: int,
) -> Chooser | None:
    """From the parts of each text that the scale likes best, and others; None if texts have no such
    parts. seed: of which others."""
    chance = np.random.default_rng(seed)
    learned, kept = (_labelled(KINDS[kind], each, scale, chance) for each in (examples, dev))
    if any({example.label for example in each} != {GOOD, OTHER} for each in (learned, kept)):
        return None
    chooser = Chooser(learn_counts(learned, kept, (GOOD, OTHER))[0], kind)
    return replace(chooser, least=_least_sure(chooser, dev, scale))


def _least_sure(chooser: Chooser, dev: Sequence[TextExample], scale: Scale) -> float:
    """The probability from which on answers are worth giving; 0 where all have one."""
    if all(any(each.targets) for each in dev):
        return 0.0
    targets = [each.targets for each in dev]
    said = [answers[0] for answers in chooser.write([each.text for each in dev])]
    sure = np.array([1.0 if each.logprob is None else np.exp(each.logprob) for each in said])
    given = scale.rows(targets, [each.text for each in said])[:, 0]
    not_given = scale.rows(targets, [""] * len(said))[:, 0]
    order = np.argsort(sure, kind="stable")
    # By how much all together gain when the least sure ones, so many of them, are not given.
    gains = np.concatenate([[0.0], np.cumsum((not_given - given)[order])])
    left_out = int(gains.argmax())
    edges = np.concatenate([[0.0], sure[order], [1.0]])
    return float(edges[left_out : left_out + 2].mean()) if left_out else 0.0


def _labelled(
    kind: Kind, examples: Sequence[TextExample], scale: Scale, chance: np.random.Generator
) -> list[Example]:
    found = []
    for each in examples:
        parts = kind.parts_of(each.text)
        if not parts:
            continue
        figures = scale.rows([each.targets] * len(parts), [part.said for part in parts])[:, 0]
        most = figures.max()
        if most < kind.least and any(each.targets):
            continue
        for label, is_so, count in (
            (GOOD, (figures >= kind.nearly * most) & (most > 0), kind.most_good),
            (OTHER, (figures < kind.clearly * most) | (most == 0), kind.most_others),
        ):
            drawn = chance.permutation(np.flatnonzero(is_so))[:count]
            found += [Example(parts[at].told, label, each.place) for at in sorted(drawn)]
    return found


def load(folder: Path, facts: dict[str, Any]) -> Chooser:
    return Chooser(WeighedCounts.load(folder, facts), facts["kind"], facts["least"])
