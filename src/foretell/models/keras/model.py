"""Any causal `keras.Model` from tokens to logits or probabilities, behind the contract.

    model = KerasModel(network, tokenizer)

Right and slow: a state is the text so far, and each reading computes all of it again, since a
Keras network offers no cache. Scoring reads all rows at once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ContextExceeded, DamagedModel, ForetellError
from foretell.contracts.language_model import Lengths, LogProbs, Tokens, full_lengths
from foretell.contracts.tokenizer import Tokenizer
from foretell.fields import read_fields
from foretell.models.keras.layers import Positions
from foretell.models.replay import Replay
from foretell.tokenizers import load_tokenizer

FILE, CONFIG = "model.keras", "config.json"
SAMPLE = 2
"""Tokens by which a network is tried."""
NUMBERS_AT_ONCE = 2**25
"""Most log-probabilities (B, T, V) that are worked out together while scoring."""


class KerasModel(Replay):
    """See the module. Raises ForetellError for a network that gives no distribution after each
    token, or for another number of tokens than the tokenizer has."""

    family = "keras"

    def __init__(self, network: Any, tokenizer: Tokenizer, *, opening: int | None = None) -> None:
        """opening: what texts begin with, if it is not the boundary that they end with."""
        self.network = network
        self._fixed = None if _takes_any_width(network) else network.input_shape[1]
        sample = np.zeros((1, self._fixed or SAMPLE), np.int32)
        out = _run(network, sample)
        size = tokenizer.vocabulary_size
        if out.shape != (*sample.shape, size):
            raise ForetellError(
                f"{network.name} makes {out.shape} of tokens {sample.shape}, and a distribution "
                f"over {size} tokens after each is needed: {(*sample.shape, size)}; give layers "
                "with a state return_sequences=True, and the tokenizer that belongs to it"
            )
        # Whether there is a softmax at the end is not taken from names, but tried.
        self._normalised = bool((out >= 0).all() and np.allclose(out.sum(-1), 1, atol=1e-3))
        super().__init__(
            self._foretell, tokenizer, context=self._fixed or _positions(network), opening=opening
        )

    @property
    def parameters(self) -> int:
        return int(self.network.count_params())

    def _foretell(self, tokens: Tokens) -> LogProbs:
        """tokens (B, T) to ln P of what follows each, (B, T, V)."""
        width = tokens.shape[1]
        if self._fixed is not None:
            # Of a causal network, pads on the right change nothing before them.
            tokens = np.pad(tokens, ((0, 0), (0, self._fixed - width)))
        out = _run(self.network, tokens)[:, :width].astype(np.float32)
        if self._normalised:
            with np.errstate(divide="ignore"):
                return np.log(out)
        out -= out.max(-1, keepdims=True)
        logprobs: LogProbs = out - np.log(np.exp(out).sum(-1, keepdims=True))
        return logprobs

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        lengths = full_lengths(tokens, lengths)
        out = np.zeros(tokens.shape, np.float32)
        width = int(lengths.max(initial=0))
        if self.context is not None and width > self.context:
            raise ContextExceeded(
                f"a row of {width} tokens is longer than the {self.context} that this model "
                "reads; wrap it in foretell.models.Sliding"
            )
        if width == 0:
            return out
        first = np.full((len(tokens), 1), self.opening, np.int32)
        read = np.concatenate([first, tokens[:, : width - 1]], axis=1)
        rows = max(1, NUMBERS_AT_ONCE // (width * self.tokenizer.vocabulary_size))
        for at in range(0, len(tokens), rows):
            wanted = tokens[at : at + rows, :width, None].astype(np.int64)
            found = np.take_along_axis(self._foretell(read[at : at + rows]), wanted, axis=2)
            out[at : at + rows, :width] = found[..., 0]
        return np.where(np.arange(tokens.shape[1]) < lengths[:, None], out, np.float32(0))

    def save(self, folder: Path) -> None:
        self.network.save(folder / FILE)
        # Beside what Keras reads, what only whoever feeds it tokens must know.
        text = json.dumps({"model_type": self.family, "bos_token_id": self.opening})
        (folder / CONFIG).write_text(text + "\n")
        self.tokenizer.save(folder)


def load(folder: Path) -> KerasModel:
    """The model that `save` wrote into a folder."""
    tokenizer = load_tokenizer(folder)
    opening = read_fields(folder / CONFIG).token("bos_token_id", tokenizer.vocabulary_size)
    return KerasModel(read_network(folder / FILE), tokenizer, opening=opening)


def read_network(file: Path) -> Any:
    """A `keras.Model` from a .keras file; code that stands in one is not run. Raises DamagedModel
    in the words of Keras."""
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    # Keras rebuilds layers from whatever a file says of them, and each fails in its own way.
    except Exception as problem:
        said = " ".join(str(problem).split())[:160]
        raise DamagedModel(
            f"Keras cannot open {file}: {said}; classes of your own are known once they are "
            "registered with keras.saving, from Python"
        ) from None


def _run(network: Any, tokens: Tokens) -> NDArray[np.float32]:
    """(B, T) to (B, T, V), as the network gives it."""
    # Compiled once for all shapes; called directly, layer by layer, it takes ten times as long.
    found: NDArray[np.float32] = network.predict_on_batch(tokens)
    return found


def _takes_any_width(network: Any) -> bool:
    """False of a network that reads rows of one width only. The width written in it says little:
    it is often only that of the first batch. Raises ForetellError unless it takes rows of tokens
    and nothing else."""
    if not network.built:
        raise ForetellError(f"{network.name} was never called, so it has no weights; fit it first")
    shape = network.input_shape
    if not isinstance(shape, tuple) or len(shape) != 2:
        raise ForetellError(f"{network.name} takes {shape}; a model of rows (B, T) is needed")
    if shape[1] in (None, SAMPLE):
        return shape[1] is None
    try:
        _run(network, np.zeros((1, SAMPLE), np.int32))
    # Each layer that knows its width refuses another one in its own way.
    except Exception:
        return False
    return True


def _positions(network: Any) -> int | None:
    """Most places that the network has vectors for."""
    places = [layer.context for layer in network.layers if isinstance(layer, Positions)]
    return min(places, default=None)
