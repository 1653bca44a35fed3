"""Which optimiser learns which parameters.

Muon turns the momentum of a matrix into (nearly) the nearest orthogonal one, so that all
directions learn at one speed; AdamW (Loshchilov & Hutter 2019) learns the rest: embeddings,
norms, biases. PyTorch's own Muon works in bfloat16 matrix by matrix, which took a third of each
update on a CPU; this one works in float32 on all matrices of a shape at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import sqrt
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from foretell.training.sharding import gather, share_as

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan et al. 2024: a polynomial that drives singular values towards one, steep at zero."""
STEPS = (3, 2)
"""Of the polynomial; wide matrices begin anew between the two, or rounding would grow a
hundredfold. docs/decisions/scale-out.md"""


class Muon(Optimizer):
    """Orthogonalised momentum (Jordan et al. 2024), for matrices only.

    The update of an (m, n) matrix is scaled by 0.2 sqrt(max(m, n)), so that its entries are as
    large as AdamW's and one weight decay serves both (Liu et al. 2025). Of sharded matrices each
    process keeps its share of the momentum, and makes the whole update: it is less than a pass.
    """

    def __init__(
        self, matrices: Iterable[Tensor], *, lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        defaults = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(list(matrices), defaults)

    # The base class also takes a closure and returns its loss; nothing here calls it so.
    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes[matrix.shape].append(matrix)
            for shape, matrices in shapes.items():
                momenta = [self._momentum(matrix, group["momentum"]) for matrix in matrices]
                gradients = torch.stack([gather(momentum) for momentum in momenta])
                scale = group["lr"] * 0.2 * sqrt(max(shape))
                for matrix, update in zip(matrices, orthogonalise(gradients), strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(share_as(update, matrix), alpha=-scale)

    def _momentum(self, matrix: Tensor, momentum: float) -> Tensor:
        """Nesterov's: the gradient, looked at from where the momentum is going."""
        assert matrix.grad is not None
        state = self.state[matrix]
        if "average" not in state:
            state["average"] = torch.zeros_like(matrix)
        average: Tensor = state["average"]
        average.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(average, momentum)


class RowAdam(Optimizer):
    """Adam (Kingma & Ba 2015) for tables of which a batch touches a few rows.

    Gradients are sparse (rows, D); rows without one stay as they are, moments too, so an update
    costs what the batch holds and not what the table holds. The second moment is one number a row:
    half the memory of Adam's, and measured no worse.
    """

    def __init__(
        self, tables: Iterable[Tensor], *, lr: float, betas: tuple[float, float] = (0.9, 0.95)
    ) -> None:
        super().__init__(list(tables), {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._step(table, lr=group["lr"], betas=group["betas"])

    def _step(self, table: Tensor, *, lr: float, betas: tuple[float, float]) -> None:
        assert table.grad is not None
        state = self.state[table]
        if not state:
            state["step"] = torch.zeros(())
            state["average"] = torch.zeros_like(table)
            state["square"] = table.new_zeros((len(table), 1))
        state["step"] += 1
        gradient = table.grad.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
        average = state["average"][rows].lerp_(values, 1 - betas[0])
        square = state["square"][rows].lerp_(values.square().mean(1, keepdim=True), 1 - betas[1])
        state["average"].index_copy_(0, rows, average)
        state["square"].index_copy_(0, rows, square)
        average_bias, square_bias = (1 - beta ** state["step"].item() for beta in betas)
        update = average / (square / square_bias).sqrt_().add_(1e-8)
        table.index_add_(0, rows, update, alpha=-lr / average_bias)


def orthogonalise(matrices: Tensor) -> Tensor:
    """(N, m, n) to matrices with nearly the same singular vectors, and values near one."""
    turned = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if turned else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    by = _by_squares if x.shape[2] >= 2 * x.shape[1] else _by_steps
    for steps in STEPS:
        x = by(x, steps)
    return x.mT if turned else x


def _by_steps(x: Tensor, steps: int) -> Tensor:
    """x to (a + b s + c s^2) x with s = x x^T, over and over."""
    a, b, c = QUINTIC
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + torch.baddbmm(square, square, square, beta=b, alpha=c) @ x
    return x


def _by_squares(x: Tensor, steps: int) -> Tensor:
    """The same for wide matrices, of which each step needs only the square: all factors are
    polynomials of the first square, so they can be multiplied before they meet x."""
    a, b, c = QUINTIC
    square = x @ x.mT
    one = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    product = None
    for step in range(steps):
        factor = torch.baddbmm(square, square, square, beta=b, alpha=c) + a * one
        product = factor if product is None else factor @ product
        if step < steps - 1:
            square = factor @ square @ factor
    return x if product is None else product @ x


class Tabled(Protocol):
    """A network that tells its tables from its matrices."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, weights: dict[str, Any], strict: bool) -> Any: ...

    def outer_tables(self) -> list[nn.Module]: ...


def build_optimizers(
    network: Tabled,
    *,
    learning_rate: float,
    matrix_learning_rate: float | None,
    weight_decay: float,
) -> list[Optimizer]:
    """Optimisers that share out the parameters that learn; each group remembers its highest rate
    as `peak`.

    matrix_learning_rate: of Muon for the matrices between embeddings; None: AdamW has them too.
    """
    tables = {id(module.weight): module for module in network.outer_tables()}
    matrices: list[nn.Parameter] = []
    sparse: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for parameter in network.parameters():
        if not parameter.requires_grad:
            continue
        table = tables.get(id(parameter))
        if isinstance(table, nn.Embedding | nn.EmbeddingBag) and table.sparse:
            sparse.append(parameter)
        elif parameter.ndim == 2 and table is None:
            matrices.append(parameter)
        else:
            rest.append(parameter)
    groups = [{"params": rest, "weight_decay": 0.0}]
    optimizers: list[Optimizer] = []
    if matrix_learning_rate is None:
        groups.append({"params": matrices, "weight_decay": weight_decay})
    elif matrices:
        optimizers.append(Muon(matrices, lr=matrix_learning_rate, weight_decay=weight_decay))
    if sparse:
        optimizers.append(RowAdam(sparse, lr=learning_rate))
    optimizers.append(AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def clip_gradients(network: Tabled, largest: float) -> Tensor:
    """Scale the gradients down to a norm of `largest` together, those of sparse tables excepted:
    Adam forgets their size. Returns the norm before."""
    dense = [p for p in network.parameters() if p.grad is not None and not p.grad.is_sparse]
    return gather(nn.utils.clip_grad_norm_(dense, largest))
