"""Labels by a network: vectors of words, the largest and the mean of each number, a softmax."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
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
from foretell.tasks.calibration import as_labels, fit_sureness
from foretell.tasks.networks.encoder import Encoder
from foretell.tasks.networks.encoders import build_encoder, read_learned, write_learned
from foretell.tasks.networks.learner import TaskNetwork, in_order
from foretell.tasks.networks.recurrent import RecurrentEncoder
from foretell.tasks.words import split


class Prepared(NamedTuple):
    text: Any
    words: int
    label: int


class ScoredNetwork(TaskNetwork):
    """Gives examples (text, number of its label) a score a label."""

    out: nn.Linear

    def size(self, prepared: Any) -> int:
        return int(prepared.words)

    @abstractmethod
    def forward(self, examples: Sequence[Any]) -> Tensor:
        """Scores (B, K)."""

    def nats(self, examples: Sequence[Any]) -> Tensor:
        gold = torch.tensor([example.label for example in examples])
        return F.cross_entropy(self(examples).float(), gold, reduction="none")

    @torch.inference_mode()
    def scores(self, examples: Sequence[Any]) -> NDArray[np.float64]:
        """(N, K)"""
        self.eval()
        found = np.empty((len(examples), self.out.out_features))
        for rows in in_order(self, examples):
            found[rows] = self([examples[row] for row in rows]).float().numpy()
        return found

    def judge(self, examples: Sequence[Any]) -> float:
        """Nats, once it is said how sure to be: networks go on to tell labels apart better when
        they have long become too sure."""
        gold = np.array([example.label for example in examples])
        return fit_sureness(self.scores(examples), gold).nats


class LabelNetwork(ScoredNetwork):
    """See the module. K labels."""

    def __init__(self, encoder: Encoder, labels: int, *, dropout: float) -> None:
        super().__init__()
        self.encoder, self.drop = encoder, Dropout(dropout, variational=True)
        self.out = nn.Linear(2 * encoder.width, labels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def prepare(self, example: tuple[str, int]) -> Prepared:
        words = split(example[0])
        return Prepared(self.encoder.prepare(words), len(words), example[1])

    def forward(self, examples: Sequence[Prepared]) -> Tensor:
        states_BTD, there_BT = self.encoder([example.text for example in examples])
        scores: Tensor = self.out(self.drop(pool(states_BTD, there_BT)[:, None])[:, 0])
        return scores


def pool(states_BTD: Tensor, there_BT: Tensor) -> Tensor:
    """(B, 2 D): of each number the largest among the words of a text, and the mean."""
    there_BT1 = there_BT[..., None]
    largest_BD = states_BTD.masked_fill(~there_BT1, -torch.inf).amax(1)
    mean_BD = (states_BTD * there_BT1).sum(1) / there_BT1.sum(1)
    return torch.cat([largest_BD, mean_BD], 1)


@dataclass(frozen=True)
class NetworkLabels:
    """A predictor."""

    labels: tuple[str, ...]
    network: ScoredNetwork
    sure: float
    """By which scores are multiplied."""
    rung: str

    def predict(self, texts: Sequence[str]) -> list[Label]:
        prepared = [self.network.prepare((text, 0)) for text in texts]
        shares = softmax(self.sure * self.network.scores(prepared), axis=1)
        return as_labels(shares, self.labels)

    @property
    def facts(self) -> dict[str, Any]:
        """What `load` needs beside the weights."""
        pairs = type(self.network) is not LabelNetwork
        return {"sure": self.sure, "pairs": pairs, "encoder": self.network.encoder.facts}

    def save(self, folder: Path) -> None:
        write_learned(self.network, folder)


def build(encoder: Encoder, labels: int, *, dropout: float = 0.0, pairs: bool) -> ScoredNetwork:
    """With first weights. pairs: true if texts are two in one."""
    if pairs and isinstance(encoder, RecurrentEncoder):
        from foretell.tasks.networks.pairs import PairNetwork

        return PairNetwork(encoder, labels, dropout=dropout)
    return LabelNetwork(encoder, labels, dropout=dropout)


def load(folder: Path, facts: dict[str, Any]) -> NetworkLabels:
    """From a folder whose seal was checked. Raises DamagedModel."""
    labels = tuple(facts["labels"])
    encoder = build_encoder(facts["rung"], facts["encoder"])
    network = build(encoder, len(labels), pairs=facts["pairs"])
    read_learned(network, folder)
    return NetworkLabels(labels, network, facts["sure"], facts["rung"])
