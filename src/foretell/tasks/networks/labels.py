"""A network's answers as labels, on the disk and off it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.special import softmax

from foretell.contracts.predictor import Label
from foretell.tasks.measures.calibration import as_labels
from foretell.tasks.networks.encoder import Encoder
from foretell.tasks.networks.encoders import build_encoder, read_learned, write_learned
from foretell.tasks.networks.label_network import LabelNetwork, ScoredNetwork
from foretell.tasks.networks.pairs import PairNetwork
from foretell.tasks.networks.recurrent import RecurrentEncoder


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
        return PairNetwork(encoder, labels, dropout=dropout)
    return LabelNetwork(encoder, labels, dropout=dropout)


def load(folder: Path, facts: dict[str, Any]) -> NetworkLabels:
    """From a folder whose seal was checked. Raises DamagedModel."""
    labels = tuple(facts["labels"])
    encoder = build_encoder(facts["rung"], facts["encoder"])
    network = build(encoder, len(labels), pairs=facts["pairs"])
    read_learned(network, folder)
    return NetworkLabels(labels, network, facts["sure"], facts["rung"])
