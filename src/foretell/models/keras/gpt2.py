"""GPT-2 as a Keras 3 model, of Keras's own layers but for its positions; and its weights, from
and to the one here that learns in PyTorch.

    network = build(sizes)          tokens (B, T) to logits (B, T, V); compile and fit it
    network = to_keras(gpt2)        the same weights
    gpt2 = from_keras(network)

Shapes: D width, H heads, E size of a head, D = H E.
"""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import torch
from keras import layers
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.models.keras.layers import Positions
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes

EPSILON = 1e-5
"""Of the norms, as published."""
WHOLE = {
    "embedding/embeddings": "embedding.weight",
    "positions/table": "positions.weight",
    "norm/gamma": "norm.weight",
    "norm/beta": "norm.bias",
}
"""Ours by Keras's paths, outside the layers."""
THIRDS = {"attention/query": 0, "attention/key": 1, "attention/value": 2}
"""Of the rows of our `attention_in`, one after the other."""
PARTS = {
    **dict.fromkeys(THIRDS, "attention_in"),
    "attention/attention_output": "attention_out",
    **{name: name for name in ("attention_norm", "mlp_norm", "mlp_in", "mlp_out")},
}
LEAVES = {"gamma": "weight", "beta": "bias", "kernel": "weight", "bias": "bias"}


def build(sizes: GPT2Sizes) -> Any:
    """A fresh network with the sizes and first weights of `GPT2`."""
    embedding = layers.ReversibleEmbedding(
        sizes.vocabulary, sizes.width, embeddings_initializer=_normal(0.02), name="embedding"
    )
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    stream = Positions(sizes.context, name="positions")(embedding(tokens))
    stream = layers.Dropout(sizes.dropout, name="dropout")(stream)
    for index in range(sizes.layers):
        stream = _add_layer(stream, sizes, f"layer_{index}")
    hidden = layers.LayerNormalization(epsilon=EPSILON, name="norm")(stream)
    return keras.Model(tokens, embedding(hidden, reverse=True), name="gpt2")


def _add_layer(stream: Any, sizes: GPT2Sizes, name: str) -> Any:
    """Attention, then a perceptron four times as wide, each added to the stream (B, T, D)."""
    last = _normal(0.02 / (2 * sizes.layers) ** 0.5)
    normed = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_attention_norm")(stream)
    attention = layers.MultiHeadAttention(
        sizes.heads,
        sizes.width // sizes.heads,
        kernel_initializer=_normal(0.02),
        name=f"{name}_attention",
    )
    mixed = attention(normed, normed, use_causal_mask=True)
    stream = stream + layers.Dropout(sizes.dropout, name=f"{name}_drop_attention")(mixed)
    normed = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_mlp_norm")(stream)
    inner = layers.Dense(4 * sizes.width, kernel_initializer=_normal(0.02), name=f"{name}_mlp_in")(
        normed
    )
    inner = keras.ops.gelu(inner, approximate=True)
    out = layers.Dense(sizes.width, kernel_initializer=last, name=f"{name}_mlp_out")(inner)
    return stream + layers.Dropout(sizes.dropout, name=f"{name}_drop_mlp")(out)


def _normal(deviation: float) -> Any:
    return keras.initializers.RandomNormal(0.0, deviation)


def to_keras(network: GPT2) -> Any:
    """A Keras model with the weights of a GPT-2."""
    sizes = network.sizes
    made = build(sizes)
    weights = {name: each.detach().numpy() for name, each in network.state_dict().items()}
    for variable in made.weights:
        name, rows = _place(variable.path, sizes)
        found = weights[name][rows]
        variable.assign(_turn(variable, found).reshape(variable.shape))
    return made


def from_keras(network: Any) -> GPT2:
    """A GPT-2 with the weights of a model that `build` or `to_keras` made. Raises ForetellError
    for any other."""
    sizes = read_sizes(network)
    made = GPT2(sizes)
    weights = made.state_dict()
    filled = dict.fromkeys(weights, 0)
    for variable in network.weights:
        name, rows = _place(variable.path, sizes)
        part = weights[name][rows]
        found = keras.ops.convert_to_numpy(variable)
        if found.size != part.numel():
            raise _other(f"{variable.path} has {found.size} numbers and not {part.numel()}")
        # What Keras has in three dimensions or input by output is a matrix, output by input.
        flat = found.reshape(tuple(part.T.shape)) if _is_kernel(variable) else found
        part.copy_(torch.from_numpy(_turn(variable, flat).reshape(tuple(part.shape)).copy()))
        filled[name] += part.numel()
    for name, weight in weights.items():
        if filled[name] != weight.numel():
            raise _other(f"{name} is missing")
    return made


def read_sizes(network: Any) -> GPT2Sizes:
    """Of a Keras model that `build` made. Raises ForetellError for any other."""
    try:
        embedding = network.get_layer("embedding")
        attention = network.get_layer("layer_0_attention")
        return GPT2Sizes(
            vocabulary=embedding.input_dim,
            context=network.get_layer("positions").context,
            width=embedding.output_dim,
            heads=attention.num_heads,
            layers=sum(layer.name.endswith("_mlp_norm") for layer in network.layers),
            dropout=network.get_layer("dropout").rate,
        )
    except (ValueError, AttributeError) as problem:
        raise _other(str(problem)[:100]) from None


def _place(path: str, sizes: GPT2Sizes) -> tuple[str, slice]:
    """Our name of a Keras variable, and the rows of it that the variable has."""
    if path in WHOLE:
        return WHOLE[path], slice(None)
    match = re.fullmatch(r"layer_(\d+)_(.+)/(\w+)", path)
    if match is None or match[2] not in PARTS or match[3] not in LEAVES:
        raise _other(f"it has a weight {path[:60]}")
    name = f"layers.{match[1]}.{PARTS[match[2]]}.{LEAVES[match[3]]}"
    third = THIRDS.get(match[2])
    if third is None:
        return name, slice(None)
    return name, slice(third * sizes.width, (third + 1) * sizes.width)


def _turn(variable: Any, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Kernels are input by output there and output by input here; all else is as it is."""
    return matrix.T if _is_kernel(variable) else matrix


def _is_kernel(variable: Any) -> bool:
    return bool(variable.path.endswith("/kernel"))


def _other(problem: str) -> ForetellError:
    return ForetellError(
        f"this Keras model is no GPT-2 that foretell.models.keras.gpt2.build made: {problem}; open "
        "it as what it is, by KerasModel"
    )
