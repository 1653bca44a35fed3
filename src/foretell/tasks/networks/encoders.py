"""Encoders by the name of their rung, and what networks keep on the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from foretell.contracts.errors import DamagedModel
from foretell.models.neural.network import write_weights
from foretell.tasks.networks.encoder import Encoder
from foretell.tasks.networks.learner import TaskNetwork
from foretell.tasks.networks.pretrained import PretrainedEncoder
from foretell.tasks.networks.recurrent import RecurrentEncoder

WEIGHTS = "learned.safetensors"


def build_encoder(rung: str, facts: dict[str, Any]) -> Encoder:
    """With first weights, except those of a pretrained model."""
    return RecurrentEncoder(**facts) if rung == "recurrent" else PretrainedEncoder(**facts)


def write_learned(network: TaskNetwork, folder: Path) -> None:
    """All weights but those of a pretrained model that did not learn."""
    learn = {name for name, p in network.named_parameters() if p.requires_grad}
    weights = network.state_dict()
    write_weights(folder / WEIGHTS, {name: weights[name] for name in learn})


def read_learned(network: TaskNetwork, folder: Path) -> None:
    """What `write_learned` wrote, into a network of the same shape. Raises DamagedModel."""
    weights = load_file(folder / WEIGHTS)
    for name, parameter in network.named_parameters():
        there = weights.get(name)
        if parameter.requires_grad and (there is None or there.shape != parameter.shape):
            raise DamagedModel(f"{folder / WEIGHTS} lacks {name} of this shape; restore it")
    network.load_state_dict(weights, strict=False)
