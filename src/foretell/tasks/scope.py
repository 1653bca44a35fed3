"""How usual a text is beside those that were learned from: out of scope is what hardly any of them
was as unusual as.

    surprise   mean over the n-grams of a text of -ln share of the texts learned from that have it
    doubt      entropy of the answer, in nats
    usual      share of the texts kept back of which the two together are as rare, or rarer

A share among texts that were not learned from says what it costs to reject: of texts like these,
0.05 of them have a `usual` up to 0.05. The two see different things: of requests about something
else surprise tells more, of labels that were never shown doubt does; docs/decisions/tasks.md.

F n-grams, N texts, M texts kept back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr
from scipy.stats import norm

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.predictor import Label
from foretell.storage import check_seal, seal
from foretell.tasks.counts.ngram_features import Hashes, ngrams
from foretell.tasks.counts.weighed_counts import TEXTS_AT_ONCE, Directory

FOLDER, KNOWN, TEXTS, KEPT = "scope", "ngrams.npy", "texts.npy", "kept_back.json"
LEAST_SPREAD = 1e-3
"""Nats by which texts differ at least, so that all alike are not taken for all there is."""
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Scope:
    """What is usual."""

    ngrams: Hashes
    """(F,) sorted."""
    texts: NDArray[np.uint32]
    """(F,) that have each."""
    count: int
    """Of texts in all."""
    kept: Mapping[str, Mapping[str, Floats]]
    """By kind of model: surprise, doubt, and both together of the texts kept back, (M,) sorted."""

    @cached_property
    def _directory(self) -> Directory:
        return Directory(self.ngrams)

    def usual(self, rung: str, texts: Sequence[str], answers: Sequence[Label]) -> list[float]:
        """Of each text, from 0 to 1. answers: of a kind of model, to these texts."""
        kept = self.kept[rung]
        together = _together(self._surprise(texts), _doubt(answers), kept)
        return _rarer(together, kept["together"]).tolist()

    def _surprise(self, texts: Sequence[str]) -> Floats:
        found: list[Floats] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            block = texts[start : start + TEXTS_AT_ONCE]
            numbers, hashes = ngrams(block)
            places, there = self._directory.look_up(hashes)
            have = np.where(there, self.texts[places], 0)
            nats = -np.log((have + 0.5) / (self.count + 1))
            sums = np.bincount(numbers, nats, len(block))
            found.append(sums / np.maximum(1, np.bincount(numbers, minlength=len(block))))
        return np.concatenate(found) if found else np.zeros(0)

    def save(self, folder: Path) -> None:
        """Into a folder of its own there, sealed."""
        inside = folder / FOLDER
        inside.mkdir()
        np.save(inside / KNOWN, self.ngrams)
        np.save(inside / TEXTS, self.texts)
        kept = {rung: {k: v.tolist() for k, v in each.items()} for rung, each in self.kept.items()}
        (inside / KEPT).write_text(json.dumps(kept), "utf-8")
        seal(inside, {"texts": self.count})


def learn(
    examples: Sequence[str], dev: Sequence[str], answers: Mapping[str, Sequence[Label]]
) -> Scope:
    """examples, dev: texts that were learned from, and kept back; answers: to the latter, by kind
    of model."""
    known, texts = _count(examples)
    bare = Scope(known, texts, len(examples), {})
    surprise, kept = bare._surprise(dev), {}
    for rung, each in answers.items():
        doubt = _doubt(each)
        found = {"surprise": np.sort(surprise), "doubt": np.sort(doubt)}
        together = np.sort(_together(surprise, doubt, found))
        kept[rung] = {**found, "together": together}
    return Scope(known, texts, len(examples), kept)


def usual(
    known: Scope | None, rung: str, texts: Sequence[str], answers: Sequence[Label]
) -> Sequence[float | None]:
    """As `Scope.usual`, or nothing where nothing is known."""
    return [None] * len(texts) if known is None else known.usual(rung, texts, answers)


def rejects(usual: float | None, reject: float | None) -> bool:
    return usual is not None and reject is not None and usual <= reject


def load(folder: Path, *, reject: float | None = None, told: bool = True) -> Scope | None:
    """Of a folder that `foretell task` wrote; None if it has none, as where there are spans alone,
    or if nothing is asked of it. reject: whether that is; told: whether it is to be said how usual
    texts are, which takes as long as answers by counts. Raises DamagedModel, ForetellError for what
    cannot be rejected."""
    inside = folder / FOLDER
    if reject is not None and not 0 <= reject <= 1:
        raise ForetellError(f"--reject must be a share, from 0 to 1, not {reject}")
    if not inside.is_dir():
        if reject is not None:
            raise ForetellError(
                f"{folder} does not know what is usual; train again on texts with labels, or leave "
                "--reject out"
            )
        return None
    if reject is None and not told:
        return None
    facts = check_seal(inside)
    try:
        known, texts = (np.load(inside / name, allow_pickle=False) for name in (KNOWN, TEXTS))
        kept = json.loads((inside / KEPT).read_text("utf-8"))
        return Scope(known, texts, facts["texts"], _as_arrays(kept))
    except (OSError, ValueError, KeyError, AttributeError) as problem:
        raise DamagedModel(f"{inside} cannot be read ({problem}); restore it") from None


def _as_arrays(kept: dict[str, dict[str, Any]]) -> dict[str, dict[str, Floats]]:
    return {rung: {k: np.array(v) for k, v in each.items()} for rung, each in kept.items()}


def _count(texts: Sequence[str]) -> tuple[Hashes, NDArray[np.uint32]]:
    """n-grams (F,) and how many texts have each."""
    blocks = [texts[at : at + TEXTS_AT_ONCE] for at in range(0, len(texts), TEXTS_AT_ONCE)]
    found = []
    for numbers, hashes in map(ngrams, blocks):
        pairs = np.empty(len(hashes), [("hash", np.uint64), ("text", np.int64)])
        pairs["hash"], pairs["text"] = hashes, numbers
        found.append(np.unique(pairs)["hash"])
    known, counts = np.unique(np.concatenate(found), return_counts=True)
    return known, counts.astype(np.uint32)


def _doubt(answers: Sequence[Label]) -> Floats:
    if not answers:
        return np.zeros(0)
    shares = np.array([list(each.probabilities.values()) for each in answers])
    found: Floats = entr(shares).sum(1)
    return found


def _together(surprise: Floats, doubt: Floats, kept: Mapping[str, Floats]) -> Floats:
    """(N,) nats of how rare both are (Fisher's method for two shares). Surprise is taken for
    normal, so that the strangest text of few is not the strangest there can be."""
    usual = kept["surprise"]
    far = (surprise - usual.mean()) / max(usual.std(), LEAST_SPREAD)
    found: Floats = -norm.logsf(far) - np.log(_rarer(doubt, kept["doubt"]))
    return found


def _rarer(values: Floats, kept: Floats) -> Floats:
    """(N,) share of the texts kept back, and of the text itself, that have as much or more."""
    found: Floats = (len(kept) - np.searchsorted(kept, values) + 1) / (len(kept) + 1)
    return found
