"""Muon and RowAdam against plain loops, clipping, and the sharing out of parameters."""

from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.training.optimizers import (
    Muon,
    RowAdam,
    build_optimizers,
    clip_gradients,
    orthogonalise,
)


def plain_orthogonalise(matrix: Tensor) -> Tensor:
    """Jordan et al. 2024, one matrix, in double precision."""
    x = matrix.double()
    x = x / x.norm()
    turned = x.shape[0] > x.shape[1]
    x = x.T if turned else x
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if turned else x


@pytest.mark.parametrize("shape", [(8, 8), (4, 20), (20, 4), (64, 32), (1, 5), (5, 1)])
def test_it_equals_a_loop_over_matrices(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(6, *shape)
    found = orthogonalise(matrices)
    for matrix, each in zip(matrices, found, strict=True):
        torch.testing.assert_close(each.double(), plain_orthogonalise(matrix), atol=2e-4, rtol=1e-3)
        torch.testing.assert_close(orthogonalise(matrix[None])[0], each, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(16, 16), (16, 48), (48, 16)])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_singular_values_come_near_one(shape: tuple[int, int], scale: float) -> None:
    torch.manual_seed(1)
    matrices = torch.randn(8, *shape) * scale
    values = torch.linalg.svdvals(orthogonalise(matrices))
    start = torch.linalg.svdvals(matrices / matrices.norm(dim=(1, 2), keepdim=True))
    # The quintic overshoots to 1.2; it lifts values of 0.01 to 0.6 and more.
    assert values.max() < 1.25
    assert values[start > 0.01].min() > 0.6


def test_singular_vectors_stay() -> None:
    torch.manual_seed(2)
    matrix = torch.randn(6, 10)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ orthogonalise(matrix[None])[0] @ v.T
    off = inner - torch.diag(torch.diag(inner))
    assert off.abs().max() < 1e-4
    assert (torch.diag(inner) > 0).all()


