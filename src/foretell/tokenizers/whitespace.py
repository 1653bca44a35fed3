"""Words between white space, in bytes, numbered as they first appear: what n-gram tools read.

    "the  cat\\tsat"   ->  the cat sat        NUL, TAB, LF, CR and SPACE separate, nothing else

Facts: how much white space stood there is lost; a word is any bytes, UTF-8 or not; token 0 is
`<unk>`, 1 the boundary, 2 the first word that was met.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import DamagedModel, TextError
from foretell.contracts.tokenizer import Encoding
from foretell.threads import count_threads, in_threads
from foretell.tokenizers import word_table
from foretell.tokenizers.spelling import UNKNOWN, size_in_words
from foretell.tokenizers.word_table import FIRST_WORD

Bytes = NDArray[np.uint8]
Ids = NDArray[np.int32]
RESERVED = (b"<s>", b"</s>", UNKNOWN.encode())
PIECE = 1 << 24


class Whitespace:
    """A vocabulary of words. What is not among them becomes `<unk>`."""

    kind = "whitespace"
    unknown: int = 0
    boundary: int = 1
    lossless = False

    def __init__(self, letters: Bytes, ends: NDArray[np.int64]) -> None:
        """letters (L,): all words in one string; ends (W,): where each ends there."""
        self.letters = letters
        self.ends = ends

    @staticmethod
    def of(words: Iterable[bytes]) -> Whitespace:
        """The vocabulary of distinct words, token 2 the first of them."""
        words = list(words)
        ends = np.cumsum([len(word) for word in words], dtype=np.int64)
        return Whitespace(np.frombuffer(b"".join(words), np.uint8), ends)

    def subset(self, keep: NDArray[np.bool_]) -> Whitespace:
        """The vocabulary of the tokens that `keep` (V,) marks, in the same order."""
        spelled = zip(self.words(), keep.tolist(), strict=True)
        return Whitespace.of([word for word, kept in spelled if kept][FIRST_WORD:])

    @property
    def name(self) -> str:
        return f"whitespace {size_in_words(self.vocabulary_size)}"

    @property
    def vocabulary_size(self) -> int:
        return len(self.ends) + FIRST_WORD

    @cached_property
    def fingerprint(self) -> str:
        found = sha256(np.ascontiguousarray(self.ends, "<i8").data)
        found.update(np.ascontiguousarray(self.letters).data)
        return found.hexdigest()[:16]

    @cached_property
    def table(self) -> NDArray[np.uint64]:
        """Slots of open addresses: the half of a word's hash, and its token."""
        return word_table.fill_table(self.letters, self.ends)

    def word(self, token: int) -> bytes:
        """Spelling of a token; `<unk>` and `</s>` for the two that are no words."""
        if token < FIRST_WORD:
            return (RESERVED[2], RESERVED[1])[token]
        at = token - FIRST_WORD
        return self.letters[self.ends[at - 1] if at else 0 : self.ends[at]].tobytes()

    def words(self) -> Iterator[bytes]:
        """Spellings of all tokens, in their order."""
        yield from (self.word(0), self.word(1))
        letters, begin = self.letters.tobytes(), 0
        for end in self.ends.tolist():
            yield letters[begin:end]
            begin = end

    def token(self, word: bytes) -> int:
        """The token of a word; that of `<unk>` if it is not in the vocabulary."""
        data = np.frombuffer(word, np.uint8)
        return int(word_table.find_word(data, 0, len(data), self.letters, self.ends, self.table))

    def encode(self, text: str) -> Encoding:
        """Tokens, and bytes of each with the white space before it; what stands after the last
        word is the last one's. White space alone is one unknown token."""
        data = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
        tokens, ends = word_table.encode(data, self.letters, self.ends, self.table, False)
        if len(data) and not len(tokens):
            tokens, ends = np.zeros(1, np.int32), np.zeros(1, np.int64)
        if len(ends):
            ends[-1] = len(data)
        return Encoding(tokens, np.diff(ends, prepend=0).astype(np.int32))

    def encode_many(self, texts: list[str]) -> list[Encoding]:
        return [self.encode(text) for text in texts]

    def encode_lines(self, data: Bytes) -> Ids:
        """The stream (S,) of lines of text (L,), a boundary before the first and after each.

        What follows the last newline is a line too, if anything does.
        """
        words = self.letters, self.ends, self.table
        parts = in_threads(
            lambda low, high: word_table.encode(data[low:high], *words, True)[0], cut_lines(data)
        )
        return _join_lines(data, parts)

    def decode(self, tokens: NDArray[np.int32]) -> str:
        """Words joined by spaces; boundaries vanish, unknowns become U+FFFD."""
        words = [self.word(int(t)) if t else b"\xef\xbf\xbd" for t in tokens if t != self.boundary]
        return b" ".join(words).decode("utf-8", "replace")

    def save(self, folder: Path) -> None:
        (folder / "vocabulary.letters.bin").write_bytes(self.letters.tobytes())
        (folder / "vocabulary.ends.bin").write_bytes(self.ends.astype("<i8").tobytes())
        facts = {"kind": self.kind, "name": self.name, "fingerprint": self.fingerprint}
        text = json.dumps({"foretell": facts}, indent=2) + "\n"
        (folder / "tokenizer_config.json").write_text(text, "utf-8")


