"""GPT-2 and the Llama class in GGUF files: opened as networks, and written for llama.cpp.

    model = open_gguf(Path("SmolLM2-135M.Q4_1.gguf"))
    write_model(model, Path("mine.gguf"), "Q8_0")

Weights are opened as float32. Rows of queries and keys stand in these files in the order of
rotations by neighbours (0 1) (2 3) ..., and here by halves (0 E/2) (1 E/2+1) ...
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import pi
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel
from foretell.fields import Fields
from foretell.interop.gguf import GGUF, Fact, read_gguf, write_gguf
from foretell.interop.gguf_blocks import BY_NAME
from foretell.interop.gguf_tokenizer import describe_tokenizer, read_tokenizer
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.layers import Stretch, speeds
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import NeuralModel
from foretell.models.neural.published import Names, build

Written = Literal["F32", "F16", "Q8_0", "Q4_0"]
EPSILON = 1e-5
"""Of GPT-2's norms, as published."""
SLOWED = "rope_freqs.weight"
"""By how much each pair of a head is slowed."""
LLAMA = Names(
    whole={
        "embedding.weight": "token_embd.weight",
        "norm.weight": "output_norm.weight",
        "head.weight": "output.weight",
    },
    layers="blk",
    parts={
        "attention_norm": "attn_norm",
        "query": "attn_q",
        "key": "attn_k",
        "value": "attn_v",
        "attention_out": "attn_output",
        "mlp_norm": "ffn_norm",
        "gate": "ffn_gate",
        "up": "ffn_up",
        "down": "ffn_down",
    },
    ignored=r"rope_freqs\.weight",
)
GPT_2 = Names(
    whole={
        "embedding.weight": "token_embd.weight",
        "positions.weight": "position_embd.weight",
        "norm.weight": "output_norm.weight",
        "norm.bias": "output_norm.bias",
    },
    layers="blk",
    parts={
        "attention_norm": "attn_norm",
        "attention_in": "attn_qkv",
        "attention_out": "attn_output",
        "mlp_norm": "ffn_norm",
        "mlp_in": "ffn_up",
        "mlp_out": "ffn_down",
    },
    # The embedding a second time.
    ignored=r"output\.weight",
)


class _Shelf:
    """Weights of a file; rows of the named matrices are reordered for so many heads."""

    def __init__(self, file: GGUF, heads: dict[str, int]) -> None:
        self.file, self.heads, self.where = file, heads, str(file.path)

    @property
    def names(self) -> Collection[str]:
        return self.file.tensors.keys()

    def shape(self, name: str) -> tuple[int, ...]:
        return self.file.tensors[name].shape

    def read(self, name: str) -> Tensor:
        # What is not converted is the file itself, and cannot be written to.
        found = np.require(self.file.tensor(name), requirements="W")
        heads = self.heads.get(name.split(".")[-2])
        return torch.from_numpy(found if heads is None else _by_halves(found, heads))


