"""Labels by a network: vectors of words, the largest and the mean of each number, a softmax."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foretell.models.neural.noise import Dropout
from foretell.tasks.examples.words import split
from foretell.tasks.measures.calibration import fit_sureness
from foretell.tasks.networks.encoder import Encoder
from foretell.tasks.networks.learner import TaskNetwork, in_order


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
