"""Folders of Hugging Face's layout: opened natively and through `transformers`, equal to it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from foretell.contracts.errors import DamagedModel, MissingExtra
from foretell.contracts.language_model import LanguageModel
from foretell.interop import huggingface
from foretell.interop.doors import open_model
from foretell.models import load, save
from foretell.models.neural.network import NeuralModel
from foretell.testing.laws import check_laws

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")

TEXTS = ["the cat sat on the mat, and the dog ate 123 hats\n" * 5, "床前明月光，疑是地上霜。\n" * 5]
SAMPLES = ["the cat's 123 hats", "床前明月光 and 鹅", " \n\n a  b é"]
VOCABULARY = 330
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 48,
    "eos_token_id": 1,
    "bos_token_id": 0,
}
GPT = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 48}
EDGES = {"eos_token_id": 1, "bos_token_id": 1}
SCALED = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
CONFIGS: dict[str, Any] = {
    "gpt2": lambda: transformers.GPT2Config(**GPT, **EDGES),
    "llama": lambda: transformers.LlamaConfig(**SIZES, num_key_value_heads=2),
    "llama, tied": lambda: transformers.LlamaConfig(**SIZES, tie_word_embeddings=True),
    "llama, slowed": lambda: transformers.LlamaConfig(
        **SIZES,
        rope_parameters={**SCALED, "original_max_position_embeddings": 16, "rope_theta": 10_000.0},
    ),
    "qwen2": lambda: transformers.Qwen2Config(**SIZES, num_key_value_heads=2),
    "gemma2": lambda: transformers.Gemma2Config(
        **SIZES, num_key_value_heads=2, head_dim=8, sliding_window=8, query_pre_attn_scalar=8
    ),
    "mamba": lambda: transformers.MambaConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, state_size=4, **EDGES
    ),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**SIZES),
}
NATIVE = {"gpt2", "llama", "llama, tied", "llama, slowed"}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def write_tokenizer(folder: Path) -> None:
    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
        show_progress=False,
    )
    built.train_from_iterator(TEXTS, trainer)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=built, bos_token="<s>", eos_token="</s>"
    )
    fast.save_pretrained(folder)


def write(kind: str, folder: Path) -> Any:
    """A random model of theirs, and its folder."""
    torch.manual_seed(0)
    theirs = transformers.AutoModelForCausalLM.from_config(CONFIGS[kind]()).eval()
    with torch.no_grad():
        for weight in theirs.parameters():
            weight += 0.1 * torch.randn_like(weight)
    theirs.save_pretrained(folder)
    write_tokenizer(folder)
    return theirs


def expected(theirs: Any, model: LanguageModel, text: str) -> np.ndarray:
    """ln P of each token by their model, after its first token."""
    first = theirs.config.bos_token_id
    tokens = torch.from_numpy(model.tokenizer.encode(text).tokens.astype(np.int64))
    with torch.no_grad():
        logits = theirs(torch.cat([torch.tensor([first]), tokens])[None]).logits[0, :-1]
    return logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0].numpy()


@pytest.mark.parametrize("kind", CONFIGS)
def test_it_foretells_what_theirs_does(kind: str, tmp_path: Path) -> None:
    theirs = write(kind, tmp_path / "theirs")
    model = huggingface.open_folder(tmp_path / "theirs")
    assert (model.family != "adapted") == (kind in NATIVE)
    fast = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path / "theirs")
    for text in SAMPLES:
        tokens = model.tokenizer.encode(text).tokens
        assert tokens.tolist() == fast.encode(text, add_special_tokens=False)
        np.testing.assert_allclose(
            model.score(tokens[None])[0], expected(theirs, model, text), atol=1e-4
        )


@pytest.mark.parametrize("kind", CONFIGS)
def test_it_keeps_the_laws_and_is_saved(kind: str, tmp_path: Path) -> None:
    write(kind, tmp_path / "theirs")
    model = open_model(tmp_path / "theirs")
    results = check_laws(model)
    assert not [(result.law, result.message) for result in results if not result.passed]
    save(model, tmp_path / "ours")
    tokens = model.tokenizer.encode(SAMPLES[0]).tokens[None]
    np.testing.assert_allclose(
        load(tmp_path / "ours").score(tokens), model.score(tokens), atol=1e-6
    )
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    assert again.config.eos_token_id == 1
    fast = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path / "ours")
    assert fast.encode(SAMPLES[1], add_special_tokens=False) == (
        model.tokenizer.encode(SAMPLES[1]).tokens.tolist()
    )


def test_greedy_text_is_theirs(tmp_path: Path) -> None:
    theirs = write("llama", tmp_path / "theirs")
    model = huggingface.open_folder(tmp_path / "theirs")
    prompt = model.tokenizer.encode("the cat").tokens
    first = torch.tensor([[0, *prompt.tolist()]])
    made = theirs.generate(first, do_sample=False, max_new_tokens=30, min_new_tokens=30)
    step = model.advance(model.begin().state, prompt[None])
    out = []
    for _ in range(30):
        logprobs = step.logprobs[0, -1].copy()
        logprobs[model.tokenizer.boundary] = -np.inf
        out.append(int(logprobs.argmax()))
        step = model.advance(step.state, np.array([[out[-1]]], np.int32))
    assert out == made[0, first.shape[1] :].tolist()


def test_without_transformers_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("qwen2", tmp_path / "theirs")
    monkeypatch.setattr(
        huggingface, "find_spec", lambda name: None if name == "transformers" else 1
    )
    with pytest.raises(MissingExtra, match=r"qwen2.*foretell\[transformers\]"):
        huggingface.open_folder(tmp_path / "theirs")
    monkeypatch.setattr(huggingface, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"foretell\[neural\]"):
        huggingface.open_folder(tmp_path / "theirs")


def test_a_native_folder_needs_no_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("llama", tmp_path / "theirs")
    monkeypatch.setattr(
        huggingface, "find_spec", lambda name: None if name == "transformers" else 1
    )
    assert isinstance(huggingface.open_folder(tmp_path / "theirs"), NeuralModel)


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"model_type": None}, "model_type"),
        ({"model_type": "no-such-model"}, "transformers cannot open|no-such-model"),
        ({"vocab_size": "many"}, "vocab_size"),
        ({"vocab_size": 10}, "tokens up to"),
        ({"eos_token_id": None}, "eos_token_id"),
    ],
)
def test_odd_folders_are_refused_by_name(tmp_path: Path, facts: dict[str, Any], named: str) -> None:
    folder = tmp_path / "theirs"
    write("llama", folder)
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **facts}), "utf-8")
    with pytest.raises(DamagedModel, match=named):
        huggingface.open_folder(folder)


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({"model_type": "bert"}, "weight .* is missing"),
        ({"model_type": "t5"}, "model_type is 't5', no causal model"),
        ({"num_labels": 2**31 - 1}, "num_labels is more than"),
        ({"num_hidden_layers": 2**40, "layer_types": None}, "num_hidden_layers is more than"),
        ({"num_hidden_layers": 3, "layer_types": None}, r"weight model\.layers\.2\."),
        ({"num_hidden_layers": 60_000, "layer_types": None}, "config.json makes more than"),
        ({"hidden_size": 2**14}, r"weight lm_head\.weight is \(330, 32\), and by the sizes"),
        ({"intermediate_size": -1}, "intermediate_size"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"hidden_act": "gel"}, "hidden_act"),
        ({"dtype": "a\nb"}, "dtype"),
        ({"text_config": {"vocab_size": 300}}, "vocab_size|text_config|vocab"),
    ],
)
def test_what_transformers_would_make_of_odd_facts_is_refused_by_name(
    tmp_path: Path, facts: dict[str, Any], named: str
) -> None:
    """Some it would open with weights drawn at random, or not have memory enough for."""
    folder = tmp_path / "theirs"
    write("qwen2", folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **facts}), "utf-8")
    with pytest.raises(DamagedModel, match=named) as raised:
        huggingface.open_folder(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


def test_code_that_comes_with_a_model_is_not_asked_about(tmp_path: Path) -> None:
    """`transformers` would ask at the terminal whether to run it."""
    folder = tmp_path / "theirs"
    write("qwen2", folder)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(DamagedModel, match="model_type is 'evil'"):
        huggingface.open_folder(folder)


def test_weights_that_are_a_pickle_are_refused_as_one(tmp_path: Path) -> None:
    write("llama", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x04evil")
    with pytest.raises(DamagedModel, match=r"model\.safetensors is a pickle"):
        huggingface.open_folder(tmp_path)


@pytest.mark.parametrize("name", ["\ud800.safetensors", "../x.safetensors", "a\0", "x" * 999, 5])
def test_an_index_sends_only_to_files_beside_it(tmp_path: Path, name: Any) -> None:
    write("llama", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    index = json.dumps({"weight_map": {"model.norm.weight": name}})
    (tmp_path / "model.safetensors.index.json").write_text(index, "utf-8")
    with pytest.raises(DamagedModel, match="weight_map names no safetensors files"):
        huggingface.open_folder(tmp_path)


def test_a_vocabulary_that_is_only_claimed_takes_no_memory(tmp_path: Path) -> None:
    import tracemalloc

    write("llama", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    config["vocab_size"] = 50_000_000
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    tracemalloc.start()
    try:
        with pytest.raises(DamagedModel, match="embed_tokens"):
            huggingface.open_folder(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
