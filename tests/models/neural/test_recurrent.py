"""RNN, GRU and LSTM against their equations, written out from the weights on disk."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from foretell import models
from foretell.models.neural.network import UnlimitedModel
from foretell.models.neural.noise import Noise, set_noise
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.tokenizers import Bytes

CELLS = ["rnn", "gru", "lstm"]


def build(cell: str, layers: int = 2, dropout: float = 0.3) -> UnlimitedModel:
    torch.manual_seed(0)
    network = RecurrentNetwork(RecurrentSizes(cell, 257, 10, 14, layers, dropout))  # type: ignore[arg-type]
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.2 * torch.randn_like(weight)
    return UnlimitedModel(network, Bytes())


def by_hand(folder: Path, cell: str, tokens: list[int]) -> Tensor:
    """ln P of every token after each of `tokens`, (T, V), one step at a time."""
    w = {name: weight.double() for name, weight in load_file(folder / "model.safetensors").items()}
    sizes = json.loads((folder / "config.json").read_text())["sizes"]
    h = [torch.zeros(sizes["hidden"], dtype=torch.float64) for _ in range(sizes["layers"])]
    c = [torch.zeros_like(each) for each in h]
    out = []
    for token in tokens:
        x = w["embedding.weight"][token]
        for n in range(sizes["layers"]):
            a = w[f"cells.{n}.weight_ih_l0"] @ x + w[f"cells.{n}.bias_ih_l0"]
            b = w[f"cells.{n}.weight_hh_l0"] @ h[n] + w[f"cells.{n}.bias_hh_l0"]
            if cell == "rnn":
                h[n] = torch.tanh(a + b)
            elif cell == "gru":
                (reset_a, update_a, new_a), (reset_b, update_b, new_b) = a.chunk(3), b.chunk(3)
                reset, update = torch.sigmoid(reset_a + reset_b), torch.sigmoid(update_a + update_b)
                h[n] = (1 - update) * torch.tanh(new_a + reset * new_b) + update * h[n]
            else:
                enter, forget, new, leave = (a + b).chunk(4)
                c[n] = torch.sigmoid(forget) * c[n] + torch.sigmoid(enter) * torch.tanh(new)
                h[n] = torch.sigmoid(leave) * torch.tanh(c[n])
            x = h[n]
        hidden = w["projection.weight"] @ x + w["projection.bias"]
        out.append((w["embedding.weight"] @ hidden + w["bias"]).log_softmax(0))
    return torch.stack(out)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_equations(cell: str, layers: int, tmp_path: Path) -> None:
    model = build(cell, layers)
    models.save(model, tmp_path / "model")
    tokens = np.random.default_rng(0).integers(0, 256, 30).astype(np.int32)
    expected = by_hand(tmp_path / "model", cell, [256, *tokens.tolist()]).numpy()
    step = model.begin()
    after = model.advance(step.state, tokens[None], keep=30).logprobs
    np.testing.assert_allclose(step.logprobs[0, 0], expected[0], atol=1e-4)
    np.testing.assert_allclose(after[0], expected[1:], atol=1e-4)
    scores = expected[np.arange(30), tokens]
    np.testing.assert_allclose(model.score(tokens[None])[0], scores, atol=1e-4)
    loss = -float(models.load(tmp_path / "model").score(tokens[None]).mean())
    assert loss == pytest.approx(-scores.mean(), abs=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_documents_side_by_side_score_as_each_alone(cell: str) -> None:
    model = build(cell)
    generator = np.random.default_rng(1)
    documents = [generator.integers(0, 256, n).astype(np.int32) for n in (0, 1, 9, 40, 7, 33, 8)]
    found = model.score_documents(documents, rows=3, chunk=8)
    for document, scores in zip(documents, found, strict=True):
        assert scores.dtype == np.float32
        assert scores.shape == document.shape
        np.testing.assert_allclose(scores, model.score(document[None])[0], atol=1e-5)
    assert model.score_documents([]) == []


@pytest.mark.parametrize("cell", CELLS)
def test_learning_carries_the_state(cell: str) -> None:
    network = build(cell).network
    tokens = torch.randint(0, 256, (2, 12), generator=torch.Generator().manual_seed(0))
    nothing = {"segments": None, "positions": None}
    whole, _ = network.learn(tokens, memory=None, **nothing)
    first, memory = network.learn(tokens[:, :5], memory=None, **nothing)
    second, _ = network.learn(tokens[:, 5:], memory=memory, **nothing)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-5, rtol=1e-4)
    # The gradient ends at the cut: the memory is carried as numbers.
    second.sum().backward()
    assert network.embedding.weight.grad is not None
    used = network.embedding.weight.grad.abs().sum(1).nonzero().flatten().tolist()
    assert set(used) == set(tokens[:, 5:].flatten().tolist())


def test_packed_rows_are_refused() -> None:
    network = build("gru").network
    tokens = torch.zeros(1, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="lanes"):
        network.learn(tokens, memory=None, segments=tokens, positions=tokens)


@pytest.mark.parametrize("cell", CELLS)
def test_an_old_state_reads_on_after_a_newer_one(cell: str) -> None:
    model = build(cell)
    root = model.advance(model.begin().state, np.array([[1, 2]], np.int32)).state
    kept = [part.clone() for part in root.memory.parts]
    new = model.advance(root, np.array([[3, 4]], np.int32))
    assert all(torch.equal(a, b) for a, b in zip(root.memory.parts, kept, strict=True))
    again = model.advance(root, np.array([[3, 4]], np.int32))
    np.testing.assert_array_equal(new.logprobs, again.logprobs)


def test_dropout_is_for_training_alone() -> None:
    model = build("lstm")
    tokens = np.arange(20, dtype=np.int32)[None]
    np.testing.assert_array_equal(model.score(tokens), model.score(tokens))
    network = model.network.train()
    ids = torch.from_numpy(tokens.astype(np.int64))
    nothing = {"memory": None, "segments": None, "positions": None}
    hidden = []
    for update in (0, 0, 1):
        set_noise(network, Noise(seed=0, update=update, rows=[0]))
        hidden.append(network.learn(ids, **nothing)[0])
    assert torch.equal(hidden[0], hidden[1])
    assert not torch.equal(hidden[0], hidden[2])
    network.eval()


def test_an_lstm_begins_with_an_open_forget_gate() -> None:
    network = RecurrentNetwork(RecurrentSizes("lstm", 30, 4, 6))
    bias = network.cells[0].bias_ih_l0 + network.cells[0].bias_hh_l0
    assert bias.tolist() == [0.0] * 6 + [1.0] * 6 + [0.0] * 12
