"""Models in GGUF files: what is written opens as the same model, and odd files are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.interop.gguf import Texts, read_gguf, write_gguf
from foretell.interop.gguf_blocks import BY_NAME
from foretell.interop.gguf_models import SLOWED, open_gguf, write_model
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.layers import Stretch
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import NeuralModel
from foretell.testing.laws import check_laws
from foretell.tokenizers import Characters, Subwords, Words
from tests.models.neural.peers import stir

TEXTS = ["the cat sat on the mat, 床前明月光 ok " * 3, "a dog ate the cat's 123 hats\n" * 4]
TOKENIZER = Subwords.train(TEXTS, size=280)
SAMPLES = ["the cat's 123 hats", "床前明月光 and 鹅", " \n\n a  b", "<|endoftext|> é"]


def llama(**more: Any) -> NeuralModel:
    sizes = {"context": 32, "width": 32, "heads": 4, "layers": 2, "inner": 64, "key_heads": 2}
    return NeuralModel(stir(Llama(LlamaSizes(280, **{**sizes, **more}))), TOKENIZER)


def gpt2() -> NeuralModel:
    return NeuralModel(stir(GPT2(GPT2Sizes(280, 32, 32, heads=2, layers=2))), TOKENIZER)


MODELS = {
    "llama": llama(),
    "llama, tied": llama(tied=True),
    "llama, wide heads": llama(head=16, heads=3, key_heads=3),
    "llama, slowed alike": llama(stretch=Stretch(4.0)),
    "llama, slowed by degrees": llama(stretch=Stretch(8.0, 8192, 1.0, 4.0), head=32, base=5e5),
    "llama, opened": llama(opening=65),
    "gpt2": gpt2(),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_is_written_opens_as_the_same_model(name: str, tmp_path: Path) -> None:
    model = MODELS[name]
    write_model(model, tmp_path / "model.gguf", "F16")
    back = open_gguf(tmp_path / "model.gguf")
    assert back.family == model.family
    assert (back.tokenizer.boundary, back.context) == (model.tokenizer.boundary, model.context)
    assert back.network.sizes.opening == model.network.sizes.opening
    weights = back.network.state_dict()
    for ours, weight in model.network.state_dict().items():
        expected = weight if weight.ndim == 1 else weight.half().float()
        assert torch.equal(weights[ours], expected), ours
    for text in SAMPLES:
        tokens = model.tokenizer.encode(text).tokens
        assert back.tokenizer.encode(text).tokens.tolist() == tokens.tolist()
        assert back.tokenizer.decode(tokens) == text
    row = model.tokenizer.encode(SAMPLES[0]).tokens[None]
    np.testing.assert_allclose(back.score(row), model.score(row), atol=0.05)


def test_slowed_positions_come_back_as_they_were(tmp_path: Path) -> None:
    write_model(MODELS["llama, slowed by degrees"], tmp_path / "model.gguf")
    stretch = open_gguf(tmp_path / "model.gguf").network.sizes.stretch
    assert isinstance(stretch, Stretch)
    assert stretch.original == pytest.approx(8192, rel=1e-3)
    assert (stretch.factor, stretch.low, stretch.high) == (8.0, 1.0, 4.0)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_as_many_bits_lose_nothing(name: str, tmp_path: Path) -> None:
    model = MODELS[name]
    write_model(model, tmp_path / "model.gguf", "F32")
    back = open_gguf(tmp_path / "model.gguf")
    row = model.tokenizer.encode(SAMPLES[0]).tokens[None]
    assert np.array_equal(back.score(row), model.score(row))


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_fewer_bits_stay_near(kind: Any, tmp_path: Path) -> None:
    model = MODELS["llama"]
    write_model(model, tmp_path / "model.gguf", kind)
    file = read_gguf(tmp_path / "model.gguf")
    assert file.tensors["blk.0.attn_q.weight"].kind.name == kind
    assert file.tensors["output_norm.weight"].kind.name == "F32"
    weight = model.network.state_dict()["layers.0.down.weight"]
    found = open_gguf(tmp_path / "model.gguf").network.state_dict()["layers.0.down.weight"]
    step = {"Q8_0": 1 / 127, "Q4_0": 1 / 8}[kind]
    assert float((found - weight).abs().max()) <= 1.01 * step * float(weight.abs().max())


def test_an_opened_model_keeps_the_laws(tmp_path: Path) -> None:
    write_model(MODELS["llama, opened"], tmp_path / "model.gguf")
    results = check_laws(open_gguf(tmp_path / "model.gguf"))
    assert not [result for result in results if not result.passed]


def test_what_a_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    network = GPT(GPTSizes(280, context=16, width=32, heads=2, layers=1))
    with pytest.raises(ForetellError, match="no gpt;"):
        write_model(NeuralModel(network, TOKENIZER), path)
    for tokenizer in (Characters.train(TEXTS), Words.train(TEXTS)):
        sizes = LlamaSizes(tokenizer.vocabulary_size, 16, 32, 2, 1, 32, 2)
        with pytest.raises(ForetellError, match="tokenizer"):
            write_model(NeuralModel(Llama(sizes), tokenizer), path)
    assert not path.exists()


@pytest.fixture
def file(tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts and tensors of a file, to be changed."""
    write_model(MODELS["llama"], tmp_path / "model.gguf", "F16")
    found = read_gguf(tmp_path / "model.gguf")
    facts = {n: f[:] if isinstance(f, Texts) else f for n, f in found.facts.items()}
    tensors = {n: (stored.kind, found.tensor(n)) for n, stored in found.tensors.items()}
    return facts, tensors


