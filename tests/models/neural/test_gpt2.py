"""GPT-2: equal to the published one, packed rows equal to their chunks, memories that branch."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from foretell import models
from foretell.contracts.errors import ContextExceeded, DamagedModel
from foretell.corpus.batches import pack, with_boundaries
from foretell.models.neural import gpt2
from foretell.models.neural.gpt2 import GPT2, NAMES, GPT2Sizes
from foretell.models.neural.network import NeuralModel
from foretell.tokenizers import Bytes

SIZES = GPT2Sizes(vocabulary=257, context=24, width=32, heads=4, layers=3)


def stirred(sizes: GPT2Sizes = SIZES, seed: int = 0) -> GPT2:
    """Fresh projections are zero and would hide what attention does."""
    torch.manual_seed(seed)
    network = GPT2(sizes)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.15 * torch.randn_like(weight)
    return network


@pytest.mark.filterwarnings("ignore")
def test_transformers_reads_the_folder_and_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    model = NeuralModel(stirred(), Bytes())
    models.save(model, tmp_path / "gpt")
    theirs, report = transformers.GPT2LMHeadModel.from_pretrained(
        tmp_path / "gpt", output_loading_info=True
    )
    theirs.eval()
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert theirs.num_parameters() == model.parameters
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 256, (3, 23)).astype(np.int32)
    whole = torch.from_numpy(np.concatenate([np.full((3, 1), 256), tokens], axis=1))
    with torch.no_grad():
        out = theirs(whole, labels=whole)
        ours, _ = model.network.learn(whole, memory=None, segments=None, positions=None)
        torch.testing.assert_close(model.network.logits(ours), out.logits, atol=1e-4, rtol=0)
    step = model.begin(3)
    logprobs = model.advance(step.state, tokens, keep=23).logprobs
    logprobs = np.concatenate([step.logprobs, logprobs], axis=1)
    np.testing.assert_allclose(logprobs, out.logits.log_softmax(-1).numpy(), atol=1e-4)
    assert -model.score(tokens).mean() == pytest.approx(float(out.loss), abs=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_what_transformers_saves_can_be_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    transformers = pytest.importorskip("transformers")
    network = stirred()
    models.save(NeuralModel(network, Bytes()), tmp_path / "ours")
    transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "ours").save_pretrained(
        tmp_path / "theirs"
    )
    back = gpt2.read_network(tmp_path / "theirs").state_dict()
    for name, weight in network.state_dict().items():
        assert torch.equal(back[name], weight), name


def test_names_are_reversible() -> None:
    weights = dict(stirred().state_dict())
    published = NAMES.export(weights)
    for name, weight in weights.items():
        back = published[NAMES.published(name)]
        assert tuple(back.shape) == NAMES.shape(name, weight)
        assert torch.equal(NAMES.turn(name, back), weight)
    assert published["transformer.h.0.attn.c_attn.weight"].shape == (32, 96)


def test_a_folder_with_odd_weights_is_damaged(tmp_path: Path) -> None:
    from foretell.models.neural.network import write_weights

    network = stirred()
    model = NeuralModel(network, Bytes())
    folder = tmp_path / "model"
    folder.mkdir()
    model.save(folder)
    weights = NAMES.export(dict(network.state_dict()))
    weights.pop("transformer.ln_f.bias")
    write_weights(folder / "model.safetensors", weights)
    from foretell.storage import seal

    seal(folder, {"format": models.FORMAT, "family": "gpt2"})
    with pytest.raises(DamagedModel, match=r"ln_f\.bias"):
        models.load(folder)


def test_gpt2_small_has_its_published_size() -> None:
    with torch.device("meta"):
        network = GPT2(GPT2Sizes(50257, 1024, 768, 12, 12))
    assert sum(p.numel() for p in network.parameters()) == 124_439_808


def losses(network: GPT2, batch, alone: bool) -> list[float]:
    """Nats of the chunks of a packed batch, read together or each in a row of its own."""
    out = []
    for b in range(len(batch.tokens)):
        segments = batch.segments[b] if batch.segments is not None else batch.scored[b].astype(int)
        for segment in range(1, segments.max() + 1):
            at = np.flatnonzero(segments == segment)
            targets = torch.from_numpy(batch.targets[b, at].astype(np.int64))
            if alone:
                tokens = torch.from_numpy(batch.tokens[b : b + 1, at].astype(np.int64))
                hidden, _ = network.learn(tokens, memory=None, segments=None, positions=None)
                hidden = hidden[0]
            else:
                hidden, _ = network.learn(
                    torch.from_numpy(batch.tokens.astype(np.int64)),
                    memory=None,
                    segments=torch.from_numpy(batch.segments.astype(np.int64)),
                    positions=torch.from_numpy(batch.positions.astype(np.int64)),
                )
                hidden = hidden[b, at]
            out.append(float(F.cross_entropy(network.logits(hidden), targets, reduction="sum")))
    return out


@torch.no_grad()
def test_a_packed_row_costs_what_its_chunks_cost_alone() -> None:
    network = stirred().eval()
    generator = np.random.default_rng(1)
    documents = with_boundaries(
        [generator.integers(0, 256, n).astype(np.int32) for n in (3, 0, 30, 9, 1, 5, 60, 12, 7)],
        256,
    )
    packed = [b for b in pack(documents, rows=3, width=24, key=(0, 0)) if b.segments is not None]
    assert packed
    for batch in packed:
        together, alone = losses(network, batch, False), losses(network, batch, True)
        assert len(together) > len(batch.tokens)
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)


def test_gradients_of_a_packed_row_are_those_of_its_chunks() -> None:
    network = stirred().eval()
    tokens = torch.randint(0, 256, (1, 12), generator=torch.Generator().manual_seed(0))
    segments = torch.tensor([[1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 0]])
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 1, 0]])

    def gradient(parts: list[tuple[slice, bool]]) -> torch.Tensor:
        network.zero_grad()
        for at, packed in parts:
            hidden, _ = network.learn(
                tokens if packed else tokens[:, at],
                memory=None,
                segments=segments if packed else None,
                positions=positions if packed else None,
            )
            hidden = hidden[:, at] if packed else hidden
            network.logits(hidden).log_softmax(-1)[..., 7].sum().backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    alone = gradient([(slice(0, 5), False), (slice(5, 9), False), (slice(9, 11), False)])
    together = gradient([(slice(0, 11), True)])
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=1e-4)


def test_learning_and_reading_agree() -> None:
    network = stirred().eval()
    tokens = torch.randint(0, 256, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        learned, _ = network.learn(tokens, memory=None, segments=None, positions=None)
        memory, parts = network.empty_memory(2), []
        for piece in tokens.split([1, 6, 2, 11], dim=1):
            hidden, memory = network.read(piece, memory)
            parts.append(hidden)
    torch.testing.assert_close(torch.cat(parts, dim=1), learned, atol=1e-5, rtol=1e-4)


def test_an_old_state_reads_on_after_a_newer_one() -> None:
    model = NeuralModel(stirred(), Bytes())

    def fresh(text: str) -> np.ndarray:
        tokens = np.frombuffer(text.encode(), np.uint8).astype(np.int32)[None]
        return model.advance(model.begin().state, tokens).logprobs

    def go_on(state, text: str):
        return model.advance(state, np.frombuffer(text.encode(), np.uint8).astype(np.int32)[None])

    root = go_on(model.begin().state, "ab").state
    new = go_on(root, "cd")
    old = go_on(root, "xyz")
    np.testing.assert_allclose(new.logprobs, fresh("abcd"), atol=1e-5)
    np.testing.assert_allclose(old.logprobs, fresh("abxyz"), atol=1e-5)
    np.testing.assert_allclose(go_on(new.state, "e").logprobs, fresh("abcde"), atol=1e-5)
    np.testing.assert_allclose(go_on(old.state, "e").logprobs, fresh("abxyze"), atol=1e-5)
    np.testing.assert_allclose(go_on(root, "q").logprobs, fresh("abq"), atol=1e-5)
    np.testing.assert_allclose(go_on(new.state, "f").logprobs, fresh("abcdf"), atol=1e-5)
    # Truncated below a branch, then read on, the branch stays what it was.
    back = go_on(new.state.truncate(np.array([2], np.int32)), "zz")
    np.testing.assert_allclose(back.logprobs, fresh("azz"), atol=1e-5)
    np.testing.assert_allclose(go_on(new.state, "e").logprobs, fresh("abcde"), atol=1e-5)


def test_rows_of_one_buffer_part_ways() -> None:
    model = NeuralModel(stirred(), Bytes())
    one = model.advance(model.begin().state, np.array([[1, 2, 3]], np.int32)).state
    three = one.select([0, 0, 0])
    nexts = np.array([[4], [5], [6]], np.int32)
    step = model.advance(model.advance(three, nexts).state, nexts)
    for row, token in enumerate((4, 5, 6)):
        tokens = np.array([[1, 2, 3, token, token]], np.int32)
        alone = model.advance(model.begin().state, tokens).logprobs
        np.testing.assert_allclose(step.logprobs[row : row + 1], alone, atol=1e-5)


def test_the_newest_state_appends_in_place() -> None:
    """Or decoding would copy its cache at each token."""
    model = NeuralModel(stirred(), Bytes())
    state = model.advance(model.begin().state, np.zeros((1, 3), np.int32)).state
    buffer = state.memory.buffers[0]
    for _ in range(8):
        state = model.advance(state, np.zeros((1, 1), np.int32)).state
    assert state.memory.buffers[0] is buffer


def test_more_than_the_context_is_refused_before_reading() -> None:
    model = NeuralModel(stirred(), Bytes())
    state = model.begin().state
    with pytest.raises(ContextExceeded, match="at most 24"):
        model.advance(state, np.zeros((1, 24), np.int32))
    full = model.advance(state, np.zeros((1, 23), np.int32))
    assert full.state.lengths.tolist() == [24]
    with pytest.raises(ContextExceeded):
        model.score(np.zeros((1, 25), np.int32))
    assert model.score(np.zeros((1, 24), np.int32)).shape == (1, 24)
