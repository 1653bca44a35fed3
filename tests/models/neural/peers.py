"""The same weights in `transformers`, for tests that compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from foretell import models
from foretell.models.neural.network import Network, NeuralModel
from foretell.tokenizers import Bytes

NOTHING: dict[str, Any] = {"memory": None, "segments": None, "positions": None}


def stir(network: Network, seed: int = 0) -> Network:
    """Fresh weights are small or zero and would hide what a part does."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.15 * torch.randn(weight.shape, generator=generator)
    return network


def peer_of(network: Network, folder: Path, kind: Any) -> Any:
    """`kind.from_pretrained` of what we save, checked for left-over names."""
    models.save(NeuralModel(network, Bytes()), folder)
    theirs, report = kind.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    return theirs


def losses(network: Network, theirs: Any, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits and mean nats of the next tokens (B, T), ours then theirs, with gradients."""
    hidden, _ = network.learn(tokens, **NOTHING)
    ours = network.logits(hidden)
    mine = torch.nn.functional.cross_entropy(ours[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    out = theirs(tokens, labels=tokens)
    return ours, mine, out.logits, out.loss
