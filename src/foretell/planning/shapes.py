"""The sizes of a transformer without its numbers, and the parameters that they make.

Knows no PyTorch: the formulas are held against the networks themselves by a test. Symbols: V
vocabulary, C context, D width, L layers, H heads, I inner width of the perceptron, K width of all
keys of a token.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretell.contracts.errors import DamagedModel, ForetellError


@dataclass(frozen=True)
class Shape:
    """All that decides how many parameters a network has."""

    family: str
    """gpt2, llama or gpt."""
    vocabulary: int
    context: int
    width: int
    heads: int
    layers: int
    inner: int
    """Width inside the perceptron."""
    key_heads: int
    """Heads of keys and values."""
    tied: bool
    """True if the softmax has the embedding's weights."""
    tables: tuple[int, ...] = ()
    """Rows of the tables of n-grams beside the embedding."""

    @property
    def key_width(self) -> int:
        return self.width // self.heads * self.key_heads


def gpt2(*, context: int, width: int, heads: int, layers: int, vocabulary: int = 50_257) -> Shape:
    """GPT-2 and GPT-3: a perceptron four times as wide, and one matrix for both ends."""
    return Shape("gpt2", vocabulary, context, width, heads, layers, 4 * width, heads, tied=True)


def llama(
    *,
    vocabulary: int,
    context: int,
    width: int,
    heads: int,
    layers: int,
    inner: int,
    key_heads: int | None = None,
    tied: bool = False,
) -> Shape:
    """The Llama class; keys have as many heads as queries if not said otherwise."""
    shared = heads if key_heads is None else key_heads
    return Shape("llama", vocabulary, context, width, heads, layers, inner, shared, tied)


def gpt(
    *,
    vocabulary: int,
    context: int,
    width: int,
    heads: int,
    layers: int,
    tables: tuple[int, ...] = (),
) -> Shape:
    """foretell's own GPT."""
    inner = 4 * width
    return Shape("gpt", vocabulary, context, width, heads, layers, inner, heads, False, tables)


@dataclass(frozen=True)
class Parameters:
    """Counted by what is done with them."""

    looked_up: int
    """Only read, a row for each token: embeddings that are not the softmax's too."""
    layer: int
    """Of one layer."""
    layers: int
    head: int
    """The matrix of the softmax, whether tied or not, and the norm before it."""

    @property
    def total(self) -> int:
        return self.looked_up + self.layers * self.layer + self.head

    @property
    def multiplied(self) -> int:
        """What every token is multiplied by; norms and biases, a thousandth, are among it."""
        return self.total - self.looked_up

    @property
    def largest(self) -> int:
        """Of the layers, the softmax and the embedding, the part with the most."""
        return max(self.layer, self.head, self.looked_up)


def count_parameters(shape: Shape) -> Parameters:
    """In closed form, exact. Raises ForetellError for an unknown family."""
    try:
        count = COUNTS[shape.family]
    except KeyError:
        raise ForetellError(
            f"no shape is known of a {shape.family}; choose from {', '.join(COUNTS)}"
        ) from None
    return count(shape)


def _count_gpt2(shape: Shape) -> Parameters:
    width, inner = shape.width, shape.inner
    attention = 4 * width * width + 4 * width
    perceptron = 2 * width * inner + inner + width
    return Parameters(
        looked_up=shape.context * width,
        layer=attention + perceptron + 4 * width,
        layers=shape.layers,
        head=shape.vocabulary * width + 2 * width,
    )


def _count_llama(shape: Shape) -> Parameters:
    width = shape.width
    attention = 2 * width * width + 2 * width * shape.key_width
    return Parameters(
        looked_up=0 if shape.tied else shape.vocabulary * width,
        layer=attention + 3 * width * shape.inner + 2 * width,
        layers=shape.layers,
        head=shape.vocabulary * width + width,
    )


def _count_gpt(shape: Shape) -> Parameters:
    width = shape.width
    scales = 2 + shape.heads
    return Parameters(
        looked_up=(shape.vocabulary + sum(shape.tables)) * width,
        layer=4 * width * width + 2 * width * shape.inner + scales,
        layers=shape.layers,
        head=shape.vocabulary * width,
    )


COUNTS: dict[str, Callable[[Shape], Parameters]] = {
    "gpt2": _count_gpt2,
    "llama": _count_llama,
    "gpt": _count_gpt,
}


def read_shape(folder: Path) -> Shape:
    """Of a model folder, from its config.json; weights are not read.

    Raises ForetellError if there is none, or if it is not of a family here; DamagedModel if it
    lacks a size.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise ForetellError(f"{folder} has no config.json that can be read: {problem}") from None
    kind = str(config.get("model_type"))
    if kind not in READERS:
        raise ForetellError(f"{folder} holds a {kind}; a plan can be made for {', '.join(READERS)}")
    try:
        return READERS[kind](config)
    except KeyError as problem:
        raise DamagedModel(f"{folder}/config.json does not say {problem}; save it again") from None


def _read_gpt2(config: dict[str, Any]) -> Shape:
    return gpt2(
        context=config["n_positions"],
        width=config["n_embd"],
        heads=config["n_head"],
        layers=config["n_layer"],
        vocabulary=config["vocab_size"],
    )


def _read_llama(config: dict[str, Any]) -> Shape:
    return llama(
        vocabulary=config["vocab_size"],
        context=config["max_position_embeddings"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        layers=config["num_hidden_layers"],
        inner=config["intermediate_size"],
        key_heads=config["num_key_value_heads"],
        tied=config["tie_word_embeddings"],
    )


def _read_gpt(config: dict[str, Any]) -> Shape:
    sizes = config["sizes"]
    return gpt(
        vocabulary=sizes["vocabulary"],
        context=sizes["context"],
        width=sizes["width"],
        heads=sizes["heads"],
        layers=sizes["layers"],
        tables=tuple(sizes["tables"]),
    )


READERS: dict[str, Callable[[dict[str, Any]], Shape]] = {
    "gpt2": _read_gpt2,
    "llama": _read_llama,
    "foretell-gpt": _read_gpt,
}
"""By `model_type` of the config."""
