"""Subwords (BPE, unigram) and words, by the Hugging Face `tokenizers` library.

Subwords are byte-level as in GPT-2, so they spell every text; words are closed, so what training
did not see often enough is unknown, and evaluation charges for spelling it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from tokenizers import Encoding as BackendEncoding
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

from foretell.contracts.errors import TextError
from foretell.contracts.tokenizer import Encoding
from foretell.tokenizers.spelling import (
    UNKNOWN,
    SpelledTokenizer,
    add_boundary,
    byte_alphabet,
    size_in_words,
)

_HAN = r"\p{Han}\p{Hiragana}\p{Katakana}"
_LETTER = rf"[\p{{L}}\p{{M}}\p{{N}}_&&[^{_HAN}]]"
WORD = rf"[{_HAN}]| ?{_LETTER}+| ?[^\s\p{{L}}\p{{M}}\p{{N}}_]+|\s+"
"""One Chinese character; a run of letters and digits, or of signs, with the space before it; or
spaces. Joined, the pieces are the text again."""


class BackendTokenizer(SpelledTokenizer):
    """A tokenizer that encodes by a `tokenizers` backend."""

    def __init__(self, backend: Backend) -> None:
        # Without this, text that spells the boundary's name would turn into the boundary.
        backend.encode_special_tokens = True
        self._backend = backend
        vocabulary = backend.get_vocab(with_added_tokens=True)
        self._letters = [letter for letter, _ in sorted(vocabulary.items(), key=lambda kv: kv[1])]

    def backend(self) -> Backend:
        return self._backend

    def encode(self, text: str) -> Encoding:
        return self._measure(self._backend.encode(text, add_special_tokens=False), text)

    def encode_many(self, texts: list[str]) -> list[Encoding]:
        encoded = self._backend.encode_batch(texts, add_special_tokens=False)
        return [self._measure(each, text) for each, text in zip(encoded, texts, strict=True)]

    def _measure(self, encoded: BackendEncoding, text: str) -> Encoding:
        tokens = np.array(encoded.ids, np.int32)
        return Encoding(tokens, self.spelling_lengths[tokens])


class Subwords(BackendTokenizer):
    """Byte-level BPE (Sennrich et al. 2016) or unigram pieces (Kudo 2018)."""

    kind = "subwords"

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        letters = {letter: byte for byte, letter in enumerate(byte_alphabet())}
        self.spellings = [bytes(letters[x] for x in piece) for piece in self._letters[:-1]]
        self.spellings.append(b"")
        model = "BPE" if isinstance(backend.model, models.BPE) else "unigram"
        self.name = f"{model} {size_in_words(len(self.spellings))}"

    def encode_many(self, texts: list[str]) -> list[Encoding]:
        # Lengths come from the spellings, so the library need not say where each token stands.
        encoded = self._backend.encode_batch_fast(texts, add_special_tokens=False)
        return [self._measure(each, text) for each, text in zip(encoded, texts, strict=True)]

    @classmethod
    def train(
        cls, texts: Iterable[str], *, size: int, kind: Literal["bpe", "unigram"] = "bpe"
    ) -> Subwords:
        """size: tokens in all, the 256 bytes and the boundary included.

        Raises TextError if the text does not hold so many different pieces.
        """
        if size < 257:
            raise TextError(f"a subword vocabulary of {size} is too small; ask for 257 or more")
        backend = Backend(models.BPE() if kind == "bpe" else models.Unigram())
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = (
            trainers.BpeTrainer(vocab_size=size - 1, initial_alphabet=alphabet, show_progress=False)
            if kind == "bpe"
            else trainers.UnigramTrainer(
                vocab_size=size - 1, initial_alphabet=alphabet, show_progress=False
            )
        )
        backend.train_from_iterator(texts, trainer)
        found = backend.get_vocab_size()
        if found < size - 1:
            raise TextError(
                f"the text holds only {found + 1} different {kind} tokens, not {size}; "
                f"ask for a vocabulary of at most {found + 1}, or give more text"
            )
        if kind == "unigram":
            backend = _round_scores(backend)
        return cls(add_boundary(backend))


def as_many_subwords(texts: Sequence[str], *, most: int) -> Subwords:
    """A vocabulary of `most` tokens, or half as many, and so on, until the text holds so many
    different pieces; bytes at least."""
    size = most
    while True:
        try:
            return Subwords.train(texts, size=size)
        except TextError:
            size = max(257, size // 2)


def _round_scores(backend: Backend) -> Backend:
    """Scores of 17 digits come back from the library's JSON one bit off, so that a saved unigram
    tokenizer would not be the one that was trained; six decimals come back as they were."""
    content = json.loads(backend.to_str())
    content["model"]["vocab"] = [[piece, round(x, 6)] for piece, x in content["model"]["vocab"]]
    return Backend.from_str(json.dumps(content))


class Words(BackendTokenizer):
    """Closed vocabulary of words with the space before them; each Chinese character is a word."""

    kind = "words"
    unknown = 0

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.spellings = ["\ufffd".encode(), *(word.encode() for word in self._letters[1:-1]), b""]
        self.name = f"words {size_in_words(len(self.spellings))}"

    @classmethod
    def train(cls, texts: Iterable[str], *, minimum_count: int = 2) -> Words:
        """Words seen at least minimum_count times. Raises TextError if there are none."""
        backend = Backend(models.WordLevel(vocab={UNKNOWN: 0}, unk_token=UNKNOWN))
        backend.pre_tokenizer = pre_tokenizers.Split(Regex(WORD), "isolated")
        backend.decoder = decoders.Fuse()
        trainer = trainers.WordLevelTrainer(
            vocab_size=2**31 - 1,
            min_frequency=minimum_count,
            special_tokens=[UNKNOWN],
            show_progress=False,
        )
        backend.train_from_iterator(texts, trainer)
        if backend.get_vocab_size() < 2:
            raise TextError(
                f"no word of the text stands there {minimum_count} times; give more text, "
                "or use bytes or characters"
            )
        return cls(add_boundary(backend))

    @cached_property
    def spelling_lengths(self) -> np.ndarray:
        lengths = np.array([len(spelling) for spelling in self.spellings], np.int32)
        lengths[0] = 0  # An unknown's length is known only with its text; see _measure.
        return lengths

    def _measure(self, encoded: BackendEncoding, text: str) -> Encoding:
        tokens = np.array(encoded.ids, np.int32)
        lengths = self.spelling_lengths[tokens]
        unknown = np.flatnonzero(tokens == 0)
        if len(unknown):
            offsets = encoded.offsets
            for index in unknown:
                start, end = offsets[index]
                lengths[index] = len(text[start:end].encode())
        return Encoding(tokens, lengths)
