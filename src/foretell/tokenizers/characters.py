"""One token a character, the rare ones spelled in bytes: lossless in every script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models

from foretell.contracts.tokenizer import Encoding
from foretell.tokenizers.spelling import SpelledTokenizer, add_boundary


class Characters(SpelledTokenizer):
    """Tokens 0 ... 255 are bytes, then come the characters by code point, then the boundary.

    A character has its own token if training saw it often enough; else its UTF-8 bytes stand for
    it. So nothing is ever unknown, and a rare character costs three or four tokens.
    """

    kind = "characters"

    def __init__(self, characters: Sequence[str]) -> None:
        self.characters = sorted(characters)
        self.spellings = [
            *(bytes([byte]) for byte in range(256)),
            *(character.encode("utf-8") for character in self.characters),
            b"",
        ]
        self.name = "characters"
        self._codes = np.array([ord(character) for character in self.characters], np.uint32)

    @classmethod
    def train(cls, texts: Iterable[str], *, minimum_count: int = 2) -> Characters:
        """Characters seen at least minimum_count times get a token."""
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return cls([character for character, count in counts.items() if count >= minimum_count])

    def backend(self) -> Backend:
        vocabulary = {f"<0x{byte:02X}>": byte for byte in range(256)}
        vocabulary |= {letter: 256 + index for index, letter in enumerate(self.characters)}
        backend = Backend(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
        backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        return add_boundary(backend)

    def encode(self, text: str) -> Encoding:
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        if not len(codes):
            return Encoding(np.zeros(0, np.int32), np.zeros(0, np.int32))
        place = np.searchsorted(self._codes, codes)
        place[place == len(self._codes)] = 0
        known = self._codes[place] == codes if len(self._codes) else np.zeros(len(codes), bool)
        if known.all():
            tokens = (place + 256).astype(np.int32)
        else:
            # Unknown characters are rare: cut the text around them instead of looping over it.
            pieces, start = [], 0
            for index in np.flatnonzero(~known).tolist():
                pieces.append((place[start:index] + 256).astype(np.int32))
                pieces.append(np.frombuffer(text[index].encode(), np.uint8).astype(np.int32))
                start = index + 1
            pieces.append((place[start:] + 256).astype(np.int32))
            tokens = np.concatenate(pieces)
        return Encoding(tokens, self.spelling_lengths[tokens])