def test_small_singular_values_are_not_lost_in_rounding() -> None:
    """Wide matrices by their squares, in which a value of 1e-4 is 1e-8."""
    torch.manual_seed(5)
    values = torch.logspace(0, -4, 32, dtype=torch.float64)
    left = torch.linalg.qr(torch.randn(32, 32, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(128, 32, dtype=torch.float64))[0]
    matrix = (left * values @ right.T).float()
    found = orthogonalise(matrix[None])[0].double()
    expected = plain_orthogonalise(matrix)
    # All five steps from one square would be 1e-4 apart.
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_no_gradient_gives_no_update() -> None:
    assert torch.equal(orthogonalise(torch.zeros(2, 3, 4)), torch.zeros(2, 3, 4))


def test_steps_equal_a_plain_loop() -> None:
    torch.manual_seed(3)
    lr, decay, momentum = 0.02, 0.1, 0.95
    shapes = [(6, 4), (4, 6), (6, 4), (5, 5), (6, 4)]
    ours = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    plain = [matrix.detach().clone().double() for matrix in ours]
    averages = [torch.zeros_like(matrix) for matrix in plain]
    optimizer = Muon(ours, lr=lr, weight_decay=decay, momentum=momentum)
    for _ in range(4):
        for index, matrix in enumerate(ours):
            gradient = torch.randn(shapes[index])
            matrix.grad = gradient.clone()
            averages[index] = momentum * averages[index] + (1 - momentum) * gradient.double()
            looked = (1 - momentum) * gradient.double() + momentum * averages[index]
            plain[index] *= 1 - lr * decay
            step = lr * 0.2 * sqrt(max(shapes[index]))
            plain[index] -= step * plain_orthogonalise(looked)
        optimizer.step()
    for mine, theirs in zip(ours, plain, strict=True):
        torch.testing.assert_close(mine.detach().double(), theirs, atol=1e-4, rtol=1e-3)


def test_matrices_of_one_shape_do_not_touch_each_other() -> None:
    torch.manual_seed(4)
    start = [torch.randn(6, 4) for _ in range(5)]
    gradients = [torch.randn(6, 4) * 10**index for index in range(5)]

    def run(chosen: list[int]) -> dict[int, Tensor]:
        matrices = {index: nn.Parameter(start[index].clone()) for index in chosen}
        optimizer = Muon(matrices.values(), lr=0.1, weight_decay=0.1)
        for _ in range(3):
            for index, matrix in matrices.items():
                matrix.grad = gradients[index].clone()
            optimizer.step()
        return {index: matrix.detach() for index, matrix in matrices.items()}

    together = run([0, 1, 2, 3, 4])
    for index in range(5):
        torch.testing.assert_close(run([index])[index], together[index], atol=1e-5, rtol=1e-4)


def test_parameters_without_a_gradient_stay() -> None:
    matrices = [nn.Parameter(torch.ones(3, 3)) for _ in range(2)]
    matrices[0].grad = torch.randn(3, 3)
    Muon(matrices, lr=0.1, weight_decay=0.5).step()
    assert torch.equal(matrices[1].detach(), torch.ones(3, 3))
    assert not torch.equal(matrices[0].detach(), torch.ones(3, 3))


def plain_row_adam(table: Tensor, gradients: list[Tensor], lr: float) -> Tensor:
    """Row by row, in double precision; rows without a gradient wait."""
    table = table.double().clone()
    average, square = torch.zeros_like(table), torch.zeros(len(table), dtype=torch.float64)
    for step, gradient in enumerate(gradients, start=1):
        for row, values in enumerate(gradient.double()):
            if not values.any():
                continue
            average[row] = 0.9 * average[row] + 0.1 * values
            square[row] = 0.95 * square[row] + 0.05 * values.square().mean()
            size = (square[row] / (1 - 0.95**step)).sqrt() + 1e-8
            table[row] -= lr * average[row] / (1 - 0.9**step) / size
    return table


def test_rows_equal_a_plain_loop_and_the_others_stay() -> None:
    torch.manual_seed(6)
    start, gradients = torch.randn(7, 4), []
    table = nn.Parameter(start.clone())
    optimizer = RowAdam([table], lr=0.1)
    for rows in ([0, 2, 2], [2, 5], [0], [5, 5, 5]):
        # A row that is read twice has the sum of both gradients.
        values = torch.randn(len(rows), 4)
        table.grad = torch.sparse_coo_tensor(
            torch.tensor([rows]), values, (7, 4), check_invariants=True
        )
        gradients.append(torch.zeros(7, 4).index_add(0, torch.tensor(rows), values))
        optimizer.step()
    expected = plain_row_adam(start, gradients, lr=0.1)
    torch.testing.assert_close(table.detach().double(), expected, atol=1e-6, rtol=1e-5)
    for row in (1, 3, 4, 6):
        assert torch.equal(table.detach()[row], start[row])


def test_gradients_are_clipped_together_and_sparse_ones_are_not() -> None:
    torch.manual_seed(7)
    network = GPT(GPTSizes(30, 8, 16, 2, 1, tables=(32,)))
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape)
    table = network.tables[0].weight
    assert isinstance(table, nn.Parameter)
    sparse = torch.randn(table.shape).to_sparse(1)
    table.grad = sparse
    dense = [p for p in network.parameters() if p is not table]
    before = torch.cat([p.grad.flatten().clone() for p in dense if p.grad is not None])
    norm = clip_gradients(network, 2.0)
    after = torch.cat([p.grad.flatten() for p in dense if p.grad is not None])
    torch.testing.assert_close(norm, before.norm())
    torch.testing.assert_close(after, before * 2.0 / before.norm())
    assert torch.equal(table.grad.to_dense(), sparse.to_dense())
    # What is small enough stays.
    clip_gradients(network, 1e6)
    torch.testing.assert_close(
        after, torch.cat([p.grad.flatten() for p in dense if p.grad is not None])
    )


@pytest.mark.parametrize("rate", [None, 0.02])
@pytest.mark.parametrize("family", ["gpt", "lstm"])
def test_each_parameter_has_one_optimizer(family: str, rate: float | None) -> None:
    network = (
        GPT2(GPT2Sizes(30, 8, 8, 2, 2))
        if family == "gpt"
        else RecurrentNetwork(RecurrentSizes("lstm", 30, 8, 8))
    )
    optimizers = build_optimizers(
        network, learning_rate=0.01, matrix_learning_rate=rate, weight_decay=0.1
    )
    assert len(optimizers) == (1 if rate is None else 2)
    held = [p for o in optimizers for group in o.param_groups for p in group["params"]]
    assert len(held) == len({id(p) for p in held})
    assert {id(p) for p in held} == {id(p) for p in network.parameters()}
    names = {id(p): name for name, p in network.named_parameters()}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            assert group["peak"] == group["lr"]
            for parameter in group["params"]:
                inner = parameter.ndim == 2 and "embedding" not in names[id(parameter)]
                inner = inner and "positions" not in names[id(parameter)]
                assert inner == (group["weight_decay"] > 0)
                assert isinstance(optimizer, Muon) == (inner and rate is not None)
