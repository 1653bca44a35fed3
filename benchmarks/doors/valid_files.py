"""Small files of every kind that the doors open: good ones, for `mutations` to spoil."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from foretell import models
from foretell.interop.gguf_models import write_model
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import NeuralModel
from foretell.storage import MANIFEST
from foretell.tokenizers import Subwords

VOCABULARY = 290
TEXTS = ["the cat sat on the mat, 床前明月光 ok " * 3, "a dog ate the cat's 123 hats\n" * 4]
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<s>",
    "eos_token": {"content": "</s>", "lstrip": False},
    "chat_template": TEMPLATE,
    "added_tokens_decoder": {"0": {"content": "<s>", "special": True}},
}
EDGES = {"bos_token_id": 0, "eos_token_id": 1}


@dataclass(frozen=True)
class Subject:
    """One file that is spoiled, in the place that is then opened."""

    place: str
    """Folder or file, as `open_model` gets it."""
    file: str
    """What is spoiled: a file in that folder; the place itself where it is a file."""
    weight: int
    """How often it is drawn."""
    resealed: bool = False
    """True if the seal is made to fit again."""

    @property
    def name(self) -> str:
        return f"{self.place}/{self.file}" if self.file else self.place


SUBJECTS = (
    Subject("llama.gguf", "", 20),
    Subject("gpt2.gguf", "", 10),
    Subject("pieces.gguf", "", 10),
    Subject("llama", "config.json", 10),
    Subject("llama", "generation_config.json", 3),
    Subject("llama", "tokenizer.json", 6),
    Subject("llama", "tokenizer_config.json", 4),
    Subject("llama", "model.safetensors", 10),
    Subject("gpt2", "config.json", 6),
    Subject("gpt2", "model.safetensors", 4),
    Subject("shards", "model.safetensors.index.json", 3),
    Subject("shards", "model-00002-of-00002.safetensors", 3),
    Subject("unigram", "tokenizer.json", 4),
    Subject("wordpiece", "tokenizer.json", 4),
    Subject("pieces", "tokenizer.json", 4),
    Subject("qwen2", "config.json", 6),
    Subject("qwen2", "model.safetensors", 3),
    Subject("ours", MANIFEST, 3),
    Subject("ours", "config.json", 2, resealed=True),
    Subject("ours", "tokenizer.json", 2, resealed=True),
    Subject("ours", "tokenizer_config.json", 2, resealed=True),
    Subject("ours", "model.safetensors", 2, resealed=True),
)


def write_all(scratch: Path) -> None:
    """Every place of SUBJECTS, in a folder."""
    torch.manual_seed(0)
    tokenizer = Subwords.train(TEXTS, size=VOCABULARY)
    llama = LlamaSizes(VOCABULARY, 32, 16, heads=2, layers=2, inner=24, key_heads=1)
    ours = NeuralModel(Llama(llama), tokenizer)
    gpt2 = NeuralModel(GPT2(GPT2Sizes(VOCABULARY, 32, 16, heads=2, layers=2)), tokenizer)
    write_model(ours, scratch / "llama.gguf")
    write_model(gpt2, scratch / "gpt2.gguf", "Q8_0")
    _write_pieces(scratch / "pieces.gguf")
    models.save(ours, scratch / "ours")
    byte_level = tokenizer.backend().to_str()
    for name, model in (("llama", ours), ("gpt2", gpt2), ("shards", ours), ("unigram", ours)):
        _write_folder(scratch / name, model, byte_level)
    _write_folder(scratch / "wordpiece", ours, _wordpiece())
    _write_folder(scratch / "pieces", ours, _pieces())
    (scratch / "unigram" / "tokenizer.json").write_text(_unigram(), "utf-8")
    _cut_in_two(scratch / "shards")
    _write_qwen2(scratch / "qwen2", byte_level)


def _write_folder(folder: Path, model: NeuralModel, tokenizer: str) -> None:
    """In the layout of Hugging Face, with the facts that their folders have."""
    folder.mkdir()
    model.network.write(folder, model.tokenizer)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **EDGES}, indent=2), "utf-8")
    _write_beside(folder, tokenizer)


def _write_beside(folder: Path, tokenizer: str) -> None:
    (folder / "generation_config.json").write_text(json.dumps(EDGES), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG), "utf-8")
    (folder / "tokenizer.json").write_text(tokenizer, "utf-8")


def _cut_in_two(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[::2]}
    parts["model-00002-of-00002.safetensors"] = names[1::2]
    for file, kept in parts.items():
        save_file({name: weights[name] for name in kept}, folder / file)
    places = {name: file for file, kept in parts.items() for name in kept}
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    (folder / "model.safetensors").unlink()


def _write_qwen2(folder: Path, tokenizer: str) -> None:
    """Of a class that goes through `transformers`."""
    from transformers import AutoModelForCausalLM, Qwen2Config

    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=24,
        max_position_embeddings=32,
        **EDGES,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    _write_beside(folder, tokenizer)


def _unigram() -> str:
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import Unigram

    return _train(
        Tokenizer(Unigram()),
        pre_tokenizers.Metaspace(),
        decoders.Metaspace(),
        trainers.UnigramTrainer(
            vocab_size=80,
            special_tokens=["<s>", "</s>", "<unk>"],
            unk_token="<unk>",
            show_progress=False,
        ),
    )


def _wordpiece() -> str:
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import WordPiece

    return _train(
        Tokenizer(WordPiece(unk_token="[UNK]")),
        pre_tokenizers.BertPreTokenizer(),
        decoders.WordPiece(),
        trainers.WordPieceTrainer(
            vocab_size=80, special_tokens=["<s>", "</s>", "[UNK]"], show_progress=False
        ),
    )


def _train(tokenizer: Any, cut: Any, decoder: Any, trainer: Any) -> str:
    tokenizer.pre_tokenizer, tokenizer.decoder = cut, decoder
    tokenizer.train_from_iterator(TEXTS, trainer)
    return str(tokenizer.to_str())


LETTERS = sorted(set("▁thecasondgm床前明月光"))
JOINED = ["▁t", "he", "▁the", "at", "▁a", "▁cat", "明月"]
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *LETTERS, *JOINED]
KINDS = [2, 3, 3, *[6] * 256, *[1] * (len(LETTERS) + len(JOINED))]


def _pieces() -> str:
    """SentencePiece's BPE as Llama 2 has it, by the library."""
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers
    from tokenizers.models import BPE

    vocabulary = {token: index for index, token in enumerate(TOKENS)}
    merges = [("▁", "t"), ("h", "e"), ("▁t", "he"), ("a", "t"), ("▁", "a"), ("明", "月")]
    built = Tokenizer(BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    built.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    built.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    built.add_special_tokens([AddedToken(token) for token in ("<s>", "</s>")])
    return str(built.to_str())


def _write_pieces(path: Path) -> None:
    """A GGUF file with the tokenizer of Llama 2, weights in F32, Q4_0 and Q8_0."""
    import numpy as np

    from foretell.interop.gguf import write_gguf
    from foretell.interop.gguf_blocks import BY_NAME
    from foretell.interop.gguf_models import LLAMA

    sizes = LlamaSizes(len(TOKENS), 16, 32, heads=2, layers=1, inner=32, key_heads=2, tied=True)
    scores = np.zeros(len(TOKENS), np.float32)
    scores[-len(JOINED) :] = -np.arange(len(JOINED))
    facts: dict[str, Any] = {
        "general.architecture": "llama",
        "llama.context_length": 16,
        "llama.embedding_length": 32,
        "llama.block_count": 1,
        "llama.feed_forward_length": 32,
        "llama.attention.head_count": 2,
        "llama.rope.scaling.type": "linear",
        "llama.rope.scaling.factor": 2.0,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": np.array(KINDS, np.int32),
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": TEMPLATE,
    }
    weights = Llama(sizes).state_dict()
    kinds = {
        "embedding.weight": "Q8_0",
        "layers.0.up.weight": "Q4_0",
        "layers.0.down.weight": "F16",
    }
    tensors = {
        LLAMA.published(name): (BY_NAME[kinds.get(name, "F32")], weight.numpy())
        for name, weight in weights.items()
    }
    write_gguf(path, facts, tensors)