def _by_halves(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows (H E, D) of pairs that are neighbours, to pairs that are halves of a head."""
    pairs = rows.reshape(heads, -1, 2, rows.shape[-1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows.shape)


def _by_neighbours(rows: Tensor, heads: int) -> Tensor:
    """The reverse, rows (H E, D)."""
    return rows.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2).contiguous()


def open_gguf(path: Path) -> NeuralModel:
    """The model in a file. Raises DamagedModel, which names the field, or ForetellError for an
    architecture that is not built in."""
    file = read_gguf(path)
    facts = Fields(str(path), file.facts)
    kind = facts.word("general.architecture")
    if kind not in ("llama", "gpt2"):
        raise ForetellError(
            f"{path}: general.architecture is {kind[:40]!r}, and llama and gpt2 are built in; give "
            "the same model as a Hugging Face folder"
        )
    tokenizer, opening = read_tokenizer(facts)
    if "token_embd.weight" not in file.tensors:
        raise facts.damaged("tensor token_embd.weight", "is missing")
    rows = file.tensors["token_embd.weight"].shape[0]
    if rows != tokenizer.vocabulary_size:
        raise facts.damaged(
            "tensor token_embd.weight",
            f"has {rows} rows for {tokenizer.vocabulary_size} tokens",
        )
    if kind == "gpt2":
        small = _gpt2_sizes(facts, rows, opening, len(file.tensors))
        return NeuralModel(build(lambda: GPT2(small), GPT_2, _Shelf(file, {})), tokenizer)
    sizes = _llama_sizes(facts, file, rows, opening)
    heads = {"attn_q": sizes.heads, "attn_k": sizes.key_heads}
    return NeuralModel(build(lambda: Llama(sizes), LLAMA, _Shelf(file, heads)), tokenizer)


def _gpt2_sizes(facts: Fields, vocabulary: int, opening: int | None, most_layers: int) -> GPT2Sizes:
    width = facts.whole("gpt2.embedding_length", most=2**20)
    heads = facts.whole("gpt2.attention.head_count", most=width)
    if width % heads:
        raise facts.damaged("gpt2.attention.head_count", f"is {heads}, no divisor of {width}")
    epsilon = facts.real("gpt2.attention.layer_norm_epsilon", EPSILON)
    if abs(epsilon - EPSILON) > EPSILON / 1000:
        raise ForetellError(
            f"{facts.where}: gpt2.attention.layer_norm_epsilon is {epsilon:g}, and {EPSILON:g} is "
            "built in; give the same model as a Hugging Face folder"
        )
    return GPT2Sizes(
        vocabulary=vocabulary,
        context=facts.whole("gpt2.context_length"),
        width=width,
        heads=heads,
        layers=facts.whole("gpt2.block_count", most=most_layers),
        opening=opening,
    )


def _llama_sizes(facts: Fields, file: GGUF, vocabulary: int, opening: int | None) -> LlamaSizes:
    width = facts.whole("llama.embedding_length", most=2**20)
    heads = facts.whole("llama.attention.head_count", most=width)
    key_heads = facts.whole("llama.attention.head_count_kv", heads, most=heads)
    size = facts.whole("llama.attention.key_length", width // heads, most=2**16)
    if heads % key_heads or size % 2:
        raise facts.damaged(
            "llama.attention.head_count_kv", f"is {key_heads}, with {heads} heads of {size}"
        )
    turned = facts.whole("llama.rope.dimension_count", size, most=2**16)
    if turned != size:
        raise facts.damaged("llama.rope.dimension_count", f"is {turned}, and a head has {size}")
    base = facts.real("llama.rope.freq_base", 10_000.0)
    return LlamaSizes(
        vocabulary=vocabulary,
        context=facts.whole("llama.context_length"),
        width=width,
        heads=heads,
        layers=facts.whole("llama.block_count", most=len(file.tensors)),
        inner=facts.whole("llama.feed_forward_length", most=2**24),
        key_heads=key_heads,
        base=base,
        epsilon=facts.real("llama.attention.layer_norm_rms_epsilon", 1e-5),
        tied="output.weight" not in file.tensors,
        head=None if size * heads == width else size,
        stretch=_stretch(facts, file, size, base),
        opening=opening,
    )


def _stretch(facts: Fields, file: GGUF, size: int, base: float) -> Stretch | None:
    kind = facts.word("llama.rope.scaling.type", "none")
    if SLOWED in file.tensors:
        return _found_stretch(facts, file.tensor(SLOWED), size, base)
    if kind == "linear":
        return Stretch(facts.real("llama.rope.scaling.factor"))
    if kind != "none":
        raise ForetellError(
            f"{facts.where}: llama.rope.scaling.type is {kind[:40]!r}, and none and linear are "
            "built in; give the same model as a Hugging Face folder"
        )
    return None


def _found_stretch(
    facts: Fields, slowed: NDArray[np.float32], size: int, base: float
) -> Stretch | None:
    """The rule of Llama 3.1 that slows each pair by so much (E / 2,). Of its numbers the file has
    none; low and high are taken as published, and the original length is what then fits."""
    strange = facts.damaged(f"tensor {SLOWED}", "slows positions by no rule that is known")
    if slowed.shape != (size // 2,) or not np.isfinite(slowed).all() or (slowed < 1).any():
        raise strange
    factor = float(slowed.max())
    if factor == 1:
        return None
    plain = speeds(size, base).numpy().astype(np.float64)
    kept = (1 / slowed.astype(np.float64) - 1 / factor) / (1 - 1 / factor)
    between = (kept > 1e-4) & (kept < 1 - 1e-4)
    if not between.any():
        raise strange
    turns = Stretch.low + kept[between] * (Stretch.high - Stretch.low)
    original = float(np.median(turns * 2 * pi / plain[between]))
    stretch = Stretch(factor, max(1, round(original)))
    if not np.allclose(plain / speeds(size, base, stretch).numpy(), slowed, rtol=1e-3):
        raise strange
    return stretch


def write_model(model: LanguageModel, path: Path, kind: Written = "F16") -> None:
    """A file that llama.cpp opens. Matrices are written as `kind`, or as F16 where their rows make
    no whole blocks; vectors as F32. Raises ForetellError for what such files cannot hold."""
    network = model.network if isinstance(model, NeuralModel) else None
    if isinstance(network, Llama):
        name, names, facts = "llama", LLAMA, _describe_llama(network.sizes)
    elif isinstance(network, GPT2):
        name, names, facts = "gpt2", GPT_2, _describe_gpt2(network.sizes)
    else:
        raise ForetellError(
            f"a GGUF file has no {model.family}; train one with --model gpt2 or --model llama"
        )
    about: dict[str, Fact | Sequence[str]] = {"general.architecture": name}
    about |= {f"{name}.{fact}": value for fact, value in facts.items()}
    about |= describe_tokenizer(model.tokenizer, network.first_token(model.tokenizer))
    weights = {names.published(ours): w for ours, w in network.state_dict().items()}
    if isinstance(network, Llama):
        heads = {"attn_q": network.sizes.heads, "attn_k": network.sizes.key_heads}
        for each in weights:
            if (count := heads.get(each.split(".")[-2])) is not None:
                weights[each] = _by_neighbours(weights[each], count)
        if network.sizes.stretch is not None and network.sizes.stretch.original is not None:
            weights[SLOWED] = _slowed(network.sizes)
    write_gguf(path, about, {each: (_kind(w, kind), w.numpy()) for each, w in weights.items()})


def _kind(weight: Tensor, asked: Written) -> Any:
    if weight.ndim == 1:
        return BY_NAME["F32"]
    return BY_NAME[asked if weight.shape[-1] % BY_NAME[asked].size == 0 else "F16"]


def _slowed(sizes: LlamaSizes) -> Tensor:
    return speeds(sizes.size, sizes.base) / speeds(sizes.size, sizes.base, sizes.stretch)


def _describe_llama(sizes: LlamaSizes) -> dict[str, Fact]:
    scaling: dict[str, Fact] = {}
    if sizes.stretch is not None and sizes.stretch.original is None:
        scaling = {"rope.scaling.type": "linear", "rope.scaling.factor": sizes.stretch.factor}
    return {
        **scaling,
        "vocab_size": sizes.vocabulary,
        "context_length": sizes.context,
        "embedding_length": sizes.width,
        "block_count": sizes.layers,
        "feed_forward_length": sizes.inner,
        "attention.head_count": sizes.heads,
        "attention.head_count_kv": sizes.key_heads,
        "attention.key_length": sizes.size,
        "attention.value_length": sizes.size,
        "attention.layer_norm_rms_epsilon": sizes.epsilon,
        "rope.dimension_count": sizes.size,
        "rope.freq_base": sizes.base,
    }


def _describe_gpt2(sizes: GPT2Sizes) -> dict[str, Fact]:
    return {
        "context_length": sizes.context,
        "embedding_length": sizes.width,
        "block_count": sizes.layers,
        "feed_forward_length": 4 * sizes.width,
        "attention.head_count": sizes.heads,
        "attention.layer_norm_epsilon": EPSILON,
    }
