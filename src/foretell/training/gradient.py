"""Learning by descent, for any network, with which parameters and which batches as settings.

Every update is a function of (weights, optimiser, batch, seed, number of the update, share of the
budget spent), and of nothing else: there is no hidden generator to save, so a learner restored
from a checkpoint goes on bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from foretell.contracts.errors import Diverged, ForetellError
from foretell.contracts.learner import Progress
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.batches import Batch, lanes, pack, with_boundaries
from foretell.corpus.passes import Pass
from foretell.corpus.token_shards import TokenDocuments
from foretell.models.neural.memories import FixedMemory
from foretell.models.neural.network import Network, NeuralModel, UnlimitedModel, write_weights
from foretell.models.neural.noise import Noise, set_noise
from foretell.training.objective import Objective
from foretell.training.optimizers import build_optimizers, clip_gradients
from foretell.training.ranks import ALONE, Ranks
from foretell.training.schedules import warm_up_then_decay
from foretell.training.sharding import gather, read_shares, write_shares

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
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    rows_at_once: int | None = None
    """Rows read together before their gradients are added up; None: all. Decides how much memory
    a batch takes, and nothing that is learned."""


class GradientLearner:
    """Trains one network. Knows no schedule of passes; `fit` has that."""

    def __init__(
        self,
        network: Network,
        tokenizer: Tokenizer,
        settings: GradientSettings,
        ranks: Ranks = ALONE,
        *,
        origin: str = "",
    ) -> None:
        """origin: what it began with, for weights that are not drawn from the seed."""
        self.network = network
        self.origin = origin
        self.ranks = ranks
        self.tokenizer = tokenizer
        self.settings = settings
        self._objective = Objective(network, ranks)
        self.optimizers = build_optimizers(
            network,
            learning_rate=settings.learning_rate,
            matrix_learning_rate=settings.matrix_learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.updates = 0
        self._documents: Sequence[NDArray[np.int32]] = []
        self._memory: Any = None

    @property
    def recipe(self) -> str:
        settings = replace(self.settings, rows_at_once=None)
        origin = f"{self.origin} " if self.origin else ""
        return f"{origin}{self.network.sizes} {settings} {self.tokenizer.fingerprint}"

    def feed(self, texts: Sequence[str]) -> None:
        tokens = [encoding.tokens for encoding in self.tokenizer.encode_many(list(texts))]
        self._documents = with_boundaries(tokens, self.tokenizer.boundary, self.network.opening)

    def feed_tokens(self, documents: TokenDocuments) -> None:
        """Take texts that are tokens already and stay on the disk. Raises ForetellError if another
        tokenizer made them."""
        if documents.tokenizer_fingerprint != self.tokenizer.fingerprint:
            raise ForetellError(
                "the tokens were made by another tokenizer; train with the one in their folder"
            )
        self._documents = documents

    def batches(self, pass_number: int) -> Iterable[Batch]:
        arrange = lanes if self.network.context is None else pack
        rows, width = self.settings.rows, self.settings.width
        key = (self.settings.seed, pass_number)
        if isinstance(self._documents, TokenDocuments):
            return Pass(self._documents, arrange, rows=rows, width=width, key=key)
        return arrange(self._documents, rows=rows, width=width, key=key)

    def update(self, batch: Batch, *, spent: float) -> Progress:
        """One step of descent. Raises Diverged if the loss or its gradient is no number."""
        settings = self.settings
        factor = warm_up_then_decay(spent, warm_up=settings.warm_up, decay=settings.decay)
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        nats = self._add_gradients(batch)
        norm = clip_gradients(self.network, settings.clip)
        if not (isfinite(nats) and torch.isfinite(norm)):
            found = f"the loss is {nats / batch.count:.4g} and the norm of its gradient {norm:.4g}"
            raise Diverged(f"{found} at update {self.updates}")
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.step()
        self.updates += 1
        return Progress(nats, batch.count)

    def _add_gradients(self, batch: Batch) -> float:
        """Gradients of the mean over the whole batch, a few rows at a time; its nats."""
        self.network.train()
        mine = self.ranks.rows(len(batch.tokens))
        most = self.ranks.most_rows(len(batch.tokens))
        at_once = self.settings.rows_at_once or most
        starts = range(0, most, at_once)
        low = self.settings.precision == "bfloat16"
        total, memories = 0.0, []
        for start in starts:
            # All take as many pieces, some of which may not count: the others wait for them.
            rows = mine[start : start + at_once]
            counts, rows = len(rows) > 0, rows or range(1)
            set_noise(self.network, Noise(self.settings.seed, self.updates, rows))
            piece = batch.take(slice(rows.start, rows.stop), scored=counts)
            before = None if batch.fresh else self._memory.select(rows)
            with self._objective.pause(start != starts[-1]):
                nats, memory = self._objective(piece, before, low=low)
                (nats * (self.ranks.count / batch.count)).backward()
            total += float(nats.detach())
            if counts:
                memories.append(memory)
        self._objective.average_sparse()
        self._memory = self._objective.gather(memories, len(batch.tokens), mine)
        return self.ranks.add(total)

    def end_pass(self) -> None:
        """Passes leave nothing behind; every one begins with fresh rows."""

    def model(self) -> NeuralModel:
        kind = UnlimitedModel if self.network.context is None else NeuralModel
        return kind(self._whole_network(), self.tokenizer)

    def _whole_network(self) -> Network:
        """The network; of a sharded one a copy that is whole in every process."""
        if not self.ranks.sharded:
            return self.network
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            copy = type(self.network)(self.network.sizes)
        weights = {name: gather(weight) for name, weight in self.network.state_dict().items()}
        copy.load_state_dict(weights, assign=True)
        return copy

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
        if self._memory is not None:
            for index, part in enumerate(self._memory.parts):
                tensors[f"memory.{index}"] = part
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
        parts = sorted(key for key in values if key.startswith("memory."))
        if parts:
            self._memory = FixedMemory(tuple(values[key] for key in parts))

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
