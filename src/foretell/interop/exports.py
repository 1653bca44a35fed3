"""Ways out: each writes a model into an empty folder for another tool, and opens what it wrote as
that tool would, so that the two can be held against each other.

    huggingface    config.json, model.safetensors, tokenizer.json      read back by transformers
    gguf-f16 ...   model.gguf                                          read back by foretell
    keras          model.keras, tokenizer.json                         read back by Keras
    savedmodel     a TensorFlow program, tokens to logits              run by TensorFlow
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from foretell.contracts.errors import MissingExtra
from foretell.contracts.language_model import LanguageModel

Written = Literal["F32", "F16", "Q8_0", "Q4_0"]
EXACT = 1e-3
"""Nats; two sums of float32 in another order differ by a tenth of it."""


@dataclass(frozen=True)
class Format:
    """One way out."""

    families: tuple[str, ...]
    """That have this form; other tools know no parts like those of the rest."""
    write: Callable[[LanguageModel, Path], None]
    read: Callable[[LanguageModel, Path], LanguageModel]
    """What stands in the folder, opened; the model is for the tokenizer alone."""
    reader: str
    """Who read it, for the card."""
    usage: str
    """A line of code by which it is opened."""
    apart: float
    """Most nats that the log-probability of a token of a text may move."""
    worse: float
    """Most share of its bits per byte that a text may cost more."""


def _write_huggingface(model: LanguageModel, folder: Path) -> None:
    model.save(folder)


def _read_huggingface(model: LanguageModel, folder: Path) -> LanguageModel:
    if find_spec("transformers") is None:
        raise MissingExtra(
            'what is written is read back by transformers: pip install "foretell[transformers]"'
        )
    from foretell.fields import read_fields
    from foretell.models.neural.adapted import open_adapted
    from foretell.models.neural.network import NeuralModel
    from foretell.models.neural.published import find_edges

    config = read_fields(folder / "config.json")
    _, opening = find_edges(folder, config, model.tokenizer.vocabulary_size)
    return NeuralModel(open_adapted(folder, opening), model.tokenizer)


def _write_gguf(kind: Written) -> Callable[[LanguageModel, Path], None]:
    def write(model: LanguageModel, folder: Path) -> None:
        from foretell.interop.gguf_models import write_model

        write_model(model, folder / "model.gguf", kind)

    return write


def _read_gguf(model: LanguageModel, folder: Path) -> LanguageModel:
    from foretell.interop.gguf_models import open_gguf

    return open_gguf(folder / "model.gguf")


def _write_keras(model: LanguageModel, folder: Path) -> None:
    from foretell.interop.keras import to_keras

    to_keras(model).save(folder / "model.keras")
    model.tokenizer.save(folder)


def _read_keras(model: LanguageModel, folder: Path) -> LanguageModel:
    from foretell.interop.keras import open_keras

    return open_keras(folder / "model.keras", model.tokenizer, opening=_opening(model))


def _write_program(model: LanguageModel, folder: Path) -> None:
    from foretell.interop.keras import to_keras

    to_keras(model).export(folder / "program", verbose=False)
    model.tokenizer.save(folder)


def _read_program(model: LanguageModel, folder: Path) -> LanguageModel:
    from foretell.interop.keras import run_program

    return run_program(
        folder / "program", model.tokenizer, context=model.context, opening=_opening(model)
    )


def _opening(model: LanguageModel) -> int:
    from foretell.models.neural.network import NeuralModel

    assert isinstance(model, NeuralModel)
    return model.network.first_token(model.tokenizer)


def _gguf(kind: Written, *, apart: float, worse: float) -> Format:
    usage = 'llama_cpp.Llama("model.gguf")'
    reader = "foretell's own reader"
    return Format(("gpt2", "llama"), _write_gguf(kind), _read_gguf, reader, usage, apart, worse)


FORMATS = {
    "huggingface": Format(
        ("gpt2", "llama", "adapted"),
        _write_huggingface,
        _read_huggingface,
        "transformers",
        'AutoModelForCausalLM.from_pretrained(".")',
        EXACT,
        EXACT,
    ),
    "gguf-f32": _gguf("F32", apart=EXACT, worse=EXACT),
    # Rounded weights move single tokens far where they are unlikely; the text must not suffer.
    "gguf-f16": _gguf("F16", apart=0.1, worse=0.001),
    "gguf-q8_0": _gguf("Q8_0", apart=float("inf"), worse=0.01),
    "gguf-q4_0": _gguf("Q4_0", apart=float("inf"), worse=0.15),
    "keras": Format(
        ("gpt2",),
        _write_keras,
        _read_keras,
        "Keras",
        'keras.saving.load_model("model.keras")  # after import foretell.models.keras.layers',
        EXACT,
        EXACT,
    ),
    "savedmodel": Format(
        ("gpt2",),
        _write_program,
        _read_program,
        "TensorFlow",
        'tf.saved_model.load("program").serve(tokens)',
        EXACT,
        EXACT,
    ),
}
