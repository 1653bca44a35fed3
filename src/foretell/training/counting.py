"""Learning by counting: one pass, and the estimate at its end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell import models
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.learner import Progress
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.index import build_index
from foretell.models.infinigram import InfiniGram
from foretell.models.ngram import NGram, estimate

DOCUMENTS_AT_ONCE = 256
READ = "read.json"


@dataclass(frozen=True)
class CountingSettings:
    """Of a modified Kneser-Ney model; order 1 is a unigram model."""

    order: int = 5
    prune: tuple[int, ...] = (0,)
    """Drop n-grams of order 1, 2, ... seen this often or less; the last number repeats."""
    index: bool = False
    """Keep every place of the text too, for an infinity-gram over the n-grams."""


class CountingLearner:
    """Collects tokens as they come and estimates when the pass ends. More passes change nothing."""

    def __init__(self, tokenizer: Tokenizer, settings: CountingSettings) -> None:
        self.tokenizer = tokenizer
        self.settings = settings
        self._texts: Sequence[str] = ()
        self._read: list[NDArray[np.int32]] = []
        self._model: LanguageModel | None = None

    @property
    def recipe(self) -> str:
        return f"{self.settings} {self.tokenizer.fingerprint}"

    def feed(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def batches(self, pass_number: int) -> Iterable[list[str]]:
        for start in range(0, len(self._texts), DOCUMENTS_AT_ONCE):
            yield list(self._texts[start : start + DOCUMENTS_AT_ONCE])

    def update(self, batch: list[str], *, spent: float) -> Progress:
        tokens = [encoding.tokens for encoding in self.tokenizer.encode_many(batch)]
        self._read.extend(tokens)
        return Progress(0.0, sum(len(each) for each in tokens))

    def end_pass(self) -> None:
        self._model = self.model()
        self._read = []

    def model(self) -> LanguageModel:
        if self._model is not None:
            return self._model
        trie = estimate(
            self._read,
            vocabulary_size=self.tokenizer.vocabulary_size,
            boundary=self.tokenizer.boundary,
            order=self.settings.order,
            prune=self.settings.prune,
        )
        ngram = NGram(trie, self.tokenizer)
        if not self.settings.index:
            return ngram
        index = build_index(
            self._read,
            names=[str(number) for number in range(len(self._read))],
            vocabulary_size=self.tokenizer.vocabulary_size,
            boundary=self.tokenizer.boundary,
            tokenizer_fingerprint=self.tokenizer.fingerprint,
        )
        return InfiniGram(index, ngram)

    def save(self, folder: Path) -> None:
        """The finished model, or how many texts it has read."""
        if self._model is not None:
            models.write(self._model, folder)
        else:
            (folder / READ).write_text(json.dumps({"documents": len(self._read)}))

    def restore(self, folder: Path) -> None:
        if not (folder / READ).exists():
            self._model = models.load(folder)
        else:
            # Reading again is quicker than reading tokens back from a file would be worth.
            count = json.loads((folder / READ).read_text("utf-8"))["documents"]
            again = self.tokenizer.encode_many(list(self._texts[:count]))
            self._read = [encoding.tokens for encoding in again]
