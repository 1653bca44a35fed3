"""Tags for words, and a label for the text if it has one, by one network.

words -> encoder -> a softmax a word -> the likeliest tags that may follow each other
                 -> largest and mean -> a softmax for the text
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from foretell.contracts.predictor import Label
from foretell.models.neural.noise import Dropout
from foretell.tasks.counts.tag_counts import as_tagging
from foretell.tasks.examples.spans import Matches, allowed, decode, f1, spans_of
from foretell.tasks.examples.tagged import Tagging
from foretell.tasks.measures.calibration import as_labels, fit_sureness
from foretell.tasks.networks.encoder import Encoder, pad
from foretell.tasks.networks.encoders import build_encoder, read_learned, write_learned
from foretell.tasks.networks.label_network import pool
from foretell.tasks.networks.learner import TaskNetwork, in_order


class Prepared(NamedTuple):
    text: Any
    words: int
    tags: Tensor
    """(T,) numbers; empty where they are not known."""
    label: int


class Read(NamedTuple):
    """What the network makes of a text."""

    tags: NDArray[np.int64]
    """(T,)"""
    logprobs: NDArray[np.float64]
    """(T, K) of every tag."""
    label_scores: NDArray[np.float64]
    """(L,)"""


class TagNetwork(TaskNetwork):
    """See the module. K tags, L labels, of which there may be none."""

    def __init__(
        self, encoder: Encoder, tags: Sequence[str], labels: int, *, dropout: float
    ) -> None:
        super().__init__()
        self.encoder, self.tags = encoder, tuple(tags)
        self.drop, self.label_drop = (Dropout(dropout, variational=True) for _ in range(2))
        self.out = nn.Linear(encoder.width, len(tags))
        self.label_out = nn.Linear(2 * encoder.width, labels) if labels else None
        for layer in (self.out, self.label_out):
            if layer is not None:
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
        self._may = allowed(self.tags)

    def prepare(self, example: tuple[list[str], list[int], int]) -> Prepared:
        """example: words, numbers of their tags, and of the label, -1 where there is none."""
        words, tags, label = example
        text = self.encoder.prepare(words)
        count = self.encoder.words_read(text)
        return Prepared(text, count, torch.tensor(tags[:count], dtype=torch.int64), label)

    def size(self, prepared: Prepared) -> int:
        return prepared.words

    def forward(self, examples: Sequence[Prepared]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scores of tags (B, T, K), (B, T) where words are, and scores of labels (B, L)."""
        states_BTD, there_BT = self.encoder([example.text for example in examples])
        labels_BL = None
        if self.label_out is not None:
            pooled_BD = self.label_drop(pool(states_BTD, there_BT)[:, None])[:, 0]
            labels_BL = self.label_out(pooled_BD)
        return self.out(self.drop(states_BTD)), there_BT, labels_BL

    def nats(self, examples: Sequence[Prepared]) -> Tensor:
        scores_BTK, there_BT, labels_BL = self(examples)
        gold_BT, _ = pad([example.tags for example in examples])
        nats_BT = F.cross_entropy(scores_BTK.float().mT, gold_BT, reduction="none")
        # A word, so that long texts weigh no more than short ones.
        nats: Tensor = (nats_BT * there_BT).sum(1) / there_BT.sum(1)
        if labels_BL is not None:
            labels = torch.tensor([example.label for example in examples])
            nats = nats + F.cross_entropy(labels_BL.float(), labels, reduction="none")
        return nats

    @torch.inference_mode()
    def read(self, examples: Sequence[Prepared]) -> list[Read]:
        self.eval()
        found: dict[int, Read] = {}
        for rows in in_order(self, examples):
            scores_BTK, there_BT, labels_BL = self([examples[row] for row in rows])
            logprobs_BTK = scores_BTK.double().log_softmax(2).numpy()
            lengths = there_BT.sum(1).tolist()
            for index, row in enumerate(rows):
                logprobs = logprobs_BTK[index, : lengths[index]]
                labels = np.zeros(0) if labels_BL is None else labels_BL[index].double().numpy()
                found[row] = Read(decode(logprobs, self._may), logprobs, labels)
        return [found[row] for row in range(len(examples))]

    def judge(self, examples: Sequence[Prepared]) -> float:
        """1 - F1 of the spans, and the share of wrong labels."""
        matches, wrong = [], []
        for example, read in zip(examples, self.read(examples), strict=True):
            gold, said = (self._spans(tags) for tags in (example.tags.tolist(), read.tags.tolist()))
            matches.append(Matches.of(gold, said))
            if len(read.label_scores):
                wrong.append(read.label_scores.argmax() != example.label)
        return 1 - f1(matches) + (float(np.mean(wrong)) if wrong else 0.0)

    def _spans(self, numbers: Sequence[int]) -> list[Any]:
        return list(spans_of([self.tags[number] for number in numbers]))


@dataclass(frozen=True)
class NetworkTags:
    """A predictor."""

    labels: tuple[str, ...]
    network: TagNetwork
    rung: str
    sure: float = 1.0
    """By which scores of labels are multiplied."""

    @property
    def tags(self) -> tuple[str, ...]:
        return self.network.tags

    def predict(self, texts: Sequence[Sequence[str]]) -> list[Tagging]:
        prepared = [self.network.prepare((list(words), [], -1)) for words in texts]
        found = self.network.read(prepared)
        labels: list[Label | None] = [None] * len(texts)
        if self.labels and found:
            scores = np.stack([each.label_scores for each in found])
            shares = softmax(self.sure * scores, axis=1)
            labels = list(as_labels(shares, self.labels))
        may = allowed(self.tags)
        return [
            as_tagging(words, self.tags, each.logprobs, may, label)
            for words, each, label in zip(texts, found, labels, strict=True)
        ]

    @property
    def facts(self) -> dict[str, Any]:
        return {"tags": list(self.tags), "sure": self.sure, "encoder": self.network.encoder.facts}

    def calibrated(self, texts: Sequence[Sequence[str]], labels: Sequence[str]) -> NetworkTags:
        """The same, as sure of labels as it may be by these, which it did not learn from."""
        if not self.labels:
            return self
        read = self.network.read([self.network.prepare((list(each), [], -1)) for each in texts])
        gold = np.array([self.labels.index(label) for label in labels])
        fitted = fit_sureness(np.stack([each.label_scores for each in read]), gold)
        return replace(self, sure=fitted.factor)

    def save(self, folder: Path) -> None:
        write_learned(self.network, folder)


def load(folder: Path, facts: dict[str, Any]) -> NetworkTags:
    """From a folder whose seal was checked. Raises DamagedModel."""
    labels = tuple(facts["labels"])
    encoder = build_encoder(facts["rung"], facts["encoder"])
    network = TagNetwork(encoder, facts["tags"], len(labels), dropout=0.0)
    read_learned(network, folder)
    return NetworkTags(labels, network, facts["rung"], facts["sure"])
