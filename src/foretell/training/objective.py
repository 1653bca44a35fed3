"""What descent makes small, as a module: nats of the scored targets of some rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
import torch
import torch.distributed
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from foretell.corpus.batches import Batch
from foretell.models.neural.memories import FixedMemory
from foretell.models.neural.network import Network
from foretell.training.ranks import Ranks
from foretell.training.sharding import shard

IGNORED = -100
"""A target that is not scored."""
SHAPES = 16
"""Of the logits of a batch."""


class _Nats(nn.Module):
    """Holds the network, so that PyTorch's engines see one forward pass."""

    def __init__(self, network: Network, label_smoothing: float) -> None:
        super().__init__()
        self.network = network
        self.label_smoothing = label_smoothing

    def forward(self, batch: Batch, memory: Any, low: bool) -> tuple[Tensor, Any]:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            hidden, memory = self.network.learn(
                _tensor(batch.tokens),
                memory=memory,
                segments=None if batch.segments is None else _tensor(batch.segments),
                positions=None if batch.positions is None else _tensor(batch.positions),
            )
            hidden = hidden.flatten(0, 1)
            chosen, targets = choose_targets(batch)
            if chosen is not None:
                hidden = hidden.index_select(0, torch.from_numpy(chosen))
            logits = self.network.logits(hidden)
        nats = F.cross_entropy(
            logits.float(),
            _tensor(targets),
            ignore_index=IGNORED,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return nats, None if memory is None else memory.detach()


class Objective:
    """Nats of a piece of a batch; gradients are averaged over the processes.

    Makes DTensors of the parameters of a network that is sharded, so comes before its optimisers.
    """

    def __init__(self, network: Network, ranks: Ranks, *, label_smoothing: float = 0.0) -> None:
        self.ranks = ranks
        self._nats: nn.Module = _Nats(network, label_smoothing)
        self._sparse = [
            cast(nn.Parameter, module.weight)
            for module in network.modules()
            if isinstance(module, nn.Embedding) and module.sparse
        ]
        if ranks.sharded:
            shard(self._nats, count=ranks.count, leave=set(self._sparse))
        elif ranks.count > 1:
            # PyTorch 2.13 mixes up the gradients of a module that has sparse ones among dense.
            sparse = {id(weight) for weight in self._sparse}
            names = [name for name, p in self._nats.named_parameters() if id(p) in sparse]
            DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self._nats, names)
            self._nats = DistributedDataParallel(self._nats)

    def __call__(self, piece: Batch, memory: Any, *, low: bool) -> tuple[Tensor, Any]:
        """Sum over the scored targets, and the memory to carry on. low: multiply matrices in
        bfloat16."""
        nats, memory = self._nats(piece, memory, low)
        return nats, memory

    def pause(self, paused: bool) -> AbstractContextManager[Any]:
        """While paused, gradients of this process alone are added up; of a sharded network
        always those of all, since one process has no room for them."""
        if paused and isinstance(self._nats, DistributedDataParallel):
            held: AbstractContextManager[Any] = self._nats.no_sync()
            return held
        return nullcontext()

    def average_sparse(self) -> None:
        """The sparse gradients too; after the last piece of a batch."""
        for weight in self._sparse if self.ranks.count > 1 else ():
            assert weight.grad is not None
            weight.grad = weight.grad.coalesce()
            torch.distributed.all_reduce(weight.grad)
            weight.grad /= self.ranks.count

    def gather(self, memories: Sequence[Any], rows: int, mine: range) -> Any:
        """The memory of all rows of a batch, from the pieces that this process read."""
        whole: Any = memories[0] if memories else None
        for memory in memories[1:] if whole is not None else ():
            whole = whole.join(memory)
        if self.ranks.count == 1:
            return whole
        if self.ranks.add(float(whole is not None)) == 0:
            return None
        return _gather_memory(whole, rows, mine)


def _gather_memory(memory: FixedMemory | None, rows: int, mine: range) -> FixedMemory:
    """Each process puts its rows into a whole of zeros, and the wholes are added."""
    shapes: list[Any] = [memory and [tuple(part.shape) for part in memory.parts]]
    torch.distributed.broadcast_object_list(shapes, src=0)
    parts = []
    for index, (layers, _, hidden) in enumerate(shapes[0]):
        part = torch.zeros(layers, rows, hidden)
        if memory is not None:
            part[:, mine.start : mine.stop] = memory.parts[index]
        torch.distributed.all_reduce(part)
        parts.append(part)
    return FixedMemory(tuple(parts))


def choose_targets(batch: Batch) -> tuple[NDArray[np.int64] | None, NDArray[np.integer]]:
    """Places (N,) of a flattened batch whose logits are wanted, None for all, and targets (N,),
    which are IGNORED where only the shape needs them.

    N is one of SHAPES: oneDNN compiles its products for every shape and keeps a thousand of them,
    half a megabyte each, amid what each update uses again. docs/decisions/planning.md
    """
    scored = batch.scored.ravel()
    targets = np.where(scored, batch.targets.ravel(), IGNORED)
    step = -(-scored.size // SHAPES)
    many = step * -(-batch.count // step)
    if many >= scored.size:
        return None, targets
    chosen = np.argsort(~scored, kind="stable")[:many]
    return chosen, targets[chosen]


def _tensor(array: NDArray[np.integer]) -> Tensor:
    return torch.from_numpy(array.astype(np.int64))
