"""Folders in the layout of Hugging Face: GPT-2 and the Llama class natively, with no `transformers`
installed, and every other causal language model through it.

    model = open_folder(Path("SmolLM2-135M"))

Nothing in a folder is run: no pickle, and no code that comes with a model.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from foretell.contracts.errors import MissingExtra
from foretell.contracts.language_model import LanguageModel
from foretell.fields import read_fields
from foretell.tokenizers import Foreign

CONFIG = "config.json"
NATIVE = {"gpt2": "foretell.models.neural.gpt2", "llama": "foretell.models.neural.llama"}
"""Classes built here, by the model_type in their configuration."""

VOCABULARY = {"gpt2": 50257}
"""Where a configuration does not say."""


def open_folder(folder: Path) -> LanguageModel:
    """The model in a folder. Raises DamagedModel, which names the field, or MissingExtra."""
    config = read_fields(folder / CONFIG)
    kind = config.word("model_type")
    if find_spec("torch") is None:
        raise MissingExtra(
            f'{folder} is a network and needs PyTorch: pip install "foretell[neural]"'
        )
    from foretell.models.neural.network import NeuralModel
    from foretell.models.neural.published import NotNative, find_edges

    problem = f"{folder} is a {kind[:40]}"
    # Models that also see or hear keep the facts on their text apart.
    apart = kind not in NATIVE and "text_config" in config.facts
    text = config.inside("text_config") if apart else config
    vocabulary = text.whole("vocab_size", VOCABULARY.get(kind))
    boundary, opening = find_edges(folder, config, vocabulary)
    tokenizer = Foreign.read(folder, vocabulary=vocabulary, boundary=boundary)
    if kind in NATIVE:
        try:
            return NeuralModel(import_module(NATIVE[kind]).read_network(folder), tokenizer)
        except NotNative as other:
            problem = str(other)
    if find_spec("transformers") is None:
        raise MissingExtra(
            f'{problem}; to open it through transformers: pip install "foretell[transformers]"'
        )
    from foretell.models.neural.adapted import open_adapted

    return NeuralModel(open_adapted(folder, opening), tokenizer)
