"""The floor of labelling: counts of n-grams in the texts of each label, and how far to trust each.

    score of a label = its share + sum over the n-grams of a text of w . ln odds
    odds = P(n-gram stands in a text | label) / P(it does | another label), from counts
    w, one number an n-gram: by descent, which naive Bayes has at one

With one weight for all it is the generative classifier of Bayes, which counts evidence twice where
n-grams overlap; learned weights take that back (as in Wang & Manning 2012, who learn one for each
n-gram and label). docs/decisions/tasks.md has what each does. Knows nothing of order beyond its
n-grams.

F n-grams, K labels, N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import log_softmax

from foretell.contracts.errors import DamagedModel
from foretell.contracts.predictor import Label
from foretell.tasks.counts.ngram_features import BEGIN, END, Hashes, ngrams, spans
from foretell.tasks.examples.rows import Example, refuse_unknown
from foretell.tasks.examples.words import word_starts
from foretell.tasks.measures.calibration import as_labels, fit_sureness

TEXTS_AT_ONCE = 2_000
MOST_NUMBERS = 2**23
"""F times K; beyond, n-grams that stand in few texts are left out, which lost nothing."""
PENALTIES = (1.0, 10.0, 100.0)
"""Of the squares of the weights; the one that does best on the dev part is taken."""
UPDATES = 60
NGRAMS, EVIDENCE = "ngrams.npy", "evidence.npy"
Floats = NDArray[np.float32]


class Penalty(NamedTuple):
    """One that was tried."""

    of_squares: float
    nats: float
    """A dev example."""
    accuracy: float
    """On the dev part."""


@dataclass(frozen=True)
class WeighedCounts:
    """See the module."""

    labels: tuple[str, ...]
    ngrams: Hashes
    """(F,) sorted."""
    evidence: Floats
    """(F, K) weighed, in nats."""
    shares: Floats
    """(K,) in nats."""

    rung = "count"

    @cached_property
    def _directory(self) -> Directory:
        return Directory(self.ngrams)

    @property
    def facts(self) -> dict[str, Any]:
        """What `load` needs is all in the files."""
        return {}

    def predict(self, texts: Sequence[str]) -> list[Label]:
        found: list[Label] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            rows = _rows(texts[start : start + TEXTS_AT_ONCE], self._directory)
            logprobs = log_softmax((rows @ self.evidence + self.shares).astype(np.float64), 1)
            found += as_labels(np.exp(logprobs), self.labels)
        return found

    def explain(self, text: str) -> list[tuple[str, float]]:
        """The words of a text, each with what it says for the answer against the next likely
        label, in nats; an n-gram's evidence is shared by its characters. Together with the
        difference of the labels' shares they add up to the difference of the two scores."""
        found = spans(text)
        places, there = self._directory.look_up(found.hashes)
        # As in `predict`: what stands twice counts once, at its first place.
        _, first = np.unique(places[there], return_index=True)
        at = np.flatnonzero(there)[first]
        scores = self.evidence[places[at]].sum(0) + self.shares
        second, best = np.argsort(scores)[-2:]
        says = self.evidence[places[at], best] - self.evidence[places[at], second]
        letters = np.zeros(len(found.line) + 1)
        sizes = found.ends[at] - found.starts[at]
        np.add.at(letters, found.starts[at], says / sizes)
        np.add.at(letters, found.ends[at], -says / sizes)
        letters = np.cumsum(letters)[:-1]
        starts = word_starts(found.line)
        parts = np.add.reduceat(letters, starts)
        ends = [*starts[1:], len(found.line)]
        words = [found.line[a:b].strip() for a, b in zip(starts, ends, strict=True)]
        edges = {BEGIN: "(begin)", END: "(end)"}
        return [(edges.get(word, word), float(n)) for word, n in zip(words, parts, strict=True)]

    def save(self, folder: Path) -> None:
        np.save(folder / NGRAMS, self.ngrams)
        np.save(folder / EVIDENCE, np.concatenate([self.evidence, self.shares[None]]))

    @staticmethod
    def load(folder: Path, facts: dict[str, Any]) -> WeighedCounts:
        """From a folder whose seal was checked. Raises DamagedModel."""
        try:
            labels = tuple(str(label) for label in facts["labels"])
            known = np.load(folder / NGRAMS, allow_pickle=False)
            evidence = np.load(folder / EVIDENCE, allow_pickle=False)
        except (KeyError, TypeError, ValueError, OSError) as problem:
            raise DamagedModel(f"{folder} cannot be read ({problem}); restore it") from None
        if evidence.shape != (len(known) + 1, len(labels)):
            raise DamagedModel(
                f"{folder / EVIDENCE} is {evidence.shape}, and {len(known)} n-grams with "
                f"{len(labels)} labels stand beside it; restore the folder"
            )
        return WeighedCounts(labels, known, evidence[:-1], evidence[-1])


