"""PyTorch's FSDP2: weights, gradients and optimiser state shared out over the processes.

    a matrix (m, n)   rank 0 holds rows 0 ... m/2, rank 1 the rest
    a layer's pass    all gather its weights before it, and let go of them after it
    gradients         added, and each keeps those of its rows

And checkpoints of it: each process writes its rows as safetensors, and any number of processes
reads them. Tables with sparse gradients are left out, whole in each process.

PyTorch's own modules are imported where they are needed: one process waits for none of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed
from torch import Tensor, nn

from foretell.models.neural.transformer import Layer


def shard(whole: nn.Module, *, count: int, leave: set[nn.Parameter]) -> None:
    """Share a module out over so many processes: each layer of a transformer on its own, what is
    beside them together.

    Its parameters become DTensors; the ones to `leave` stay as they are.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (count,))
    for module in list(whole.modules()):
        if isinstance(module, Layer):
            fully_shard(module, mesh=mesh)
    fully_shard(whole, mesh=mesh, ignored_params=leave)


def gather(tensor: Tensor) -> Tensor:
    """All of a tensor (of any shape) of which this process may hold a share; all make the call."""
    if not torch.distributed.is_initialized():
        return tensor
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def share_as(whole: Tensor, like: Tensor) -> Tensor:
    """This process's share of a tensor (of any shape) that all have whole; as `like` is shared."""
    if not torch.distributed.is_initialized():
        return whole
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return whole
    return distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)


def write_shares(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Each process its share of tensors (of any shape); what all have whole, one of them."""
    from torch.distributed import checkpoint

    # Not PyTorch's own format, which is a pickle.
    writer = checkpoint.HuggingFaceStorageWriter(str(folder), save_distributed=True)
    checkpoint.save(tensors, storage_writer=writer)


def read_shares(folder: Path, like: Callable[[str], Tensor | None]) -> dict[str, Tensor]:
    """All tensors (of any shape) in a folder's safetensors, in one piece or in shares, whoever
    wrote them; each shared as the one is that belongs to its name, if that has its shape."""
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint.metadata import TensorStorageMetadata

    reader = checkpoint.HuggingFaceStorageReader(str(folder))
    tensors: dict[str, Tensor] = {}
    for name, about in reader.read_metadata().state_dict_metadata.items():
        assert isinstance(about, TensorStorageMetadata)
        model = like(name)
        if model is not None and model.shape == about.size:
            tensors[name] = torch.zeros_like(model)
        else:
            tensors[name] = torch.zeros(about.size, dtype=about.properties.dtype)
    with warnings.catch_warnings():
        # That it reads in one process: it should, since none needs to hear of the others.
        warnings.simplefilter("ignore", UserWarning)
        checkpoint.load(tensors, storage_reader=reader, no_dist=True)
    return tensors
