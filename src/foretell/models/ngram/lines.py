"""A model of words from lines of text, as `lmplz` makes one: a sentence a line, words between
white space, the vocabulary whatever stands there.

    the cat sat        ->  <s> the cat sat </s>
                       ->  <s> </s>               an empty line is a sentence too
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError, TextError
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.suffixes import lay_out
from foretell.models.ngram.model import NGram
from foretell.models.ngram.smoothing import (
    FALLBACK,
    Compat,
    DiscountPolicy,
    Discounts,
    Smoothing,
    estimate_stream,
)
from foretell.models.ngram.trie import Trie
from foretell.tokenizers.whitespace import Whitespace, learn_lines

LONG_WORDS = 24
"""Bytes: the different words of English have 8 on average, of German 12; lines of Chinese 40."""


def estimate_lines(
    text: Path | bytes | Sequence[str],
    *,
    order: int = 5,
    prune: Sequence[int] = (0,),
    discounts: DiscountPolicy = "auto",
    fallback: Discounts = FALLBACK,
    compat: Compat = "exact",
    interpolate_unigrams: bool = True,
    vocabulary: Collection[bytes] | None = None,
    vocabulary_pad: int = 0,
    skip_reserved: bool = False,
) -> NGram:
    """A modified Kneser-Ney model of the words in a file, in bytes, or in sentences.

    prune: n-grams of order 1, 2, ... seen this often or less are dropped; the last number repeats.
    A word that is dropped becomes unknown. vocabulary: all other words are dropped too.
    discounts, fallback, compat, vocabulary_pad: as in Smoothing. interpolate_unigrams: without it,
    what is taken off the unigrams goes to `<unk>` alone. skip_reserved: take `<s>`, `</s>` and
    `<unk>` in the text for white space; else they raise TextError.

    Good: estimate_lines(Path("train.txt"), order=3, prune=(0, 0, 1))
    Bad:  estimate_lines("the cat sat")       a string is a sequence of letters: ForetellError

    Raises ForetellError for settings or text that cannot be used.
    """
    data = read_bytes(text)
    words, stream = learn_lines(data, skip_reserved=skip_reserved)
    if compat == "kenlm" and len(data) and data[-1] != ord("\n"):
        stream = stream[:-1]  # `lmplz` counts no end of a last line without a newline
    check_counted(len(stream) - 1)
    settings = Settings(
        tuple(int(threshold) for threshold in prune) or (0,),
        Smoothing(
            order=order,
            discounts=discounts,
            fallback=fallback,
            compat=compat,
            unseen=None if interpolate_unigrams else Whitespace.unknown,
            vocabulary_pad=vocabulary_pad,
        ),
        vocabulary,
    )
    keep = None
    if not settings.keeps_all:
        keep = settings.choose_words(words, np.bincount(stream, minlength=words.vocabulary_size))
    trie = estimate_stream(
        stream,
        vocabulary_size=words.vocabulary_size,
        boundary=words.boundary,
        smoothing=settings.smoothing,
        keep=keep,
    )
    return settings.finish(trie, words, keep)


class Settings:
    """How a model of words is made from their counts: what `estimate_lines` was asked for."""

    def __init__(
        self,
        thresholds: tuple[int, ...],
        smoothing: Smoothing,
        vocabulary: Collection[bytes] | None = None,
    ) -> None:
        """thresholds: n-grams of order 1, 2, ... seen this often or less are dropped; smoothing:
        all else, its own thresholds aside; vocabulary: words that may stay."""
        self.threshold = thresholds[0]
        prune = (0, *(thresholds[1:] or thresholds))[: smoothing.order]
        self.smoothing = replace(smoothing, prune=prune)
        self.vocabulary = vocabulary

    @property
    def keeps_all(self) -> bool:
        """Whether no word is dropped."""
        return self.threshold == 0 and self.vocabulary is None

    def choose_words(self, words: Whitespace, counts: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Tokens (V,) that stay, from how often each occurs (V,)."""
        keep = counts > self.threshold
        if self.vocabulary is not None:
            wanted = set(self.vocabulary)
            keep &= np.fromiter((word in wanted for word in words.words()), bool, len(keep))
        # Neither the unknown word nor the end of a sentence is ever dropped.
        keep[[words.unknown, words.boundary]] = True
        return keep

    def finish(self, trie: Trie, words: Whitespace, keep: NDArray[np.bool_] | None) -> NGram:
        """The model, from a trie in which the words `keep` (V,) stayed."""
        recipe = replace(
            trie.recipe,
            prune=(self.threshold, *trie.recipe.prune[1:]),
            notices=(*trie.recipe.notices, *_notice_words(words)),
        )
        return NGram(replace(trie, recipe=recipe), words if keep is None else words.subset(keep))


def _notice_words(words: Whitespace) -> list[str]:
    """Says if the text seems to have no spaces between words, as Chinese has none."""
    length = len(words.letters) / max(1, len(words.ends))
    if length <= LONG_WORDS:
        return []
    return [
        f"a word has {length:.0f} bytes on average, so the text seems to have no spaces between "
        "its words; put them in, or count characters: foretell train TEXT --model kneser-ney "
        "--tokenizer characters"
    ]


def check_counted(tokens: int) -> None:
    """Raise TextError if a text holds no token to count, not even the end of a line."""
    if tokens == 0:
        raise TextError("the text has no word and no newline; give one with a sentence a line")


def stream_of(tokenizer: Tokenizer, path: Path) -> NDArray[np.int32]:
    """The lines of a file as a stream (S,), a boundary before the first and after each.

    Raises TextError if there is no text.
    """
    if isinstance(tokenizer, Whitespace):
        return tokenizer.encode_lines(map_file(path))
    texts = [encoding.tokens for encoding in tokenizer.encode_many(read_lines(path))]
    return lay_out(
        list(texts), vocabulary_size=tokenizer.vocabulary_size, boundary=tokenizer.boundary
    )


def read_lines(path: Path) -> list[str]:
    """The lines of a file, without their newlines; bytes that are no UTF-8 as surrogates."""
    lines = map_file(path).tobytes().decode("utf-8", "surrogateescape").split("\n")
    return lines if lines[-1] else lines[:-1]


def map_file(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        raise TextError(f"{path} is not a file; give a file with a sentence a line")
    if path.stat().st_size == 0:
        raise TextError(f"{path} is empty; give a file with a sentence a line")
    return np.asarray(np.memmap(path, np.uint8, mode="r"))


def read_bytes(text: Path | bytes | Sequence[str]) -> NDArray[np.uint8]:
    if isinstance(text, str):
        raise ForetellError("one string is no list of sentences; give [text], or Path(name)")
    if isinstance(text, Path):
        return map_file(text)
    if isinstance(text, bytes):
        return np.frombuffer(text, np.uint8)
    lines = "".join(line.rstrip("\n") + "\n" for line in text)
    return np.frombuffer(lines.encode("utf-8", "surrogateescape"), np.uint8)