def learn(
    examples: Sequence[Example], dev: Sequence[Example], labels: tuple[str, ...]
) -> tuple[WeighedCounts, tuple[Penalty, ...]]:
    """Count, then weigh; what was chosen on the dev part is the penalty, and how sure to be.

    Raises TextError if a dev example has an unknown label.
    """
    refuse_unknown(dev, labels)
    number = {label: index for index, label in enumerate(labels)}
    gold = np.array([number[example.label] for example in examples])
    dev_gold = np.array([number[example.label] for example in dev])
    known = _choose([example.text for example in examples], len(labels))
    directory = Directory(known)
    rows = _rows([example.text for example in examples], directory)
    dev_rows = _rows([example.text for example in dev], directory)
    is_label = np.eye(len(labels), dtype=np.float32)[gold]
    odds, shares = _log_odds(rows, is_label), np.log(is_label.mean(0))
    tried, best = [], None
    for penalty in PENALTIES:
        weights, bias = _weigh(rows, odds, is_label, shares, penalty)
        evidence = odds * weights[:, None]
        scores = (dev_rows @ evidence + bias).astype(np.float64)
        # Evidence that was weighed on texts that were seen is too sure of others.
        found = fit_sureness(scores, dev_gold)
        sure = np.float32(found.factor)
        right = float((scores.argmax(1) == dev_gold).mean())
        tried.append(Penalty(penalty, found.nats, right))
        if found.nats <= min(each.nats for each in tried):
            best = WeighedCounts(labels, known, evidence * sure, (bias * sure).astype(np.float32))
    assert best is not None
    return best, tuple(tried)


def _choose(texts: Sequence[str], labels: int) -> Hashes:
    """The n-grams that count (F,), sorted."""
    found: list[Hashes] = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        numbers, hashes = ngrams(texts[start : start + TEXTS_AT_ONCE])
        order = np.lexsort((numbers, hashes))
        numbers, hashes = numbers[order], hashes[order]
        first = np.ones(len(hashes), bool)
        first[1:] = (hashes[1:] != hashes[:-1]) | (numbers[1:] != numbers[:-1])
        found.append(hashes[first])
    different, counts = np.unique(np.concatenate(found), return_counts=True)
    least = 1
    while (counts >= least).sum() * labels > MOST_NUMBERS:
        least += 1
    kept: Hashes = different[counts >= least]
    return kept


def _rows(texts: Sequence[str], known: Directory) -> csr_array:
    """(N, F) one where a known n-gram stands in a text."""
    if len(texts) > TEXTS_AT_ONCE:
        from scipy.sparse import vstack

        starts = range(0, len(texts), TEXTS_AT_ONCE)
        return vstack([_rows(texts[at : at + TEXTS_AT_ONCE], known) for at in starts], "csr")
    numbers, hashes = ngrams(texts)
    places, there = known.look_up(hashes)
    ones = np.ones(int(there.sum()), np.float32)
    where = (numbers[there], places[there])
    rows = csr_array((ones, where), shape=(len(texts), len(known.known)), dtype=np.float32)
    rows.sum_duplicates()
    rows.data[:] = 1
    return rows


class Directory:
    """Where hashes stand among those that are known, by their first bits: as evenly as hashes are
    spread, a step or two finds each; a search by halves took half of all answering."""

    def __init__(self, known: Hashes) -> None:
        """known: (F,) sorted."""
        self.known = known
        bits = max(1, len(known).bit_length())
        self._shift = np.uint64(64 - bits)
        edges = np.arange(2**bits, dtype=np.uint64) << self._shift
        self._starts = np.append(np.searchsorted(known, edges), len(known))

    def look_up(self, hashes: Hashes) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """(M,) places among the known, and (M,) whether they are there at all."""
        first = (hashes >> self._shift).astype(np.int64)
        places, ends = self._starts[first], self._starts[first + 1]
        there = np.zeros(len(hashes), bool)
        left = np.flatnonzero(places < ends)
        while len(left):
            same = self.known[places[left]] == hashes[left]
            there[left[same]] = True
            left = left[~same]
            places[left] += 1
            left = left[places[left] < ends[left]]
        return np.where(there, places, 0), there


def _log_odds(rows: csr_array, is_label: Floats) -> Floats:
    """(F, K): for each n-gram, of standing in a text of the label against one of another label."""
    inside = rows.T @ is_label
    others = inside.sum(1, keepdims=True) - inside
    of_label = is_label.sum(0)
    odds: Floats = np.log((inside + 1) / (of_label + 2)) - np.log(
        (others + 1) / (len(is_label) - of_label + 2)
    )
    return odds


def _weigh(
    rows: csr_array, odds: Floats, is_label: Floats, shares: Floats, penalty: float
) -> tuple[Floats, Floats]:
    """Weights (F,) and bias (K,) by which the labels of the examples are likeliest."""
    turned = rows.T.tocsr()
    count = len(odds)

    def cost(place: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, bias = place[:count].astype(np.float32), place[count:]
        logprobs = log_softmax(rows @ (odds * weights[:, None]) + bias, 1)
        nats = -float((logprobs * is_label).sum())
        wrong = (np.exp(logprobs) - is_label).astype(np.float32)
        gradient = ((turned @ wrong) * odds).sum(1) + penalty * weights
        squares = float((weights.astype(np.float64) ** 2).sum())
        return nats + penalty / 2 * squares, np.concatenate([gradient, wrong.sum(0)]).astype(float)

    start = np.concatenate([np.zeros(count), shares])
    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": UPDATES}).x
    return found[:count].astype(np.float32), found[count:].astype(np.float32)