def load(folder: Path) -> Whitespace:
    """What `Whitespace.save` wrote. Raises DamagedModel if the parts do not fit each other."""
    letters = np.frombuffer((folder / "vocabulary.letters.bin").read_bytes(), np.uint8)
    ends = np.frombuffer((folder / "vocabulary.ends.bin").read_bytes(), "<i8")
    short = len(ends) > 0 and (ends[0] <= 0 or (ends[1:] <= ends[:-1]).any())
    if short or (ends[-1] if len(ends) else 0) != len(letters):
        raise DamagedModel(f"the vocabulary in {folder} is damaged; restore its two files")
    return Whitespace(letters, ends)


def learn_lines(data: Bytes, *, skip_reserved: bool = False) -> tuple[Whitespace, Ids]:
    """The vocabulary of lines of text (L,), and their stream as `encode_lines` gives it.

    skip_reserved: take `<s>`, `</s>` and `<unk>` for white space; else they raise TextError,
    since they could not be told from the tokens that stand for them.
    """
    # A piece a thread: words that several pieces have are merged once for each.
    pieces = cut_lines(data, max(PIECE, -(-len(data) // count_threads())))
    parts = in_threads(lambda low, high: word_table.learn(data[low:high], skip_reserved), pieces)
    for (low, _), part in zip(pieces, parts, strict=True):
        if part[4] >= 0:
            refuse_reserved(data, low + part[4])
    if not parts:
        return Whitespace.of([]), np.full(1, Whitespace.boundary, np.int32)
    letters, ends, table, keys, used = word_table.begin_words()
    streams = []
    for tokens, theirs, their_ends, their_keys, _ in parts:
        numbers, letters, ends, table, keys, used = word_table.merge(
            theirs, their_ends, their_keys, letters, ends, table, keys, used
        )
        word_table.renumber(tokens, numbers)
        streams.append(tokens)
    last = int(ends[used - 1]) if used else 0
    return Whitespace(letters[:last].copy(), ends[:used].copy()), _join_lines(data, streams)


def refuse_reserved(data: Bytes, at: int) -> NoReturn:
    """Raise the TextError for a reserved word that stands at a place of lines of text (L,)."""
    pieces = range(0, at, PIECE)
    before = sum(
        int(np.count_nonzero(data[low : min(low + PIECE, at)] == ord("\n"))) for low in pieces
    )
    raise TextError(
        f"line {1 + before} holds one of the reserved words {b', '.join(RESERVED).decode()}; "
        "remove it, or have reserved words skipped"
    )


def cut_lines(data: Bytes, piece: int = PIECE) -> list[tuple[int, int]]:
    """Cut text (L,) into pieces of about so many bytes that end with a line: where each begins
    and ends."""
    pieces, low = [], 0
    while low < len(data):
        high = min(low + piece, len(data))
        while high < len(data) and data[high - 1] != ord("\n"):
            # A line is short beside a piece; look for its end a little further on.
            ends = np.flatnonzero(data[high : high + 65536] == ord("\n"))
            high = high + int(ends[0]) + 1 if len(ends) else min(high + 65536, len(data))
        pieces.append((low, high))
        low = high
    return pieces


def _join_lines(data: Bytes, parts: list[Ids]) -> Ids:
    first = np.full(1, Whitespace.boundary, np.int32)
    cut_short = len(data) > 0 and data[-1] != ord("\n")
    return np.concatenate([first, *parts, *([first] if cut_short else [])])
