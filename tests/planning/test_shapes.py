"""The closed forms against the networks themselves, built on PyTorch's meta device."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.models.neural.gpt import GPTSizes
from foretell.planning import shapes
from foretell.planning.probe import build_network
from foretell.planning.published import MODELS
from foretell.planning.shapes import Shape, count_parameters, read_shape


def build(shape: Shape) -> nn.Module:
    """The network of a shape, with shapes and no numbers."""
    with torch.device("meta"):
        network: nn.Module = build_network(shape)
    return network


def numel(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


SMALL = {"vocabulary": 97, "context": 32, "width": 24, "heads": 4, "layers": 3}
SHAPES = {
    "gpt2": shapes.gpt2(**SMALL),
    "gpt": shapes.gpt(**SMALL),
    "gpt with tables": shapes.gpt(**SMALL, tables=(64, 128)),
    "llama": shapes.llama(**SMALL, inner=40),
    "llama, tied": shapes.llama(**SMALL, inner=40, tied=True),
    "llama, few keys": shapes.llama(**SMALL, inner=40, key_heads=2),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_counts_are_exact_part_by_part(shape: Shape) -> None:
    network, count = build(shape), count_parameters(shape)
    assert count.total == numel(network)
    assert count.layer == numel(network.layers[0])
    tables = [network.embedding, *getattr(network, "tables", [])]
    tables += [network.positions] if shape.family == "gpt2" else []
    looked_up = sum(numel(table) for table in tables)
    assert count.looked_up == looked_up - (numel(network.embedding) if shape.tied else 0)
    assert count.multiplied == count.total - count.looked_up


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_published_sizes_are_counted_as_their_networks(model) -> None:
    assert count_parameters(model.shape).total == numel(build(model.shape))


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ForetellError, match="choose from gpt2, llama, gpt"):
        count_parameters(Shape("mamba", 10, 10, 10, 1, 1, 10, 1, True))


CONFIGS = {
    "gpt2": {
        "model_type": "gpt2",
        "vocab_size": 97,
        "n_positions": 32,
        "n_embd": 24,
        "n_head": 4,
        "n_layer": 3,
    },
    "llama, few keys": {
        "model_type": "llama",
        "vocab_size": 97,
        "max_position_embeddings": 32,
        "hidden_size": 24,
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "intermediate_size": 40,
        "num_key_value_heads": 2,
        "tie_word_embeddings": False,
    },
    "gpt with tables": {
        "model_type": "foretell-gpt",
        "sizes": asdict(GPTSizes(**SMALL, tables=(64, 128))),
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_folder_says_its_shape(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]))
    assert read_shape(tmp_path) == SHAPES[name]


def test_folders_without_a_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ForetellError, match=r"no config\.json that can be read"):
        read_shape(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ForetellError, match="holds a bert"):
        read_shape(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(DamagedModel, match="'n_positions'"):
        read_shape(tmp_path)
