"""Learning the weights of a mixture by expectation maximisation, on text used for nothing else.

The parts are frozen: each token of the text is scored once by each part, and a pass of EM is a
few array operations over those scores.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from foretell.contracts.corpus import fingerprint_texts
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel, score_documents
from foretell.contracts.learner import Progress
from foretell.models.mixture import Mixture, fit_weights


class MixtureLearner:
    """Starts from equal weights; the likelihood is concave, so the start does not matter."""

    def __init__(self, parts: Sequence[LanguageModel]) -> None:
        self.parts = list(parts)
        self.tokenizer = self.parts[0].tokenizer
        self.weights = np.full(len(self.parts), 1 / len(self.parts))
        self._logs: NDArray[np.float64] = np.zeros((0, len(self.parts)))
        self._texts = ""

    @property
    def recipe(self) -> str:
        return f"{len(self.parts)} parts {self.tokenizer.fingerprint}"

    def without(self, dropped: NDArray[np.bool_]) -> MixtureLearner:
        """A learner of the other parts (P,), which need not read the same text again."""
        pairs = zip(self.parts, dropped, strict=True)
        fewer = MixtureLearner([part for part, gone in pairs if not gone])
        fewer._logs, fewer._texts = self._logs[:, ~dropped], self._texts
        return fewer

    def feed(self, texts: Sequence[str]) -> None:
        if self._texts == fingerprint_texts(texts):
            return
        self._texts = fingerprint_texts(texts)
        documents = [encoding.tokens for encoding in self.tokenizer.encode_many(list(texts))]
        if not any(len(document) for document in documents):
            raise ForetellError("there is no text to tune the mixture on; give more text")
        columns = [np.concatenate(score_documents(part, documents)) for part in self.parts]
        self._logs = np.stack(columns, axis=1).astype(np.float64)

    def batches(self, pass_number: int) -> Iterable[NDArray[np.float64]]:
        yield self._logs

    def update(self, batch: NDArray[np.float64], *, spent: float) -> Progress:
        with np.errstate(divide="ignore"):
            nats = -float(logsumexp(batch + np.log(self.weights), axis=1).sum())
        self.weights = fit_weights(batch, self.weights)
        return Progress(nats, len(batch))

    def end_pass(self) -> None:
        """A pass is one batch, so the update has done it all."""

    def model(self) -> Mixture:
        return Mixture(self.parts, self.weights.tolist())

    def save(self, folder: Path) -> None:
        (folder / "weights.json").write_text(json.dumps(self.weights.tolist()))

    def restore(self, folder: Path) -> None:
        self.weights = np.array(json.loads((folder / "weights.json").read_text("utf-8")))
