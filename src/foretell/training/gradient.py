"""Learning by descent, for any network, with which parameters and which batches as settings.

Every update is a function of (weights, optimiser, batch, seed, number of the update, share of the
budget spent), and of nothing else: there is no hidden generator to save, so a learner restored
from a checkpoint goes on bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foretell.contracts.errors import ForetellError
from foretell.contracts.learner import Progress
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.batches import Batch, lanes, pack, with_boundaries
from foretell.corpus.passes import Pass
from foretell.corpus.token_shards import TokenDocuments
from foretell.models.neural.memories import FixedMemory
from foretell.models.neural.network import Network, NeuralModel, UnlimitedModel
from foretell.models.neural.noise import Noise, set_noise
from foretell.training.descent import Descent, GradientSettings
from foretell.training.objective import Objective
from foretell.training.ranks import ALONE, Ranks
from foretell.training.sharding import gather


class GradientLearner(Descent):
    """Trains one network. Knows no schedule of passes; `fit` has that."""

    network: Network

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
        # It shards, so it comes before the optimisers.
        self._objective = Objective(network, ranks, label_smoothing=settings.label_smoothing)
        super().__init__(network, settings, ranks)
        self.origin = origin
        self.tokenizer = tokenizer
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

    def _add_gradients(self, batch: Batch) -> Progress:
        """Of the mean over the whole batch, a few rows at a time."""
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
        return Progress(self.ranks.add(total), batch.count)

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

    def _carried(self) -> dict[str, Tensor]:
        parts = () if self._memory is None else self._memory.parts
        return {f"memory.{index}": part for index, part in enumerate(parts)}

    def _carry(self, tensors: dict[str, Tensor]) -> None:
        parts = sorted(key for key in tensors if key.startswith("memory."))
        if parts:
            self._memory = FixedMemory(tuple(tensors[key] for key in parts))
