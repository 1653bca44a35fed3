"""Descent, whatever is made small: rates over a run, gradients kept in bounds, weights and
optimisers that can be put down and taken up again. What a batch costs is for those who use it.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

from foretell.contracts.errors import Diverged
from foretell.contracts.learner import Progress
from foretell.models.neural.network import write_weights
from foretell.training.optimizers import Tabled, build_optimizers, clip_gradients
from foretell.training.ranks import ALONE, Ranks
from foretell.training.schedules import warm_up_then_decay
from foretell.training.sharding import read_shares, write_shares

WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"


@dataclass(frozen=True)
class GradientSettings:
    """How a network learns; what it is stands in its sizes."""

    rows: int
    """Texts side by side in a batch."""
    width: int
    """Tokens of each that an update sees."""
    learning_rate: float
    """Of AdamW: embeddings, norms and biases, and all of a recurrent network."""
    matrix_learning_rate: float | None
    """Of Muon, for the matrices between them; None: AdamW learns these too."""
    weight_decay: float = 0.1
    warm_up: float = 0.02
    """Share of the budget over which the learning rate rises."""
    decay: float = 0.6
    """Share of the budget, at its end, over which the learning rate falls to nothing."""
    clip: float = 1.0
    """Largest norm of a gradient."""
    label_smoothing: float = 0.0
    """Share of each target that is spread over the vocabulary (Szegedy et al. 2016), where nothing
    but the best answer is wanted; probabilities of a language model suffer by it."""
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    rows_at_once: int | None = None
    """Rows read together before their gradients are added up; None: all. Decides how much memory
    a batch takes, and nothing that is learned."""


class Descent:
    """Half of a learner: updates, and the folder that they can be taken up from."""

    def __init__(self, network: Tabled, settings: GradientSettings, ranks: Ranks = ALONE) -> None:
        self.network = network
        self.settings = settings
        self.ranks = ranks
        self.optimizers = build_optimizers(
            network,
            learning_rate=settings.learning_rate,
            matrix_learning_rate=settings.matrix_learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.updates = 0

    @abstractmethod
    def _add_gradients(self, batch: Any) -> Progress:
        """Gradients of the mean over a batch, which are nothing yet; what it cost."""

    def update(self, batch: Any, *, spent: float) -> Progress:
        """One step of descent. Raises Diverged if the loss or its gradient is no number."""
        settings = self.settings
        factor = warm_up_then_decay(spent, warm_up=settings.warm_up, decay=settings.decay)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        seen = self._add_gradients(batch)
        norm = clip_gradients(self.network, settings.clip)
        if not (isfinite(seen.nats) and torch.isfinite(norm)):
            found = (
                f"the loss is {seen.nats / seen.tokens:.4g} and the norm of its gradient {norm:.4g}"
            )
            raise Diverged(f"{found} at update {self.updates}")
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
        self.updates += 1
        return seen

    def save(self, folder: Path) -> None:
        """Weights that learn, optimiser and memory; each process its share of a sharded network, of
        another one the first all."""
        weights = self._learned()
        tensors, numbers = {}, {}
        for index, optimizer in enumerate(self.optimizers):
            for place, values in optimizer.state_dict()["state"].items():
                for name, value in values.items():
                    key = f"{index}.{place}.{name}"
                    if isinstance(value, Tensor):
                        tensors[key] = value
                    else:
                        numbers[key] = value
        tensors |= self._carried()
        if self.ranks.sharded:
            write_shares(folder, {**weights, **tensors})
        elif self.ranks.first:
            write_weights(folder / WEIGHTS, weights)
            write_weights(folder / OPTIMIZER, tensors)
        if self.ranks.first:
            content = {"updates": self.updates, "numbers": numbers}
            (folder / "learner.json").write_text(json.dumps(content))

    def restore(self, folder: Path) -> None:
        """From what `save` wrote, in as many processes as may be, sharded or not."""
        if self.ranks.sharded or not (folder / WEIGHTS).exists():
            tensors = read_shares(folder, self._find_parameter)
        else:
            tensors = load_file(folder / WEIGHTS) | load_file(folder / OPTIMIZER)
        weights = {name: tensors.pop(name) for name in self._learned()}
        self.network.load_state_dict(weights, strict=False)
        content = json.loads((folder / "learner.json").read_text("utf-8"))
        self.updates = content["updates"]
        values: dict[str, Any] = {**content["numbers"], **tensors}
        for index, optimizer in enumerate(self.optimizers):
            state: dict[int, dict[str, Any]] = {}
            for key, value in values.items():
                where, place, *name = key.split(".", 2)
                if where == str(index) and name:
                    state.setdefault(int(place), {})[name[0]] = value
            optimizer.load_state_dict(
                {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
            )
        self._carry(tensors)

    def _carried(self) -> dict[str, Tensor]:
        """What else goes from one update to the next, by names that are no weight's."""
        return {}

    def _carry(self, tensors: dict[str, Tensor]) -> None:
        """Take up what `_carried` gave, among others."""

    def _learned(self) -> dict[str, Tensor]:
        """Weights by name, without those that stay as they are."""
        learn = {name for name, p in self.network.named_parameters() if p.requires_grad}
        return {name: w for name, w in self.network.state_dict().items() if name in learn}

    def _find_parameter(self, name: str) -> Tensor | None:
        """What a tensor of a checkpoint is, or is about: a weight, or what its optimiser keeps."""
        optimizer, _, rest = name.partition(".")
        if optimizer.isdigit():
            groups = self.optimizers[int(optimizer)].param_groups
            parameters: list[Tensor] = [p for group in groups for p in group["params"]]
            return parameters[int(rest.partition(".")[0])]
        return dict(self.network.named_parameters()).get(name)
