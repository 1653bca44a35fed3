"""The door to Keras and TensorFlow.

    model = open_keras(Path("article.keras"))    any causal `keras.Model`, behind the contract
    twin = causal_twin(network)                  of one that is not, the network that is
    network = to_keras(gpt2); gpt2 = from_keras(network)

Keras is imported where it is needed, and in silence: TensorFlow greets on the error stream before
anybody could tell it not to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.contracts.language_model import LanguageModel, LogProbs, Tokens
from foretell.contracts.tokenizer import Tokenizer
from foretell.fields import read_json_object
from foretell.models.replay import Replay
from foretell.tokenizers import Foreign, Numbered, load_tokenizer

SUFFIX = ".keras"
KERAS, GPT2 = "keras", "gpt2"
"""The family of Keras models, and the one that has a Keras form."""
TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"


def import_keras() -> None:
    """So that what follows may import it. Raises MissingExtra."""
    if find_spec("keras") is None or (_backend() == "tensorflow" and not find_spec("tensorflow")):
        raise MissingExtra(
            'a Keras model needs Keras and TensorFlow: pip install "foretell[tensorflow]"'
        )
    if "keras" not in sys.modules:
        with _silence():
            import keras  # noqa: F401


def open_keras(
    file: Path, tokenizer: Tokenizer | None = None, *, opening: int | None = None
) -> LanguageModel:
    """The network in a .keras file, with the tokenizer that lies beside it unless one is given.

    Without any it can be verified and reads no text. Raises DamagedModel, MissingExtra, or
    ForetellError for a network that is no sequence of distributions.
    """
    import_keras()
    from foretell.models.keras.model import read_network

    network = read_network(file)
    return wrap_keras(network, tokenizer or _find_tokenizer(file, network), opening=opening)


def wrap_keras(network: Any, tokenizer: Tokenizer, *, opening: int | None = None) -> LanguageModel:
    """A `keras.Model` from tokens (B, T) to logits or probabilities (B, T, V) as a language model.

    opening: what texts begin with, if it is not the boundary. Raises as `open_keras`.
    """
    import_keras()
    from foretell.models.keras.model import KerasModel

    return KerasModel(network, tokenizer, opening=opening)


def causal_twin(network: Any) -> Any:
    """See `foretell.models.keras.twin`."""
    import_keras()
    from foretell.models.keras import twin

    return twin.causal_twin(network)


def describe_turns(model: LanguageModel) -> list[str]:
    """Which layers of a Keras model look ahead, and what stands in their place in its twin, a line
    each; none of models of other families."""
    if model.family != KERAS:
        return []
    from foretell.models.keras import twin
    from foretell.models.keras.model import KerasModel

    assert isinstance(model, KerasModel)
    return twin.describe_turns(model.network)


def twin_of(model: LanguageModel) -> LanguageModel:
    """The causal twin of a Keras model, behind the contract, its weights fresh. Raises
    ForetellError if it has none."""
    if model.family != KERAS:
        raise ForetellError(f"a {model.family} reads in one direction; Keras models have twins")
    from foretell.models.keras.model import KerasModel

    assert isinstance(model, KerasModel)
    return KerasModel(causal_twin(model.network), model.tokenizer, opening=model.opening)


def to_keras(model: LanguageModel) -> Any:
    """A `keras.Model` with the weights of a GPT-2. Raises ForetellError for other families."""
    if model.family != GPT2:
        raise ForetellError(
            f"a {model.family} has no Keras form, and gpt2 has; train one: "
            "foretell train TEXT --model gpt2"
        )
    import_keras()
    from foretell.models.keras import gpt2
    from foretell.models.neural.network import NeuralModel

    assert isinstance(model, NeuralModel)
    assert isinstance(model.network, gpt2.GPT2)
    return gpt2.to_keras(model.network)


def from_keras(network: Any, tokenizer: Tokenizer) -> LanguageModel:
    """A `gpt2` with the weights of a Keras model that `to_keras` made, or that was built and
    fitted. Raises ForetellError for any other."""
    if find_spec("torch") is None:
        raise MissingExtra('a gpt2 needs PyTorch: pip install "foretell[neural]"')
    import_keras()
    from foretell.models.keras import gpt2
    from foretell.models.neural.network import NeuralModel

    return NeuralModel(gpt2.from_keras(network), tokenizer)


def run_program(
    folder: Path, tokenizer: Tokenizer, *, context: int | None, opening: int
) -> LanguageModel:
    """A SavedModel of our own making as a language model. It is a program and is run: give it none
    from elsewhere."""
    import_keras()
    import tensorflow as tf

    program = tf.saved_model.load(str(folder))

    def foretell(tokens: Tokens) -> LogProbs:
        logits = program.serve(tf.constant(tokens)).numpy()
        logprobs: LogProbs = log_softmax(logits, axis=-1).astype(np.float32)
        return logprobs

    return Replay(foretell, tokenizer, context=context, opening=opening)


def _find_tokenizer(file: Path, network: Any) -> Tokenizer:
    """What lies beside a file; numbers if nothing does."""
    folder, size = file.parent, int(network.output_shape[-1] or 0)
    if not (folder / TOKENIZER).is_file():
        return Numbered(max(2, size))
    config = read_json_object(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if "foretell" in config:
        return load_tokenizer(folder)
    end = config.get("eos_token")
    if isinstance(end, dict):
        end = end.get("content")
    # Opened twice: which token ends a text is known by its spelling only.
    first = Foreign.read(folder, vocabulary=size, boundary=0)
    boundary = first.backend().token_to_id(end) if isinstance(end, str) else None
    if boundary is None:
        raise DamagedModel(
            f"{folder / CONFIG}: eos_token is {str(end)[:40]!r}, no token of {TOKENIZER}; name the "
            "token that stands between texts"
        )
    return Foreign.read(folder, vocabulary=size, boundary=boundary)


def _backend() -> str:
    return os.environ.get("KERAS_BACKEND", "tensorflow")


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing reaches the error stream, not even from compiled code; exceptions do."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
