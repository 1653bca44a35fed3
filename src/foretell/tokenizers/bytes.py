"""One token a byte: no training, no unknowns, any language; the longest sequences."""

from __future__ import annotations

import numpy as np
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from foretell.contracts.tokenizer import Encoding
from foretell.tokenizers.spelling import SpelledTokenizer, add_boundary, byte_alphabet


class Bytes(SpelledTokenizer):
    """Tokens 0 ... 255 are the bytes themselves."""

    kind = "bytes"
    name = "bytes"

    def __init__(self) -> None:
        self.spellings = [bytes([byte]) for byte in range(256)] + [b""]

    def backend(self) -> Backend:
        vocabulary = {letter: byte for byte, letter in enumerate(byte_alphabet())}
        backend = Backend(models.BPE(vocab=vocabulary, merges=[]))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.decoder = decoders.ByteLevel()
        return add_boundary(backend)

    def encode(self, text: str) -> Encoding:
        tokens = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int32)
        return Encoding(tokens, np.ones(len(tokens), np.int32))
