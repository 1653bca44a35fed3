"""Compute and memory against the papers' figures, and against what PyTorch keeps."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import Network
from foretell.planning import shapes
from foretell.planning.published import find_published
from foretell.planning.resources import (
    HALF,
    KEPT,
    PRECISIONS,
    SHARDINGS,
    Memory,
    count_compute,
    count_memory,
)
from foretell.planning.shapes import Shape, count_parameters

ROWS, ROW = 3, 128
SIZES = {"vocabulary": 97, "context": ROW, "width": 64, "heads": 2}


def kept_bytes(network: Network, *, low: bool) -> int:
    """What autograd holds after a forward pass, parameters and autocast's copies of them not
    counted."""
    weights = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    shapes_of_copies = {tuple(w.shape) for w in network.parameters()}
    shapes_of_copies |= {shape[::-1] for shape in shapes_of_copies}
    held: dict[int, int] = {}

    def hold(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        copied = tensor.dtype == torch.bfloat16 and tuple(tensor.shape) in shapes_of_copies
        if storage.data_ptr() not in weights and not copied:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = torch.randint(0, SIZES["vocabulary"], (ROWS, ROW))
    with (
        torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=low),
    ):
        hidden, _ = network.learn(tokens, memory=None, segments=None, positions=None)
    assert hidden.requires_grad
    return sum(held.values())


NETWORKS = {
    "gpt2": lambda layers: GPT2(GPT2Sizes(**SIZES, layers=layers)),
    "gpt": lambda layers: GPT(GPTSizes(**SIZES, layers=layers, tables=(64,))),
    "llama": lambda layers: Llama(LlamaSizes(**SIZES, layers=layers, inner=176, key_heads=1)),
}
SHAPES = {
    "gpt2": shapes.gpt2(**SIZES, layers=1),
    "gpt": shapes.gpt(**SIZES, layers=1, tables=(64,)),
    "llama": shapes.llama(**SIZES, layers=1, inner=176, key_heads=1),
}


def activations(shape: Shape, precision: str) -> float:
    return count_memory(
        shape,
        sharding="ddp",
        ranks=1,
        rows=ROWS,
        row=ROW,
        precision=precision,
        recompute=False,
    ).activations


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", NETWORKS)
def test_a_layer_keeps_what_pytorch_keeps(family: str, precision: str) -> None:
    """Of a layer more: what the embedding and the last norm keep falls out of the difference.
    Left out of the formula: means, deviations and sums of exponentials, one number a token."""
    low = precision == HALF
    two, three = (kept_bytes(NETWORKS[family](layers), low=low) for layers in (2, 3))
    # The networks here have no dropout, so no masks.
    masks = KEPT[family](SHAPES[family]).masks * ROWS * ROW
    counted = activations(SHAPES[family], precision) - masks
    assert counted <= three - two
    assert counted == pytest.approx(three - two, rel=0.03)


def test_gpt2_in_sixteen_bits_keeps_the_34_bytes_of_the_paper() -> None:
    """Korthikanti et al. 2022, equation 1 without scores; the paper's stream has 16 bits too."""
    kept = KEPT["gpt2"](SHAPES["gpt2"])
    assert 2 * (kept.stream + kept.rest) + kept.masks == 34 * SIZES["width"]


def memory(shape: Shape, **changes: object) -> Memory:
    asked = {
        "sharding": "ddp",
        "ranks": 8,
        "rows": 1,
        "row": 64,
        "precision": HALF,
        "recompute": False,
    }
    return count_memory(shape, **{**asked, **changes})


def test_states_take_18_bytes_a_parameter_in_16_bit_and_16_in_float32() -> None:
    shape = find_published("gpt2").shape
    count = count_parameters(shape).total
    for precision, size in ((HALF, 18), ("float32", 16)):
        found = memory(shape, precision=precision)
        assert found.weights + found.gradients + found.optimiser == size * count


def test_shardings_divide_what_they_say() -> None:
    shape = find_published("gpt3-175b").shape
    ddp, zero1, fsdp = (memory(shape, sharding=kind) for kind in SHARDINGS)
    assert zero1 == replace(ddp, optimiser=ddp.optimiser / 8)
    assert fsdp.weights == ddp.weights / 8
    assert fsdp.gradients == ddp.gradients / 8
    assert fsdp.optimiser == ddp.optimiser / 8
    assert fsdp.gathered == count_parameters(shape).layer * (2 + 2 + 4)
    assert ddp.gathered == zero1.gathered == 0
    assert ddp.activations == zero1.activations == fsdp.activations


def test_one_rank_has_nothing_to_divide() -> None:
    shape = find_published("gpt2").shape
    assert memory(shape, sharding="fsdp", ranks=1) == memory(shape, sharding="ddp", ranks=1)


def test_recomputing_keeps_the_inputs_and_one_layer() -> None:
    shape = find_published("gpt2").shape
    tokens = 64
    layer = memory(shape).activations / shape.layers
    found = memory(shape, recompute=True)
    assert found.activations == shape.layers * tokens * shape.width * 4 + layer
    assert replace(found, activations=0) == replace(memory(shape), activations=0)


def test_total_is_the_sum_of_the_parts() -> None:
    found = Memory(1, 2, 3, 4, 5, 6)
    assert found.total == 21


def test_attention_is_twelve_layers_width_row_a_token() -> None:
    """Chowdhery et al. 2022, appendix B. GPT-3's is 2.8% of its 6 N D."""
    shape = find_published("gpt3-175b").shape
    compute = count_compute(shape, 300e9, row=2048)
    assert compute.attention == 12 * 96 * 12_288 * 2048 * 300e9
    assert compute.attention / compute.published == pytest.approx(0.028, abs=0.001)


def test_tables_are_among_the_published_and_not_among_the_done() -> None:
    small = {"vocabulary": 100, "context": 8, "width": 16, "heads": 2, "layers": 1}
    plain, tables = shapes.gpt(**small), shapes.gpt(**small, tables=(10_000,))
    few, many = (count_compute(shape, 1000, row=8) for shape in (plain, tables))
    assert many.published - few.published == 6 * 10_000 * 16 * 1000
    assert many.done == few.done
