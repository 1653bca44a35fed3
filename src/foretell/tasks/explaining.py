"""Which words decided, for any predictor: those without which it would be less sure."""

from __future__ import annotations

from math import log

from foretell.contracts.predictor import Explaining, LabelPredictor
from foretell.corpus.pairs import MARK
from foretell.tasks.examples.words import split

LEAST = 1e-12
"""Probability below which nobody is more sure."""


def explain(predictor: LabelPredictor, text: str) -> list[tuple[str, float]]:
    """The words of a text, each with what it says for the answer against the next likely label, in
    nats: as the predictor itself counts it, or else by how much the difference of the two falls
    when the word is left out (Li et al. 2016)."""
    if isinstance(predictor, Explaining) and MARK not in text:
        return predictor.explain(text)
    words = split(text)
    without = ["".join(words[:place] + words[place + 1 :]) for place in range(len(words))]
    whole, *rest = [answer.probabilities for answer in predictor.predict([text, *without])]
    best, second = sorted(whole, key=lambda label: -whole[label])[:2]

    def apart(shares: dict[str, float]) -> float:
        return log(max(shares[best], LEAST)) - log(max(shares[second], LEAST))

    return [
        (word.strip(), apart(dict(whole)) - apart(dict(shares)))
        for word, shares in zip(words, rest, strict=True)
        if word != MARK
    ]
