"""How good written texts are, by the measures of the field, in percent, with intervals over texts.

    bleu     n-grams of a translation that the reference has (Papineni et al. 2002, by sacrebleu)
    rouge    words of a summary that the best of the references has in this order (Lin 2004)
    f1       words of an answer that an answer known to be right has (Rajpurkar et al. 2016)

Words of Chinese are its characters. BLEU is of all texts together, so it is resampled; the others
are means over texts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import MissingExtra
from foretell.evaluation.intervals import paired_difference, ratio_interval
from foretell.evaluation.results import Interval
from foretell.tasks.examples.words import Gold, Words, mostly_han
from foretell.tasks.measures.labels import RESAMPLES

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TextMeasures:
    """Of texts beside those that are known to be right."""

    texts: int
    name: str
    """Of the measure by which choices are made."""
    score: Interval
    others: dict[str, float]
    signature: str
    """All that decides the figures, in the notation of sacrebleu."""


class Scale:
    """One way to hold texts against others. Rows of figures (N, K), a row a text."""

    names: tuple[str, ...]
    """Of what it measures; choices are made by the first."""
    signature: str

    @abstractmethod
    def rows(self, gold: Gold, said: Sequence[str]) -> Floats: ...

    @abstractmethod
    def measure(self, gold: Gold, said: Sequence[str], rows: Floats) -> TextMeasures:
        """rows: as `rows` gave them, of two texts or more."""

    @abstractmethod
    def difference(self, rows: Floats, others: Floats) -> Interval:
        """Of the first minus the other, over the same texts."""


class Bleu(Scale):
    """Rows: n-grams that are right, n-grams said (4 each), length, length of the reference."""

    names = ("BLEU", "chrF")

    def __init__(self, gold: Gold) -> None:
        """gold: texts of the language, which decides what a word is."""
        sacrebleu = _library("sacrebleu.metrics")
        tokenize = "zh" if mostly_han(gold) else "13a"
        self._bleu = sacrebleu.BLEU(tokenize=tokenize)
        self._single = sacrebleu.BLEU(tokenize=tokenize, effective_order=True)
        self._chrf = sacrebleu.CHRF()
        self.signature = ""

    def rows(self, gold: Gold, said: Sequence[str]) -> Floats:
        found = [
            self._single.sentence_score(text, list(right))
            for text, right in zip(said, gold, strict=True)
        ]
        rows = [[*each.counts, *each.totals, each.sys_len, each.ref_len] for each in found]
        return np.array(rows, np.float64)

    def measure(self, gold: Gold, said: Sequence[str], rows: Floats) -> TextMeasures:
        most = max(map(len, gold))
        sides = [[right[min(n, len(right) - 1)] for right in gold] for n in range(most)]
        chrf = self._chrf.corpus_score(list(said), sides)
        value = float(self._bleu.corpus_score(list(said), sides).score)
        low, high = np.quantile(self._resampled(rows), [0.025, 0.975])
        signatures = self._bleu.get_signature(), self._chrf.get_signature()
        return TextMeasures(
            len(said),
            self.names[0],
            Interval(value, float(low), float(high)),
            {self.names[1]: float(chrf.score)},
            "; ".join(map(str, signatures)),
        )

    def difference(self, rows: Floats, others: Floats) -> Interval:
        apart = self._resampled(rows) - self._resampled(others)
        low, high = np.quantile(apart, [0.025, 0.975])
        value = self._value(rows.sum(0)) - self._value(others.sum(0))
        return Interval(value, float(low), float(high))

    def _resampled(self, rows: Floats) -> Floats:
        """The same draws for rows of the same texts (Koehn 2004)."""
        chance, found = np.random.default_rng(0), []
        for _ in range(RESAMPLES):
            found.append(self._value(rows[chance.integers(0, len(rows), len(rows))].sum(0)))
        return np.array(found)

    def _value(self, sums: Floats) -> float:
        right, said = sums[:4].tolist(), sums[4:8].tolist()
        lengths = [int(length) for length in sums[8:]]
        found = self._bleu.compute_bleu(right, said, *lengths, smooth_method="exp")
        return float(found.score)


class Means(Scale):
    """A figure or several a text, whose means are told; the first decides."""

    def measure(self, gold: Gold, said: Sequence[str], rows: Floats) -> TextMeasures:
        others = dict(zip(self.names[1:], rows.mean(0).tolist()[1:], strict=True))
        found = ratio_interval(rows[:, 0], np.ones(len(rows)))
        return TextMeasures(len(rows), self.names[0], found, others, self.signature)

    def difference(self, rows: Floats, others: Floats) -> Interval:
        return paired_difference(rows[:, 0], others[:, 0], np.ones(len(rows))).interval


class Rouge(Means):
    names = ("ROUGE-L", "ROUGE-1", "ROUGE-2")
    kinds = ("rougeL", "rouge1", "rouge2")

    def __init__(self, gold: Gold) -> None:
        rouge = _library("rouge_score.rouge_scorer")
        self._scorer = rouge.RougeScorer(self.kinds, tokenizer=Words())
        self.signature = "f-measure|best of references|no stemming|rouge_score"

    def rows(self, gold: Gold, said: Sequence[str]) -> Floats:
        found = []
        for text, right in zip(said, gold, strict=True):
            each = [self._scorer.score(one, text) for one in right]
            found.append([max(score[k].fmeasure for score in each) for k in self.kinds])
        return 100 * np.array(found, np.float64)


class F1(Means):
    names = ("F1", "exact match")
    signature = "best of references|no articles|no punctuation|lower case"

    def __init__(self, gold: Gold) -> None:
        """gold: not needed, as words tell themselves."""

    def rows(self, gold: Gold, said: Sequence[str]) -> Floats:
        words = Words(drop=frozenset({"a", "an", "the"}))
        found = []
        for text, right in zip(said, gold, strict=True):
            have = words.tokenize(text)
            each = [(have, words.tokenize(one)) for one in right]
            exact = float(any(one == other for one, other in each))
            found.append([max(_overlap(*pair) for pair in each), exact])
        return 100 * np.array(found, np.float64)

    def measure(self, gold: Gold, said: Sequence[str], rows: Floats) -> TextMeasures:
        """Where some have no answer, also of each kind alone (Rajpurkar et al. 2018)."""
        found = super().measure(gold, said, rows)
        answered = np.array([any(right) for right in gold])
        if answered.all() or not answered.any():
            return found
        apart = {
            "F1 of those with an answer": float(rows[answered, 0].mean()),
            "of those without": float(rows[~answered, 0].mean()),
        }
        return replace(found, others={**found.others, **apart})


def _overlap(said: list[str], right: list[str]) -> float:
    """Harmonic mean of precision and recall."""
    both = sum((Counter(said) & Counter(right)).values())
    if not said or not right:
        return float(said == right)
    return 2 * both / (len(said) + len(right))


def _library(name: str) -> Any:
    from importlib import import_module

    whole = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as problem:
        if str(problem.name).partition(".")[0] != whole:
            raise
        raise MissingExtra(f'{whole} measures texts: pip install "foretell[tasks]"') from None


SCALES: dict[str, Callable[[Gold], Scale]] = {"bleu": Bleu, "rouge": Rouge, "f1": F1}
