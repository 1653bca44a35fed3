"""The causal twin: a network like one that reads in both directions, and that reads in one.

    Bidirectional(GRU(256))        becomes   GRU(512)
    Conv1D(padding="same")                   Conv1D(padding="causal")
    MultiHeadAttention()                     refused: whether it sees ahead stands in the call

The article's network, trained to name the next token of each, reaches an accuracy near one: its
second direction has read the answer. The twin has the same shapes and nothing to read it from.
"""

from __future__ import annotations

from typing import Any

import keras

from foretell.contracts.errors import ForetellError

TWO_WAYS = "reads the text in both directions"


def looks_ahead(layer: Any) -> str | None:
    """Why a layer sees what comes after a token; None if it is not known to."""
    if isinstance(layer, keras.layers.Bidirectional):
        return TWO_WAYS
    if getattr(layer, "go_backwards", False):
        return "reads the text from its end"
    if isinstance(layer, keras.layers.Conv1D) and layer.padding == "same":
        return "sees the tokens to the right of each"
    return None


def causal_twin(network: Any) -> Any:
    """A network without weights of its own yet, compiled as the first one was: fit it.

    Raises ForetellError if no layer is known to look ahead, or one has no causal form.
    """
    found = [layer for layer in network.layers if looks_ahead(layer)]
    if not found:
        raise ForetellError(
            f"no layer of {network.name} is known to look ahead; of attention, the call says so: "
            "use_causal_mask=True"
        )
    twin = keras.models.clone_model(network, clone_function=_turn)
    if network.built:
        twin.build(network.input_shape)
    compiled = network.get_compile_config()
    if compiled:
        twin.compile_from_config(compiled)
    return twin


def describe_turns(network: Any) -> list[str]:
    """A line for each layer that looks ahead, and what stands in its place in the twin."""
    return [
        f"{layer.name} ({_say(layer)}) {looks_ahead(layer)}; in the twin: {_say(_turn(layer))}"
        for layer in network.layers
        if looks_ahead(layer)
    ]


def _turn(layer: Any) -> Any:
    """The layer anew; one that looks ahead in its causal form, of the same shape outside."""
    facts = layer.get_config()
    if isinstance(layer, keras.layers.Bidirectional):
        inner = layer.forward_layer
        facts = {**inner.get_config(), "go_backwards": False, "name": layer.name}
        if layer.merge_mode == "concat":
            facts["units"] *= 2
        elif layer.merge_mode is None:
            raise ForetellError(f"{layer.name} gives its two directions apart; merge them first")
        return type(inner).from_config(facts)
    if looks_ahead(layer):
        changed = {"padding": "causal"} if "padding" in facts else {"go_backwards": False}
        facts |= changed
    return type(layer).from_config(facts)


def _say(layer: Any) -> str:
    """`Bidirectional GRU of 256`, as a reader of the network would."""
    inner = getattr(layer, "forward_layer", None)
    if inner is not None:
        return f"Bidirectional {_say(inner)}"
    size = getattr(layer, "units", None) or getattr(layer, "filters", None)
    return type(layer).__name__ + (f" of {size}" if size else "")
