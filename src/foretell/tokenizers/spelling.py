"""What all tokenizers share: every token has a spelling in bytes, and a folder to live in.

token    0     1    ...   V-2        V-1
bytes   b"a"  b"th" ...   b"\\xe6"    boundary, b""
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from foretell.contracts.tokenizer import Encoding

BOUNDARY = "<|endoftext|>"


@runtime_checkable
class Lexicon(Protocol):
    """A tokenizer whose tokens are whole words, the white space between them left out."""

    def word(self, token: int) -> bytes: ...

    def words(self) -> Iterator[bytes]:
        """Spellings of all tokens, in their order."""
        ...


def byte_alphabet() -> list[str]:
    """The 256 printable characters that GPT-2's files write for the bytes 0 ... 255.

    Radford et al. 2019: printable Latin-1 stands for itself, the rest moves above U+0100.
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in set(plain)]
    letters = {byte: chr(byte) for byte in plain}
    letters |= {byte: chr(256 + index) for index, byte in enumerate(moved)}
    return [letters[byte] for byte in range(256)]


class SpelledTokenizer(ABC):
    """A tokenizer whose tokens have fixed spellings. The boundary is the last token.

    The file that Hugging Face tools read is made by `backend`; a subclass may encode faster than
    that file would, and the tests hold the two equal.
    """

    kind: str
    name: str
    spellings: list[bytes]
    """One for each token, the boundary's empty."""
    unknown: int | None = None

    @property
    def lossless(self) -> bool:
        return self.unknown is None

    @cached_property
    def vocabulary_size(self) -> int:
        return len(self.spellings)

    @cached_property
    def boundary(self) -> int:
        return len(self.spellings) - 1

    @cached_property
    def spelling_lengths(self) -> NDArray[np.int32]:
        """Bytes of each token, (V,)."""
        return np.array([len(spelling) for spelling in self.spellings], np.int32)

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint_of(self.backend())

    @abstractmethod
    def backend(self) -> Backend:
        """This tokenizer as the `tokenizers` library knows it, the boundary as special token."""

    @abstractmethod
    def encode(self, text: str) -> Encoding: ...

    def encode_many(self, texts: list[str]) -> list[Encoding]:
        return [self.encode(text) for text in texts]

    def decode(self, tokens: NDArray[np.int32]) -> str:
        """Text of tokens (T,); bytes that are no UTF-8 become U+FFFD, unknowns a U+FFFD each."""
        return b"".join([self.spellings[token] for token in tokens]).decode("utf-8", "replace")

    def save(self, folder: Path) -> None:
        # By way of text: the backend's own `save` hides a full disk behind a bare Exception.
        whole = self.backend().to_str(pretty=True)
        (folder / "tokenizer.json").write_text(whole, encoding="utf-8")
        config: dict[str, Any] = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": BOUNDARY,
            "eos_token": BOUNDARY,
            "clean_up_tokenization_spaces": False,
            "foretell": {"kind": self.kind, "name": self.name, "fingerprint": self.fingerprint},
        }
        if self.unknown is not None:
            config["unk_token"] = UNKNOWN
        text = json.dumps(config, ensure_ascii=False, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


UNKNOWN = "<unk>"


def fingerprint_of(backend: Backend) -> str:
    """Hash of all that a backend says about itself."""
    return sha256(backend.to_str().encode()).hexdigest()[:16]


def add_boundary(backend: Backend) -> Backend:
    """Give the backend its boundary, as the last token."""
    backend.add_special_tokens([AddedToken(BOUNDARY, special=True, normalized=False)])
    return backend


def size_in_words(size: int) -> str:
    """`2k` for 2048, `12k` for 12345, `777` for 777."""
    return f"{round(size / 1024)}k" if size >= 1000 else str(size)
