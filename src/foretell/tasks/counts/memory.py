"""The floor of writing: what was written for the text that is most alike.

Texts are alike by the n-grams that they share, the rarer the more (tf-idf, cosine): a translation
memory. Of two texts in one, what a question is about counts as much as the question.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from xxhash import xxh32_intdigest

from foretell.corpus.pairs import MARK
from foretell.tasks.examples.texts import TextExample, Written
from foretell.tasks.examples.words import split

EXAMPLES = "examples.json"
ROWS = 2**20
"""Of the table that n-grams are hashed into."""
AT_ONCE = 256


@dataclass(frozen=True)
class Memory:
    """A writer."""

    texts: tuple[str, ...]
    targets: tuple[str, ...]

    rung = "count"

    @cached_property
    def _known(self) -> tuple[csr_array, np.ndarray[Any, np.dtype[np.float32]]]:
        """Texts as rows of length one, transposed, and what each n-gram weighs."""
        counts = _count(self.texts)
        there = np.bincount(counts.indices, minlength=ROWS)
        weights = np.log((1 + len(self.texts)) / (1 + there)).astype(np.float32)
        return _as_units(counts, weights).T.tocsr(), weights

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        known, weights = self._known
        found = []
        for at in range(0, len(texts), AT_ONCE):
            alike = (_as_units(_count(texts[at : at + AT_ONCE]), weights) @ known).toarray()
            for row in alike:
                best = np.argsort(-row, kind="stable")
                said = dict.fromkeys(self.targets[index] for index in best[: 4 * alternatives])
                found.append([Written(text, None) for text in list(said)[:alternatives]])
        return found

    @property
    def facts(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Path) -> None:
        content = json.dumps([self.texts, self.targets], ensure_ascii=False)
        (folder / EXAMPLES).write_text(content, "utf-8")


def learn(examples: Sequence[TextExample]) -> Memory:
    return Memory(
        tuple(each.text for each in examples), tuple(each.targets[0] for each in examples)
    )


def load(folder: Path) -> Memory:
    texts, targets = json.loads((folder / EXAMPLES).read_text("utf-8"))
    return Memory(tuple(texts), tuple(targets))


def _count(texts: Sequence[str]) -> csr_array:
    """(N, ROWS): words and pairs of words of each text."""
    indices: list[int] = []
    starts = [0]
    for text in texts:
        words = [word.strip().lower() for word in split(text.replace(MARK, " "))]
        pairs = (f"{one}\n{other}" for one, other in pairwise(words))
        indices += [xxh32_intdigest(gram) % ROWS for gram in {*words, *pairs}]
        starts.append(len(indices))
    ones = np.ones(len(indices), np.float32)
    return csr_array((ones, indices, starts), shape=(len(texts), ROWS))


def _as_units(counts: csr_array, weights: np.ndarray[Any, Any]) -> csr_array:
    """Weighed, and every row of length one."""
    weighed = counts.multiply(weights[None]).tocsr()
    lengths = np.sqrt(weighed.multiply(weighed).sum(1))
    return (weighed.multiply(1 / np.maximum(lengths, 1e-9)[:, None])).tocsr()