def half(*shape: int) -> Any:
    return BY_NAME["F16"], np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"general.architecture": "rwkv"}, "general.architecture"),
        ({"llama.block_count": 3}, "is missing"),
        ({"llama.block_count": 2**31}, "llama.block_count"),
        ({"llama.embedding_length": 64}, "token_embd|attn"),
        ({"llama.attention.head_count": 0}, "head_count"),
        ({"llama.attention.head_count_kv": 3}, "head_count_kv"),
        ({"llama.rope.dimension_count": 4}, "rope.dimension_count"),
        ({"llama.rope.freq_base": "high"}, "rope.freq_base"),
        ({"llama.rope.scaling.type": "yarn"}, "rope.scaling.type"),
        ({"tokenizer.ggml.model": "t5"}, "tokenizer.ggml.model"),
        ({"tokenizer.ggml.pre": "tekken"}, "tokenizer.ggml.pre"),
        ({"tokenizer.ggml.eos_token_id": 280}, "eos_token_id"),
        ({"tokenizer.ggml.tokens": ["a", "a"]}, "tokens has a token twice"),
        ({"tokenizer.ggml.tokens": ["a"]}, "token_type"),
        ({"tokenizer.ggml.tokens": 5}, "tokens is no list"),
        ({"tokenizer.ggml.merges": ["a b c d"]}, "tokenizer.ggml: .* merges, cannot be read"),
        ({"tokenizer.ggml.token_type": np.zeros(3, np.int32)}, "token_type"),
    ],
)
def test_facts_that_do_not_fit_are_refused_by_name(
    file: Any, change: dict[str, Any], named: str, tmp_path: Path
) -> None:
    facts, tensors = file
    write_gguf(tmp_path / "bad.gguf", {**facts, **change}, tensors)
    with pytest.raises(ForetellError, match=named):
        open_gguf(tmp_path / "bad.gguf")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"token_embd.weight": half(10, 32)}, "token_embd.weight has 10 rows"),
        ({"blk.1.ffn_up.weight": half(32, 32)}, "blk.1.ffn_up.weight"),
        ({"blk.7.ffn_up.weight": half(64, 32)}, "blk.7.ffn_up.weight is not used"),
        ({SLOWED: half(4)}, SLOWED),
        ({SLOWED: (BY_NAME["F32"], np.array([1, 3, 2, 8], np.float32))}, SLOWED),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    file: Any, change: dict[str, Any], named: str, tmp_path: Path
) -> None:
    facts, tensors = file
    write_gguf(tmp_path / "bad.gguf", facts, {**tensors, **change})
    with pytest.raises(DamagedModel, match=named):
        open_gguf(tmp_path / "bad.gguf")


