"""Weights of others: read whole or refused by name, before anything is made of their size."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from foretell import models
from foretell.contracts.errors import DamagedModel
from foretell.fields import read_fields
from foretell.models.neural import gpt2, llama
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.layers import Stretch, speeds
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import NeuralModel
from foretell.models.neural.published import NotNative, Safetensors, find_edges
from foretell.tokenizers import Bytes
from tests.models.neural.peers import stir

SIZES = LlamaSizes(257, context=16, width=16, heads=2, layers=2, inner=24, key_heads=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    models.save(NeuralModel(stir(Llama(SIZES)), Bytes()), tmp_path / "model")
    return tmp_path / "model"


def change(folder: Path, **facts: Any) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **facts}), "utf-8")


def test_shards_are_one_model(folder: Path) -> None:
    whole = load_file(folder / "model.safetensors")
    names = sorted(whole)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, mine in parts.items():
        save_file({name: whole[name] for name in mine}, folder / file)
    index = {"weight_map": {name: file for file, mine in parts.items() for name in mine}}
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    found = llama.read_network(folder).state_dict()
    for name, weight in stir(Llama(SIZES)).state_dict().items():
        assert found[name].shape == weight.shape
    assert torch.equal(found["embedding.weight"], whole["model.embed_tokens.weight"])


def test_an_index_names_files_beside_it_only(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    for bad in ({"a": "../model.safetensors"}, {"a": 3}, {}):
        index = {"weight_map": bad}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
        with pytest.raises(DamagedModel, match="weight_map"):
            Safetensors(folder)


def test_half_precision_is_read_as_float32(folder: Path) -> None:
    whole = load_file(folder / "model.safetensors")
    save_file({name: w.bfloat16() for name, w in whole.items()}, folder / "model.safetensors")
    found = llama.read_network(folder).state_dict()
    assert all(weight.dtype == torch.float32 for weight in found.values())
    rounded = whole["model.norm.weight"].bfloat16().float()
    assert torch.equal(found["norm.weight"], rounded)


def test_pickles_are_refused_by_name(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
    with pytest.raises(DamagedModel, match=r"pytorch_model\.bin is a pickle"):
        llama.read_network(folder)


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"hidden_size": 32}, "is"),
        ({"num_hidden_layers": 3}, "is missing"),
        ({"num_hidden_layers": 1}, "is not used"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"hidden_size": 10**12}, "hidden_size"),
        ({"num_attention_heads": 3}, "q_proj"),
        ({"num_key_value_heads": 0}, "num_key_value_heads"),
        ({"vocab_size": 2**30}, "embed_tokens"),
        ({"intermediate_size": 2**23}, "mlp"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps"),
        ({"rope_theta": -1}, "rope_theta"),
        ({"eos_token_id": 300}, "eos_token_id"),
        ({"rope_scaling": {"rope_type": "linear"}}, "factor"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_by_name(
    folder: Path, facts: dict[str, Any], named: str
) -> None:
    change(folder, **facts)
    with pytest.raises(DamagedModel, match=named):
        llama.read_network(folder)


@pytest.mark.parametrize(
    "facts",
    [
        {"hidden_act": "gelu"},
        {"attention_bias": True},
        {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}},
        {"quantization_config": {"bits": 4}},
    ],
)
def test_what_is_not_built_in_is_told_from_damage(folder: Path, facts: dict[str, Any]) -> None:
    change(folder, **facts)
    with pytest.raises(NotNative, match=next(iter(facts)).split("_")[0]):
        llama.read_network(folder)


def test_a_damaged_file_is_named(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DamagedModel, match=r"model\.safetensors"):
        llama.read_network(folder)


def test_texts_may_begin_with_another_token_than_they_end_with(folder: Path) -> None:
    plain = llama.read_network(folder).eval()
    change(folder, bos_token_id=3)
    assert find_edges(folder, read_fields(folder / "config.json"), 257) == (256, 3)
    network = llama.read_network(folder)
    assert network.sizes.opening == 3
    opened = NeuralModel(network, Bytes())
    with torch.no_grad():
        hidden, _ = plain.read(torch.tensor([[3]]), plain.empty_memory(1))
        expected = plain.logits(hidden)[0, -1].log_softmax(-1)
    found = torch.from_numpy(opened.begin().logprobs[0, -1])
    torch.testing.assert_close(found, expected)
    models.save(opened, folder.parent / "again")
    again = llama.read_network(folder.parent / "again")
    assert again.sizes == network.sizes


def test_generation_config_may_hold_the_edges(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    del config["eos_token_id"], config["bos_token_id"]
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(DamagedModel, match="eos_token_id"):
        llama.read_network(folder)
    edges = {"eos_token_id": [5, 6], "bos_token_id": 5}
    (folder / "generation_config.json").write_text(json.dumps(edges), "utf-8")
    assert find_edges(folder, read_fields(folder / "config.json"), 257) == (5, None)


def test_gpt2_without_prefix_and_with_masks(tmp_path: Path) -> None:
    network = stir(GPT2(GPT2Sizes(257, context=8, width=16, heads=2, layers=2)))
    models.save(NeuralModel(network, Bytes()), tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    bare = {name.removeprefix("transformer."): w for name, w in load_file(file).items()}
    bare |= {f"h.{i}.attn.bias": torch.ones(1, 1, 8, 8) for i in range(2)}
    save_file(bare, file)
    back = gpt2.read_network(tmp_path / "model")
    for name, weight in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], weight), name


def test_slowed_positions_are_as_published() -> None:
    """Llama 3.1's numbers, by the published formula written out."""
    size, base, stretch = 64, 500_000.0, Stretch(8.0, 8192, 1.0, 4.0)
    for plain, slowed in zip(
        speeds(size, base).tolist(), speeds(size, base, stretch).tolist(), strict=True
    ):
        wavelength = 2 * torch.pi / plain
        if wavelength > 8192:
            expected = plain / 8
        elif wavelength < 8192 / 4:
            expected = plain
        else:
            smooth = (8192 / wavelength - 1) / (4 - 1)
            expected = (1 - smooth) * plain / 8 + smooth * plain
        assert slowed == pytest.approx(expected, rel=1e-6)
    assert torch.equal(speeds(size, base, Stretch(2.0)), speeds(size, base) / 2)
