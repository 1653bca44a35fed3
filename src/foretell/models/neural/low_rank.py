"""Low-rank adaptation (Hu et al. 2022): matrices stay as they are, and a product of two narrow ones
is learned beside each.

    W x   becomes   W x + s B (A x)        A (R, in) begins at random, B (out, R) at zero

    attach(network, rank=16, seed=0)       now only A and B learn
    merge(network)                         W + s B A takes the place of W; the network as before

Embeddings and the softmax are left alone. Shapes: R the rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from foretell.contracts.errors import ForetellError
from foretell.models.neural.network import Network


class LowRank(nn.Module):
    """A linear layer and what is learned beside it."""

    def __init__(self, frozen: nn.Linear, rank: int, scale: float, generator: torch.Generator):
        super().__init__()
        self.frozen, self.scale = frozen, scale
        outside, inside = frozen.weight.shape
        down = torch.empty(rank, inside).uniform_(-1, 1, generator=generator) / sqrt(inside)
        self.down, self.up = nn.Parameter(down), nn.Parameter(torch.zeros(outside, rank))

    def forward(self, x: Tensor) -> Tensor:
        beside = F.linear(F.linear(x, self.down), self.up)
        return torch.add(self.frozen(x), beside, alpha=self.scale)

    def change(self) -> Tensor:
        """(out, in) what was learned, as it adds to the frozen matrix."""
        return self.scale * (self.up @ self.down)


def attach(
    network: Network, *, rank: int, seed: int, beside: Sequence[nn.Module] | None = None
) -> int:
    """Freeze a network but for low-rank parts that are put beside its matrices, in place. Returns
    how many numbers learn. beside: the modules whose matrices are meant, if not all. Raises
    ForetellError for a network without matrices of this kind."""
    tables = {id(module) for module in network.outer_tables()}
    meant = {id(part) for module in beside or [network] for part in module.modules()}
    found = [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and id(module) in meant - tables
    ]
    if not found or any(isinstance(module, nn.RNNBase) for module in network.modules()):
        raise ForetellError(
            f"most matrices of a {network.family} network are not those of linear layers, beside "
            "which low-rank parts are put; give --method all"
        )
    network.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, module in found:
        # Whatever the rank, the same rates suit: scaled by its root (Kalajdzievski 2023).
        _replace(network, name, LowRank(module, rank, 1 / sqrt(rank), generator))
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@torch.no_grad()
def merge(network: Network) -> None:
    """Add what was learned to the matrices, and take the parts away, in place."""
    for name, module in list(_parts(network)):
        module.frozen.weight += module.change()
        _replace(network, name, module.frozen)
    network.requires_grad_(True)


def changes(network: Network) -> dict[str, Tensor]:
    """What was learned beside each matrix: NAME.A (R, in) and NAME.B (out, R), scaled."""
    found = {}
    for name, part in _parts(network):
        found[f"{name}.A"] = part.down.detach()
        found[f"{name}.B"] = part.scale * part.up.detach()
    return found


@torch.no_grad()
def apply_changes(network: Network, parts: Mapping[str, Tensor]) -> None:
    """Add what `changes` gave, NAME.A (R, in) and NAME.B (out, R), to the matrices of the network
    that it was learned beside. Raises KeyError or RuntimeError if it is another one."""
    matrices = dict(network.named_parameters())
    for name in (key.removesuffix(".A") for key in parts if key.endswith(".A")):
        matrices[f"{name}.weight"].add_(parts[f"{name}.B"] @ parts[f"{name}.A"])


def _parts(network: Network) -> Iterator[tuple[str, LowRank]]:
    for name, module in network.named_modules():
        if isinstance(module, LowRank):
            yield name, module


def _replace(network: Network, name: str, module: nn.Module) -> None:
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, module)