def test_norms_of_another_epsilon_are_refused(tmp_path: Path) -> None:
    """GPT-2's is not asked for elsewhere, so a file that says another would be read wrongly."""
    write_model(MODELS["gpt2"], tmp_path / "good.gguf", "F16")
    good = (tmp_path / "good.gguf").read_bytes()
    written = np.float32(1e-5).tobytes()
    assert good.count(written) >= 1
    at = good.index(b"layer_norm_epsilon")
    at = good.index(written, at)
    (tmp_path / "bad.gguf").write_bytes(good[:at] + np.float32(1e-6).tobytes() + good[at + 4 :])
    with pytest.raises(ForetellError, match="layer_norm_epsilon is 1e-06"):
        open_gguf(tmp_path / "bad.gguf")


def test_a_piece_too_long_to_be_cut_everywhere_is_refused(file: Any, tmp_path: Path) -> None:
    """Each of its cuts is looked up, which takes the square of its length."""
    facts, tensors = file
    tokens = list(facts["tokenizer.ggml.tokens"])
    tokens[5] = "x" * 1_000_000
    change = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": np.zeros(len(tokens), np.float32),
    }
    write_gguf(tmp_path / "bad.gguf", {**facts, **change}, tensors)
    with pytest.raises(DamagedModel, match="tokens has one of 1000000 letters"):
        open_gguf(tmp_path / "bad.gguf")


def test_scores_make_the_merges_of_sentence_piece(tmp_path: Path) -> None:
    """A vocabulary as Llama 2's, against the same as a tokenizer of the library."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    letters = sorted(set("▁thecasondgm床前明月光"))
    joined = ["▁t", "he", "▁the", "at", "▁a", "▁cat", "明月"]
    tokens = [*pieces, *letters, *joined]
    kinds = np.array([2, 3, 3, *[6] * 256, *[1] * (len(letters) + len(joined))], np.int32)
    scores = np.zeros(len(tokens), np.float32)
    scores[-len(joined) :] = -np.arange(len(joined))
    scores[-len(joined) - len(letters) : -len(joined)] = -1000
    facts = {
        "general.architecture": "llama",
        "llama.context_length": 16,
        "llama.embedding_length": 8,
        "llama.block_count": 1,
        "llama.feed_forward_length": 8,
        "llama.attention.head_count": 1,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    sizes = LlamaSizes(len(tokens), 16, 8, 1, 1, 8, 1, tied=True)
    weights = stir(Llama(sizes)).state_dict()
    from foretell.interop.gguf_models import LLAMA

    tensors = {
        LLAMA.published(name): (BY_NAME["F32"], weight.numpy()) for name, weight in weights.items()
    }
    write_gguf(tmp_path / "model.gguf", facts, tensors)
    model = open_gguf(tmp_path / "model.gguf")
    merges = [
        ("▁", "t"),
        ("h", "e"),
        ("▁t", "he"),
        ("a", "t"),
        ("▁", "a"),
        ("▁c", "at"),
        ("明", "月"),
    ]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    known = [pair for pair in merges if pair[0] in vocabulary and pair[1] in vocabulary]
    peer = Tokenizer(
        models.BPE(vocabulary, known, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    peer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    peer.decoder = decoders.Fuse()
    for text in ("the cat", "床前明月光", "a the\nzebra"):
        expected = peer.encode(text, add_special_tokens=False).ids
        assert model.tokenizer.encode(text).tokens.tolist() == expected
        assert model.tokenizer.decode(model.tokenizer.encode(text).tokens) == text
    assert model.network.sizes.opening == 1
