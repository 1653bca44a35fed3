"""Labels by a network: vectors of words, the largest and the mean of each number, a softmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.special import softmax
from torch import Tensor, nn

from foretell.contracts.errors import DamagedModel
from foretell.contracts.predictor import Label
from foretell.models.neural.network import write_weights
from foretell.models.neural.noise import Dropout
from foretell.tasks.calibration import as_labels, fit_sureness
from foretell.tasks.networks.encoder import Encoder
from foretell.tasks.networks.learner import TaskNetwork, in_order
from foretell.tasks.networks.pretrained import PretrainedEncoder
from foretell.tasks.networks.recurrent import RecurrentEncoder
from foretell.tasks.words import split

WEIGHTS = "learned.safetensors"


class Prepared(NamedTuple):
    text: Any
    words: int
    label: int


class LabelNetwork(TaskNetwork):
    """See the module. K labels."""

    def __init__(self, encoder: Encoder, labels: int, *, dropout: float) -> None:
        super().__init__()
        self.encoder, self.drop = encoder, Dropout(dropout, variational=True)
        self.out = nn.Linear(2 * encoder.width, labels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def prepare(self, example: tuple[str, int]) -> Prepared:
        """example: a text and the number of its label."""
        words = split(example[0])
        return Prepared(self.encoder.prepare(words), len(words), example[1])

    def size(self, prepared: Prepared) -> int:
        return prepared.words

    def forward(self, examples: Sequence[Prepared]) -> Tensor:
        """Scores (B, K)."""
        states_BTD, there_BT = self.encoder([example.text for example in examples])
        there_BT1 = there_BT[..., None]
        largest_BD = states_BTD.masked_fill(~there_BT1, -torch.inf).amax(1)
        mean_BD = (states_BTD * there_BT1).sum(1) / there_BT1.sum(1)
        pooled_B1D = torch.cat([largest_BD, mean_BD], 1)[:, None]
        scores: Tensor = self.out(self.drop(pooled_B1D)[:, 0])
        return scores

    def nats(self, examples: Sequence[Prepared]) -> Tensor:
        gold = torch.tensor([example.label for example in examples])
        return F.cross_entropy(self(examples).float(), gold, reduction="none")

    @torch.inference_mode()
    def scores(self, examples: Sequence[Prepared]) -> NDArray[np.float64]:
        """(N, K)"""
        self.eval()
        found = np.empty((len(examples), self.out.out_features))
        for rows in in_order(self, examples):
            found[rows] = self([examples[row] for row in rows]).float().numpy()
        return found

    def judge(self, examples: Sequence[Prepared]) -> float:
        """Nats, once it is said how sure to be: networks go on to tell labels apart better when
        they have long become too sure."""
        return fit_sureness(
            self.scores(examples), np.array([example.label for example in examples])
        ).nats


@dataclass(frozen=True)
class NetworkLabels:
    """A predictor."""

    labels: tuple[str, ...]
    network: LabelNetwork
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
        return {"sure": self.sure, "encoder": self.network.encoder.facts}

    def save(self, folder: Path) -> None:
        learn = {name for name, p in self.network.named_parameters() if p.requires_grad}
        weights = self.network.state_dict()
        write_weights(folder / WEIGHTS, {name: weights[name] for name in learn})


def build_encoder(rung: str, facts: dict[str, Any]) -> Encoder:
    """With first weights, except those of a pretrained model."""
    return RecurrentEncoder(**facts) if rung == "recurrent" else PretrainedEncoder(**facts)


def load(folder: Path, facts: dict[str, Any]) -> NetworkLabels:
    """From a folder whose seal was checked. Raises DamagedModel."""
    labels = tuple(facts["labels"])
    encoder = build_encoder(facts["rung"], facts["encoder"])
    network = LabelNetwork(encoder, len(labels), dropout=0.0)
    weights = load_file(folder / WEIGHTS)
    if any(p.requires_grad and name not in weights for name, p in network.named_parameters()):
        raise DamagedModel(f"{folder / WEIGHTS} lacks weights; restore it")
    network.load_state_dict(weights, strict=False)
    return NetworkLabels(labels, network, facts["sure"], facts["rung"])
