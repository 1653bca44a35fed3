"""A stand-in for the tokenizer of a network that came without one: its tokens are numbers.

Such a network can be verified, since laws are about tokens. It cannot read a text, and says so.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.contracts.tokenizer import Encoding
from foretell.fields import Fields

KIND = "numbered"


class Numbered:
    """Tokens 0 ... V-1 without spellings; `decode` writes the numbers themselves."""

    unknown: int | None = None
    lossless = False

    def __init__(self, vocabulary_size: int, boundary: int = 0) -> None:
        self.vocabulary_size, self.boundary = vocabulary_size, boundary

    @property
    def name(self) -> str:
        return f"{self.vocabulary_size} numbers"

    @property
    def fingerprint(self) -> str:
        return f"{KIND}-{self.vocabulary_size}-{self.boundary}"

    def encode(self, text: str) -> Encoding:
        """Refuses: nobody said how a text becomes these numbers."""
        raise ForetellError(
            "this network came without a tokenizer, so it reads no text; put its tokenizer.json "
            "and tokenizer_config.json beside it"
        )

    def encode_many(self, texts: list[str]) -> list[Encoding]:
        return [self.encode(text) for text in texts]

    def decode(self, tokens: NDArray[np.int32]) -> str:
        return " ".join(str(token) for token in tokens.tolist())

    def save(self, folder: Path) -> None:
        facts = {
            "kind": KIND,
            "fingerprint": self.fingerprint,
            "vocabulary": self.vocabulary_size,
            "boundary": self.boundary,
        }
        text = json.dumps({"foretell": facts}, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")

    @classmethod
    def restore(cls, facts: Fields) -> Numbered:
        """From what `save` wrote. Raises DamagedModel."""
        vocabulary = facts.whole("vocabulary", least=2)
        return cls(vocabulary, facts.whole("boundary", least=0, most=vocabulary - 1))
