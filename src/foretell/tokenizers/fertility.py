"""Compare tokenizers before any model is trained: how many tokens, how much is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foretell.contracts.tokenizer import Tokenizer


@dataclass(frozen=True)
class Fertility:
    """What a tokenizer makes of a text it was not trained on."""

    name: str
    vocabulary_size: int
    tokens: int
    bytes: int
    words: int
    unknown: int
    used: int
    """Different tokens that occur."""
    unigram_bits_per_byte: float
    """Entropy of the text's own token frequencies: the cost without any context."""

    @property
    def bytes_per_token(self) -> float:
        return self.bytes / max(1, self.tokens)

    @property
    def tokens_per_word(self) -> float:
        """Meaningless in scripts without spaces, where a whole line is one word."""
        return self.tokens / max(1, self.words)


def measure_fertility(tokenizer: Tokenizer, texts: Sequence[str]) -> Fertility:
    """Encode texts and count."""
    encodings = tokenizer.encode_many(list(texts))
    counts = np.zeros(tokenizer.vocabulary_size, np.int64)
    for encoding in encodings:
        counts += np.bincount(encoding.tokens, minlength=len(counts))
    size = sum(int(encoding.byte_lengths.sum()) for encoding in encodings)
    total = int(counts.sum())
    share = counts[counts > 0] / max(1, total)
    return Fertility(
        name=tokenizer.name,
        vocabulary_size=tokenizer.vocabulary_size,
        tokens=total,
        bytes=size,
        words=sum(len(text.split()) for text in texts),
        unknown=0 if tokenizer.unknown is None else int(counts[tokenizer.unknown]),
        used=int((counts > 0).sum()),
        unigram_bits_per_byte=float(-(share * np.log2(share)).sum() * total / max(1, size)),
    )
