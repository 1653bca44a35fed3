"""Llama: equal to the published one, logits and gradients, saved and read both ways."""

from pathlib import Path

import pytest
import torch

from foretell.models.neural import llama
from foretell.models.neural.layers import Stretch
from foretell.models.neural.llama import NAMES, Llama, LlamaSizes
from foretell.models.neural.published import Names
from tests.models.neural.peers import NOTHING, losses, peer_of, stir

SIZES = {
    "grouped": LlamaSizes(257, context=24, width=32, heads=4, layers=3, inner=40, key_heads=2),
    "tied": LlamaSizes(
        257,
        context=24,
        width=32,
        heads=2,
        layers=2,
        inner=64,
        key_heads=2,
        base=500_000.0,
        tied=True,
    ),
    "wide heads": LlamaSizes(
        257, context=24, width=32, heads=2, layers=2, inner=64, key_heads=1, head=24
    ),
    "slowed": LlamaSizes(
        257,
        context=24,
        width=32,
        heads=2,
        layers=2,
        inner=64,
        key_heads=2,
        stretch=Stretch(4.0, 16, 1.0, 4.0),
    ),
    "slowed alike": LlamaSizes(
        257,
        context=24,
        width=32,
        heads=2,
        layers=2,
        inner=64,
        key_heads=2,
        stretch=Stretch(3.0),
    ),
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SIZES)
def test_transformers_agrees_on_logits_and_gradients(kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    network = Llama(SIZES[kind])
    stir(network)
    theirs = peer_of(network, tmp_path / "ours", transformers.LlamaForCausalLM)
    tokens = torch.randint(0, 257, (3, 24), generator=torch.Generator().manual_seed(1))
    ours, mine, logits, loss = losses(network, theirs, tokens)
    torch.testing.assert_close(ours, logits, atol=1e-4, rtol=0)
    mine.backward()
    loss.backward()
    published = dict(theirs.named_parameters())
    for name, weight in network.named_parameters():
        gradient = published[NAMES.published(name)].grad
        torch.testing.assert_close(weight.grad, gradient, atol=1e-5, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SIZES)
def test_what_transformers_saves_can_be_read_back(kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    network = Llama(SIZES[kind])
    stir(network)
    theirs = peer_of(network, tmp_path / "ours", transformers.LlamaForCausalLM)
    theirs.save_pretrained(tmp_path / "theirs")
    back = llama.read_network(tmp_path / "theirs")
    assert back.sizes == network.sizes
    for name, weight in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], weight), name


def test_learning_and_reading_agree() -> None:
    network = stir(Llama(SIZES["grouped"])).eval()
    tokens = torch.randint(0, 257, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        learned, _ = network.learn(tokens, **NOTHING)
        memory, parts = network.empty_memory(2), []
        for piece in tokens.split([1, 6, 2, 11], dim=1):
            hidden, memory = network.read(piece, memory)
            parts.append(hidden)
    torch.testing.assert_close(torch.cat(parts, dim=1), learned, atol=1e-5, rtol=1e-4)


def test_names_turn_matrices_only_where_told() -> None:
    names = Names(whole={"norm.weight": "n"}, layers="h", parts={"a": "x", "b": "y"}, turned=("a",))
    weights = {
        "norm.weight": torch.ones(3),
        "layers.0.a.weight": torch.rand(2, 3),
        "layers.0.b.weight": torch.rand(2, 3),
    }
    out = names.export(weights)
    assert {name: tuple(w.shape) for name, w in out.items()} == {
        "n": (3,), "h.0.x.weight": (3, 2), "h.0.y.weight": (2, 3),
    }  # fmt: skip
    back = {name: names.turn(name, out[names.published(name)]) for name in weights}
    assert all(torch.equal(back[name], weights[name]) for name in weights)
