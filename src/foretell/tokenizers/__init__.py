"""Floor 1: text to tokens. `train_tokenizer` and `load_tokenizer` are the two ways in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.fields import Fields
from foretell.tokenizers.bytes import Bytes
from foretell.tokenizers.characters import Characters
from foretell.tokenizers.foreign import Foreign
from foretell.tokenizers.numbered import Numbered
from foretell.tokenizers.spelling import SpelledTokenizer, fingerprint_of
from foretell.tokenizers.subwords import Subwords, Words

CONFIG = "tokenizer_config.json"
KINDS = ("bytes", "characters", "words", "bpe", "unigram")

__all__ = [
    "KINDS",
    "Bytes",
    "Characters",
    "Foreign",
    "Numbered",
    "Subwords",
    "Words",
    "load_tokenizer",
    "train_tokenizer",
]


def train_tokenizer(
    kind: str, texts: Sequence[str], *, size: int | None = None
) -> SpelledTokenizer:
    """A tokenizer of one of KINDS. size: vocabulary of the subword kinds, which need it.

    Raises ForetellError for another kind, TextError if the text is too small for the size.
    """
    if kind not in KINDS:
        raise ForetellError(f"there is no tokenizer {kind!r}; choose one of {', '.join(KINDS)}")
    if kind == "bytes":
        return Bytes()
    if kind == "characters":
        return Characters.train(texts)
    if kind == "words":
        return Words.train(texts)
    if size is None:
        raise ForetellError(f"a {kind} tokenizer needs a size, such as 2048")
    return Subwords.train(texts, size=size, kind="bpe" if kind == "bpe" else "unigram")


def load_tokenizer(folder: Path) -> Tokenizer:
    """What `save` wrote. Raises DamagedModel if a file is missing, altered or not ours."""
    try:
        config = json.loads((folder / CONFIG).read_text("utf-8"))
        kind, fingerprint = config["foretell"]["kind"], config["foretell"]["fingerprint"]
        if kind == "whitespace":
            return _load_whitespace(folder, fingerprint)
        if kind == "foreign":
            return _load_foreign(folder, config["foretell"])
        if kind == "numbered":
            return Numbered.restore(Fields(str(folder / CONFIG), config["foretell"]))
        text = (folder / "tokenizer.json").read_text("utf-8")
        backend = Backend.from_str(text)
        tokenizer = _rebuild(kind, backend)
    except DamagedModel:
        raise
    # The backend raises bare Exception for a file it cannot parse; nothing narrower exists.
    except Exception as problem:
        raise DamagedModel(
            f"{folder} holds no tokenizer that can be read ({type(problem).__name__}: "
            f"{str(problem)[:80]}); restore tokenizer.json and tokenizer_config.json"
        ) from problem
    if not tokenizer.fingerprint == fingerprint_of(backend) == fingerprint:
        raise DamagedModel(
            f"{folder / 'tokenizer.json'} was changed after it was saved; restore it, since the "
            "model would read other tokens than it learned"
        )
    return tokenizer


def _load_whitespace(folder: Path, fingerprint: str) -> Tokenizer:
    # Here, since compiled code and its back end are heavy, and other tokenizers need neither.
    from foretell.tokenizers import whitespace

    words = whitespace.load(folder)
    if words.fingerprint != fingerprint:
        raise DamagedModel(f"the vocabulary in {folder} was changed after it was saved; restore it")
    return words


def _load_foreign(folder: Path, facts: dict[str, Any]) -> Tokenizer:
    foreign = Foreign.restore(folder, Fields(str(folder / CONFIG), facts))
    if foreign.fingerprint != facts["fingerprint"]:
        raise DamagedModel(
            f"{folder / 'tokenizer.json'} was changed after it was saved; restore it"
        )
    return foreign


def _rebuild(kind: str, backend: Backend) -> SpelledTokenizer:
    if kind == "bytes":
        return Bytes()
    if kind == "characters":
        letters = sorted(backend.get_vocab(with_added_tokens=False).items(), key=lambda kv: kv[1])
        return Characters([letter for letter, token in letters if token >= 256])
    return {"words": Words, "subwords": Subwords}[kind](backend)
