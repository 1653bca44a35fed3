"""Text to tokens and back.

    "深 sea"  -- encode -->  [812, 32, 77]  -- decode -->  "深 sea"
                byte_lengths [  3,  1,  3]     sum = the text's UTF-8 bytes

One token, the boundary, stands for the place where one text ends and the next begins. It is in
the vocabulary, so that a model can foretell the end; it never comes out of `encode`, and text
that happens to spell its name is encoded as ordinary text.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class Encoding(NamedTuple):
    """One text, tokenised. Both arrays have shape (T,)."""

    tokens: NDArray[np.int32]
    byte_lengths: NDArray[np.int32]
    """UTF-8 bytes of the text that each token stands for; they add up to the text's own."""


@runtime_checkable
class Tokenizer(Protocol):
    """Encodes text without knowing any model. Law 11 holds it to its word."""

    @property
    def name(self) -> str:
        """Kind and size as a reader would say it: `bytes`, `characters`, `BPE 2k`."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens V, the boundary included; tokens are 0 ... V-1."""
        ...

    @property
    def boundary(self) -> int: ...

    @property
    def unknown(self) -> int | None:
        """The token for text outside the vocabulary; None means that every text can be spelled."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides `encode`; equal fingerprints give equal tokens."""
        ...

    @property
    def lossless(self) -> bool:
        """True if decode(encode(text)) == text for every text."""
        ...

    def encode(self, text: str) -> Encoding: ...

    def encode_many(self, texts: list[str]) -> list[Encoding]: ...

    def decode(self, tokens: NDArray[np.int32]) -> str:
        """Text of tokens (T,). Boundaries vanish; bytes that are no UTF-8, and unknowns,
        become U+FFFD."""
        ...

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` (readable by Hugging Face tools) and `tokenizer_config.json`."""
        ...
