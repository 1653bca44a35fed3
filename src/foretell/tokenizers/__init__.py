"""Floor 1: text to tokens. `train_tokenizer` and `load_tokenizer` are the two ways in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tokenizers import Tokenizer as Backend

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.fields import Fields, read_json_object
from foretell.tokenizers.bytes import Bytes
from foretell.tokenizers.characters import Characters
from foretell.tokenizers.foreign import Foreign, read_backend
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
    path = folder / CONFIG
    facts = Fields(str(path), read_json_object(path)).inside("foretell")
    kind, fingerprint = facts.word("kind"), facts.word("fingerprint")
    if kind == "whitespace":
        return _load_whitespace(folder, fingerprint)
    if kind == "foreign":
        return _load_foreign(folder, facts)
    if kind == "numbered":
        return Numbered.restore(facts)
    if kind not in REBUILT:
        raise facts.damaged("kind", f"is {kind[:40]!r}, and {', '.join(REBUILT)} are known")
    path = folder / "tokenizer.json"
    try:
        backend, _ = read_backend(path.read_text("utf-8"), str(path))
        tokenizer = REBUILT[kind](backend)
    except (OSError, ValueError, KeyError, IndexError) as problem:
        raise DamagedModel(
            f"{path} cannot be read ({type(problem).__name__}: {str(problem)[:80]}); restore it"
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

    try:
        words = whitespace.load(folder)
    except (OSError, ValueError) as problem:
        said = f"{type(problem).__name__}: {str(problem)[:80]}"
        raise DamagedModel(
            f"the vocabulary in {folder} cannot be read ({said}); restore its two files"
        ) from problem
    if words.fingerprint != fingerprint:
        raise DamagedModel(f"the vocabulary in {folder} was changed after it was saved; restore it")
    return words


def _load_foreign(folder: Path, facts: Fields) -> Tokenizer:
    foreign = Foreign.restore(folder, facts)
    if foreign.fingerprint != facts.word("fingerprint"):
        raise DamagedModel(
            f"{folder / 'tokenizer.json'} was changed after it was saved; restore it"
        )
    return foreign


def _rebuild_characters(backend: Backend) -> Characters:
    letters = sorted(backend.get_vocab(with_added_tokens=False).items(), key=lambda kv: kv[1])
    return Characters([letter for letter, token in letters if token >= 256])


REBUILT: dict[str, Callable[[Backend], SpelledTokenizer]] = {
    "bytes": lambda backend: Bytes(),
    "characters": _rebuild_characters,
    "words": Words,
    "subwords": Subwords,
}
"""Kinds that are made again from what the backend says about itself."""
