"""foretell: one workbench for language models, from n-gram to GPT.

    model = foretell.fit("my-notes/", model="lstm", budget="60s")
    foretell.generate(model, "The sea")
    foretell.score(model, ["The sea is calm."]).total.bits_per_byte
    foretell.compare("my-notes/", budget="5m").rungs[0].name

Importing this loads no back end; each function loads what it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foretell.contracts.language_model import LanguageModel
    from foretell.evaluation.comparing import Score
    from foretell.evaluation.results import Comparison

__version__ = "0.1.0"
__all__ = ["compare", "fit", "generate", "load", "score"]


def load(path: str | Path) -> LanguageModel:
    """Open a model: a folder that foretell wrote, a folder in Hugging Face's layout, a GGUF or ARPA
    file, a KenLM binary, or the name of one that was pulled. Raises DamagedModel."""
    from foretell.interop.doors import open_model

    return open_model(path)


def fit(path: str | Path | None, *, out: str | Path | None = None, **options: Any) -> LanguageModel:
    """Train one model on a file or folder; None is the documentation inside Python.

    options: the fields of `ladder.options.TrainOptions`, such as model, tokenizer, budget.
    out: also write it there. Raises ForetellError if text or options cannot be used.
    """
    from tempfile import TemporaryDirectory

    from foretell.corpus.source import load_corpus
    from foretell.ladder import single, streamed
    from foretell.ladder.options import TrainOptions

    chosen = TrainOptions(**options)
    source = None if path is None else Path(path)
    if source is not None and streamed.streams(source, chosen):
        with TemporaryDirectory() as scratch:
            place = Path(scratch) / "model" if out is None else Path(out)
            return streamed.train_into(place, source, chosen).model
    corpus = load_corpus(source, field=chosen.field, seed=chosen.seed)
    if out is None:
        return single.train(corpus, chosen).model
    return single.train_into(Path(out), corpus, chosen).model


def score(model: LanguageModel, texts: Sequence[str], *, end_of_text: bool = False) -> Score:
    """What texts cost a model, document by document, signed.

    Good: score(a, texts).against(score(b, texts))
    Bad:  score(a, "one text")     a str is a sequence of characters: ForetellError
    """
    from foretell.contracts.errors import ForetellError
    from foretell.evaluation.comparing import measure

    if isinstance(texts, str):
        raise ForetellError("texts is one str; write [text]")
    return measure(model, list(texts), end_of_text=end_of_text)


def generate(model: LanguageModel, prompt: str = "", **settings: Any) -> str:
    """The text with which a model continues a prompt.

    settings: the fields of `decoding.generate.DecodingSettings`, such as max_tokens, temperature.
    """
    from foretell.decoding.generate import DecodingSettings
    from foretell.decoding.generate import generate as generate_all

    return generate_all(model, [prompt], settings=DecodingSettings(**settings))[0].text


def compare(path: str | Path | None = None, **options: Any) -> Comparison:
    """Train and measure the whole ladder on a file or folder, and say which model to use.

    options: the fields of `ladder.options.CompareOptions`, such as budget and out.
    """
    from foretell.ladder.comparison import compare as compare_all
    from foretell.ladder.comparison import output_folder
    from foretell.ladder.options import CompareOptions
    from foretell.report.page import write_page

    chosen = CompareOptions(**options)
    source = None if path is None else Path(path)
    comparison = compare_all(source, chosen)
    write_page(comparison, output_folder(source, chosen) / "report.html", chosen.language)
    return comparison
