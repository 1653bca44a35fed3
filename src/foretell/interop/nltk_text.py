"""Texts between NLTK and us: tokenizers both ways, and its corpora; see nltk.py, the door.

tokenizer_of(ours).tokenize("the cat")                ours, as NLTK's TokenizerI
prepare(texts, TreebankWordTokenizer())               NLTK's, for `foretell ngram estimate`
documents_of(PlaintextCorpusReader(folder, ".*"))     a corpus, to train on and score
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from foretell.contracts.corpus import Document
from foretell.contracts.errors import MissingExtra
from foretell.contracts.tokenizer import Tokenizer

try:
    from nltk.tokenize.api import TokenizerI
except ModuleNotFoundError:
    raise MissingExtra('NLTK is not installed: pip install "foretell[nltk]"') from None


def tokenizer_of(tokenizer: Tokenizer, *, keep_spaces: bool = False) -> Pieces:
    """A tokenizer of ours with the methods of NLTK's.

    keep_spaces: pieces are the whole text again when joined; else white space at the edges of a
    piece is left out, and pieces that are nothing else with it.
    """
    return Pieces(tokenizer, keep_spaces)


class Pieces(TokenizerI):  # type: ignore[misc, unused-ignore]
    """The pieces of a text that tokens stand for. Tokens that share a character are one piece,
    since NLTK counts characters and has no halves of them."""

    def __init__(self, tokenizer: Tokenizer, keep_spaces: bool) -> None:
        self.tokenizer = tokenizer
        self.keep_spaces = keep_spaces

    def tokenize(self, s: str) -> list[str]:
        return [s[low:high] for low, high in self.span_tokenize(s)]

    def span_tokenize(self, s: str) -> Iterator[tuple[int, int]]:
        ends = np.cumsum(self.tokenizer.encode(s).byte_lengths)
        letters = [len(letter.encode("utf-8", "surrogateescape")) for letter in s]
        at = {end: place for place, end in enumerate(np.cumsum([0, *letters]).tolist())}
        low = 0
        for high in (at[end] for end in ends.tolist() if end in at):
            if high > low:
                yield from self._trim(s, low, high)
            low = high

    def _trim(self, s: str, low: int, high: int) -> Iterator[tuple[int, int]]:
        if not self.keep_spaces:
            piece = s[low:high]
            low += len(piece) - len(piece.lstrip())
            high -= len(piece) - len(piece.rstrip())
        if low < high:
            yield low, high


def prepare(texts: Iterable[str], words: Any, sentences: Any = None) -> Iterator[str]:
    """Lines for `foretell ngram estimate`: a sentence a line, words apart by one space.

    words: a tokenizer of NLTK. sentences: one that cuts sentences, such as
    PunktSentenceTokenizer(); without it, each line of a text is a sentence.
    """
    for text in texts:
        for sentence in text.splitlines() if sentences is None else sentences.tokenize(text):
            line = _join(words.tokenize(sentence))
            if line:
                yield line


def documents_of(reader: Any, *, paragraphs: bool = False) -> Iterator[Document]:
    """The texts of a corpus reader of NLTK: each file as it is, or each paragraph, a sentence a
    line and words apart by one space."""
    for name in reader.fileids():
        if not paragraphs:
            yield Document(reader.raw(name), name)
            continue
        for number, paragraph in enumerate(reader.paras(name), 1):
            text = "\n".join(_join(sentence) for sentence in paragraph)
            yield Document(text, f"{name}#{number}")


def lines_of(reader: Any) -> Iterator[str]:
    """The sentences of a corpus reader of NLTK, as lines of words apart by one space."""
    for sentence in reader.sents():
        line = _join(sentence)
        if line:
            yield line


def _join(words: Iterable[str]) -> str:
    # A word that holds white space itself becomes several, rather than a new one.
    return " ".join(" ".join(words).split())
