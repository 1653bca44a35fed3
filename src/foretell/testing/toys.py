"""Small models that obey the contract, for tests of whatever is written against it.

    ToyTokenizer("ab深", words=("ab ",))

    token      0 1 2 ...        n-3    n-2       n-1
    meaning    single bytes  |  words  unknown   boundary

A character of three bytes is three tokens, so that tokens split characters; a word is one token,
so that tokens straddle whatever a test looks for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ContextExceeded, DamagedModel, ForetellError
from foretell.contracts.language_model import (
    Lengths,
    State,
    Step,
    Tokens,
    check_keep,
    full_lengths,
    score_by_reading,
)
from foretell.contracts.tokenizer import Encoding, Tokenizer

TABLE_ROWS = 509
"""Prime, so that every pair of one or two short contexts is unlikely to share a distribution."""


class ToyTokenizer:
    """Bytes of a tiny alphabet, and a few words.

    alphabet: the characters that can be spelled, byte by byte; None: all 256 bytes, and then every
    text can be spelled and there is no unknown token. words: strings that are one token wherever
    they stand, the longest first.

    Good: ToyTokenizer("ab 深", words=("ab",)).encode("ab 深")     five tokens
    Bad:  ToyTokenizer(words=("",))
    """

    def __init__(self, alphabet: str | None = "abcde .深海", words: Sequence[str] = ()) -> None:
        if not all(words) or len(set(words)) < len(words):
            raise ForetellError("words must differ and not be empty; leave such words out")
        self.alphabet = alphabet
        self.words = tuple(words)
        singles = range(256) if alphabet is None else sorted(set(alphabet.encode("utf-8")))
        self._bytes = [bytes([byte]) for byte in singles]
        self._bytes += [word.encode("utf-8") for word in self.words]
        self._token_of_byte = {byte: token for token, byte in enumerate(singles)}
        self._token_of_word = {word: len(singles) + place for place, word in enumerate(self.words)}
        self._longest_first = sorted(self.words, key=len, reverse=True)
        self.unknown: int | None = None
        if alphabet is not None:
            self.unknown = len(self._bytes)
            self._bytes.append("\ufffd".encode())
        self.boundary = len(self._bytes)
        self._bytes.append(b"")
        self.vocabulary_size = len(self._bytes)
        self.name = f"toy {self.vocabulary_size}"
        self.fingerprint = sha256(json.dumps(self._recipe()).encode()).hexdigest()[:16]

    @property
    def lossless(self) -> bool:
        return self.unknown is None

    def encode(self, text: str) -> Encoding:
        """Text to tokens (T,) and byte lengths (T,)."""
        tokens: list[int] = []
        byte_lengths: list[int] = []
        place = 0
        while place < len(text):
            word = next((w for w in self._longest_first if text.startswith(w, place)), None)
            if word is not None:
                tokens.append(self._token_of_word[word])
                byte_lengths.append(len(word.encode("utf-8")))
                place += len(word)
                continue
            # Half of a surrogate pair is not UTF-8, but it is a str, and must not stop a reader.
            data = text[place].encode("utf-8", "surrogatepass")
            if all(byte in self._token_of_byte for byte in data):
                tokens += [self._token_of_byte[byte] for byte in data]
                byte_lengths += [1] * len(data)
            else:
                assert self.unknown is not None  # else all 256 bytes are in the vocabulary
                tokens.append(self.unknown)
                byte_lengths.append(len(data))
            place += 1
        return Encoding(np.array(tokens, np.int32), np.array(byte_lengths, np.int32))

    def encode_many(self, texts: list[str]) -> list[Encoding]:
        return [self.encode(text) for text in texts]

    def decode(self, tokens: NDArray[np.int32]) -> str:
        """Text of tokens (T,); an unknown token and bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self._bytes[int(t)] for t in tokens).decode("utf-8", "replace")

    def save(self, folder: Path) -> None:
        """Write `tokenizer.json` and `tokenizer_config.json`. Hugging Face tools cannot read them:
        their format has no words that win over bytes."""
        (folder / "tokenizer.json").write_text(json.dumps(self._recipe()), "utf-8")
        config = {"tokenizer_class": type(self).__name__}
        (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote. Raises DamagedModel."""
        recipe = _read_json(folder / "tokenizer.json", {"alphabet", "words"})
        return cls(recipe["alphabet"], recipe["words"])

    def _recipe(self) -> dict[str, object]:
        return {"alphabet": self.alphabet, "words": list(self.words)}


class ToyState:
    """What was read, row by row: the slow twin of every cache. A value, and Truncatable."""

    def __init__(self, rows: Sequence[NDArray[np.int32]]) -> None:
        """rows: B arrays, each (N,) tokens read, the boundary of `begin` included."""
        self.rows = tuple(rows)
        for row in self.rows:
            row.flags.writeable = False
        self.lengths: Lengths = np.array([len(row) for row in self.rows], np.int32)
        self.lengths.flags.writeable = False

    def select(self, rows: Sequence[int] | NDArray[np.integer]) -> ToyState:
        """rows (B,): which to keep, in which order, repeats allowed."""
        return ToyState([self.rows[int(row)] for row in rows])

    def join(self, other: ToyState) -> ToyState:
        return ToyState(self.rows + other.rows)

    def truncate(self, lengths: Lengths) -> ToyState:
        """Back to lengths (B,). Raises ValueError."""
        lengths = np.asarray(lengths)
        if lengths.shape != self.lengths.shape or (lengths < 1).any():
            raise ValueError(f"lengths must be {self.lengths.shape} numbers from 1, got {lengths}")
        if (lengths > self.lengths).any():
            raise ValueError(f"cannot truncate rows of {self.lengths} tokens to {lengths}")
        return ToyState(
            [row[:length].copy() for row, length in zip(self.rows, lengths, strict=True)]
        )


class ToyModel:
    """A table of random distributions; the last order - 1 tokens, hashed, choose the row.

    order: 2 for a bigram, 3 for a trigram; None: all that the state holds counts, so that a wrong
    window shows. context: most tokens that a state may hold. ending: P(boundary), everywhere.
    sharpness: standard deviation of the logits; large ones make greedy and sampled text alike.
    Equal arguments make equal models. The text before a boundary is forgotten.

    Good: ToyModel(ToyTokenizer(), order=2, seed=7)
    Bad:  ToyModel(ToyTokenizer(), ending=0.0)
    """

    family = "toy"

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        order: int | None = 3,
        context: int | None = None,
        seed: int = 0,
        ending: float = 0.02,
        sharpness: float = 1.5,
    ) -> None:
        if order is not None and order < 1:
            raise ForetellError(f"order must be at least 1, or None for all, not {order}")
        if context is not None and context < 1:
            raise ForetellError(f"context must be at least 1, or None for no limit, not {context}")
        if not 0 < ending < 1:
            raise ForetellError(f"ending must be more than 0 and less than 1, not {ending}")
        self.tokenizer = tokenizer
        self.order = order
        self.context = context
        shape = (TABLE_ROWS, tokenizer.vocabulary_size)
        logits = np.random.default_rng(seed).normal(0.0, sharpness, shape)
        logits[:, tokenizer.boundary] = -np.inf
        others = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        table = others + np.log1p(-ending)
        table[:, tokenizer.boundary] = np.log(ending)
        self.table: NDArray[np.float32] = table.astype(np.float32)
        """(TABLE_ROWS, V) logprobs."""

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        read = np.array([] if mid_text else [self.tokenizer.boundary], np.int32)
        return self._step([read] * rows, keep=0 if mid_text else 1)

    def advance(
        self, state: State, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        """tokens (B, T), lengths (B,): logprobs (B, K, V). Raises ContextExceeded, ValueError."""
        if not isinstance(state, ToyState):
            raise TypeError(f"a ToyModel reads on from a ToyState, not {type(state).__name__}")
        tokens = np.asarray(tokens, np.int32)
        lengths = full_lengths(tokens, lengths)
        if len(tokens) != len(state.rows):
            raise ValueError(f"{len(tokens)} rows of tokens for a state of {len(state.rows)} rows")
        check_keep(lengths, keep)
        if self.context is not None and (state.lengths + lengths > self.context).any():
            raise ContextExceeded(
                f"a row would hold {int((state.lengths + lengths).max())} tokens and the context "
                f"is {self.context}; begin(mid_text=True) and read on from there"
            )
        read = []
        for row, new, length in zip(state.rows, tokens, lengths, strict=True):
            if ((new[:length] < 0) | (new[:length] >= self.tokenizer.vocabulary_size)).any():
                raise ValueError(f"tokens must be 0 to {self.tokenizer.vocabulary_size - 1}")
            read.append(np.concatenate([row, new[:length]]))
        return self._step(read, keep)

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        """ln P of tokens (B, T), 0 on pads."""
        return score_by_reading(self, tokens, lengths=lengths)

    def save(self, folder: Path) -> None:
        """Write the table, its settings and the tokenizer into an empty folder that exists."""
        self.tokenizer.save(folder)
        settings = {"family": "toy", "order": self.order, "context": self.context}
        (folder / "toy.json").write_text(json.dumps(settings), "utf-8")
        np.save(folder / "table.npy", self.table, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote, with a ToyTokenizer. Raises DamagedModel."""
        settings = _read_json(folder / "toy.json", {"family", "order", "context"})
        tokenizer = ToyTokenizer.load(folder)
        try:
            table = np.load(folder / "table.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DamagedModel(
                f"cannot read {folder / 'table.npy'}; save the model again"
            ) from error
        if table.shape != (TABLE_ROWS, tokenizer.vocabulary_size) or table.dtype != np.float32:
            raise DamagedModel(
                f"{folder / 'table.npy'} does not fit its tokenizer; save the model again"
            )
        model = cls(tokenizer, order=settings["order"], context=settings["context"])
        model.table = table
        return model

    def _step(self, read: Sequence[NDArray[np.int32]], keep: int) -> Step:
        chosen = np.zeros((len(read), keep), np.intp)
        for index, row in enumerate(read):
            for place in range(keep):
                chosen[index, place] = self._table_row(row[: len(row) - keep + 1 + place])
        return Step(self.table[chosen], ToyState(read))

    def _table_row(self, read: NDArray[np.int32]) -> int:
        """Row of the table after the tokens read (N,)."""
        seen = read if self.order is None else read[max(0, len(read) - self.order + 1) :]
        ends = np.flatnonzero(seen == self.tokenizer.boundary)
        chosen = 0
        for token in seen[ends[-1] if len(ends) else 0 :]:
            chosen = (chosen * 1_000_003 + int(token) + 1) % TABLE_ROWS
        return chosen


def _read_json(path: Path, names: set[str]) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DamagedModel(f"cannot read {path}; save the model again") from error
    if not isinstance(content, dict) or set(content) != names:
        raise DamagedModel(f"{path} does not hold {sorted(names)}; save the model again")
    return content
