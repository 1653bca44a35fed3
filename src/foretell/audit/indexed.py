"""An index together with its tokenizer: text in, places in documents out.

folder/   index.json, stream.bin, places.bin ...   what `Index.save` writes
          tokenizer.json ...                       what `Tokenizer.save` writes
          manifest.json                            the seal over both

folder/   shard-0/ shard-1/ ...                    each a folder as above
          manifest.json                            their order, and the seal over all
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.corpus import Document
from foretell.contracts.errors import DamagedModel, ForetellError, TextError
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.cleaning import clean
from foretell.corpus.index import Index, Place, Searchable, build_index, open_index
from foretell.corpus.index_shards import Indexes
from foretell.corpus.readers import GIVE, read_documents
from foretell.storage import check_seal, new_folder, seal
from foretell.tokenizers import load_tokenizer

Ids = NDArray[np.int32]
FORMAT = "foretell-index-1"
SHARDS = "foretell-index-shards-1"
AROUND = 16
"""Tokens of context shown on each side."""
BATCH, PIECE = 256, 1 << 16
"""Pieces that are encoded at once, and characters in each."""
SPACE = re.compile(r"(?<=\S)[ \t\r\n](?=\s*\S)")
HEAD = 256
"""Characters that hold the first word."""


@dataclass(frozen=True)
class Source:
    """A place in the training data, and what stands around it."""

    document: str
    offset: int
    """Tokens from the document's begin."""
    before: str
    text: str
    after: str


@dataclass(frozen=True)
class Foretold:
    """What follows the longest part of a context that the training data holds."""

    matched: str
    matched_tokens: int
    count: int
    """How often it occurs."""
    continuations: tuple[tuple[str | None, int], ...]
    """Most frequent first, text and count; None is the end of a document."""
    different: int


class Matched(NamedTuple):
    """A text, and the longest match that begins at each of its tokens."""

    tokens: Ids
    """(T,) -1 where the tokenizer does not know a word."""
    ends: NDArray[np.int64]
    """(T,) where each token ends, in the text's UTF-8 bytes."""
    lengths: Ids
    """(T,) tokens in the longest match."""


@dataclass(frozen=True)
class IndexedText:
    index: Searchable
    tokenizer: Tokenizer

    def count(self, phrase: str) -> int:
        """How often a phrase occurs, as the tokens it is cut into: not inside a longer token.

        Raises TextError for an empty phrase.
        """
        return sum(self.index.count(tokens) for tokens in self._spell(phrase))

    def search(self, phrase: str, *, most: int) -> tuple[int, list[Source]]:
        """How often a phrase occurs, and the first `most` places. Raises as `count`."""
        found = [self.find(tokens, most=most) for tokens in self._spell(phrase)]
        sources = [source for _, each in found for source in each]
        return sum(count for count, _ in found), sources[:most]

    def foretell(self, context: str, *, top: int) -> Foretold:
        """What comes next, after the longest suffix of a context that occurs."""
        spelled = self._spell(context)
        lengths = [self.index.match_suffix(tokens) for tokens in spelled]
        length = max(lengths)
        # Of two spellings, as many as match alike: the same words begin a line and stand inside.
        longest = dict.fromkeys(
            tuple(tokens[len(tokens) - length :].tolist())
            for tokens, matched in zip(spelled, lengths, strict=True)
            if matched == length
        )
        following = Counter[int]()
        for suffix in longest:
            next_tokens, counts = self.index.continuations(suffix)
            following.update(dict(zip(next_tokens.tolist(), counts.tolist(), strict=True)))
        return Foretold(
            matched=self._decode(np.array(next(iter(longest)), np.int32)),
            matched_tokens=length,
            count=sum(self.index.count(suffix) for suffix in longest),
            continuations=tuple(
                (None if token == self.index.boundary else self._decode(np.array([token])), count)
                for token, count in following.most_common(top)
            ),
            different=len(following),
        )

    def match(self, text: str) -> Matched:
        """The longest match that begins at each token of a text."""
        tokens, ends = self._encode(text)
        lengths = self.index.match_lengths(tokens)
        if len(tokens):
            # The first word may stand inside a document, where a space belongs to its token.
            spaced, spaced_ends = self._encode(" " + text[:HEAD])
            if spaced_ends[0] == ends[0] + 1:
                most = 1 + (int(lengths[1]) if len(lengths) > 1 else 0)
                other = np.concatenate((spaced[:1], tokens[1:most]))
                length = self.index.match_lengths(other)[0]
                if length > lengths[0]:
                    tokens[0], lengths[0] = spaced[0], length
        return Matched(tokens, ends, lengths)

    def find(self, tokens: Ids, *, most: int) -> tuple[int, list[Source]]:
        """How often tokens (n,) occur, and the first `most` places, in the order of the
        documents."""
        count, places = self.index.occurrences(tokens, most=most)
        return count, [self._source(place, len(tokens)) for place in places]

    def _source(self, place: Place, length: int) -> Source:
        index, at = place
        number = index.document_at(at)
        begin, end = index.documents[number : number + 2].tolist()
        stream, last = index.stream, at + length
        return Source(
            document=index.names[number],
            offset=at - begin,
            before=self._decode(stream[max(begin, at - AROUND) : at]).lstrip("\ufffd"),
            text=self._decode(stream[at:last]),
            after=self._decode(stream[last : min(end, last + AROUND)]).rstrip("\ufffd"),
        )

    def _decode(self, tokens: NDArray[np.integer]) -> str:
        return self.tokenizer.decode(tokens.astype(np.int32))

    def _encode(self, text: str) -> tuple[Ids, NDArray[np.int64]]:
        """Tokens (T,), -1 for unknown ones, which equal no other; and their ends in bytes."""
        encoding = self.tokenizer.encode(text)
        tokens = encoding.tokens.copy()
        if self.tokenizer.unknown is not None:
            tokens[tokens == self.tokenizer.unknown] = -1
        return tokens, np.cumsum(encoding.byte_lengths, dtype=np.int64)

    def _spell(self, phrase: str) -> list[Ids]:
        """The tokens of a phrase, at the begin of a line and after a space if that differs."""
        if not phrase or phrase.isspace():
            raise TextError("there is nothing to look for; give at least one word")
        plain, spaced = self._encode(phrase)[0], self._encode(" " + phrase)[0]
        # Where a space is a token of its own, what follows it is found without it.
        if np.array_equal(spaced[-len(plain) :], plain):
            return [plain]
        return [plain, spaced]


def read_for_index(
    path: Path,
    *,
    field: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Document]:
    """The documents of a file or folder, cleaned, with their names; those without a visible
    character are left out. Raises TextError, as they are taken, if there is nothing to read."""
    some = False
    for each in read_documents(path, field=field, progress=progress):
        document = Document(clean(each.text), each.name)
        if document.text and not document.text.isspace():
            some = True
            yield document
    if not some:
        raise TextError(f"{path} holds no text but white space. {GIVE}")


def index_documents(documents: Sequence[Document], tokenizer: Tokenizer) -> IndexedText:
    """Tokenise documents and index them, in memory. Raises ForetellError if they are too many."""
    index = build_index(
        list(_tokenise(documents, tokenizer)),
        names=[document.name for document in documents],
        vocabulary_size=tokenizer.vocabulary_size,
        boundary=tokenizer.boundary,
        tokenizer_fingerprint=tokenizer.fingerprint,
    )
    return IndexedText(index, tokenizer)


def _tokenise(documents: Sequence[Document], tokenizer: Tokenizer) -> Iterable[NDArray[np.integer]]:
    """The tokens of each document, a batch of pieces at a time: tokenizers encode those on all
    cores, and take hundreds of bytes a token for one long text."""
    # Kept in as few bytes as will do: the sort needs the memory.
    kind = np.uint16 if tokenizer.vocabulary_size <= 1 << 16 else np.int32
    pieces = ((n, piece) for n, each in enumerate(documents) for piece in cut_text(each.text))
    owners = groupby(_encode_pieces(pieces, tokenizer), key=lambda each: each[0])
    for _, parts in owners:
        yield np.concatenate([tokens for _, tokens in parts]).astype(kind)


def _encode_pieces(
    pieces: Iterator[tuple[int, str]], tokenizer: Tokenizer
) -> Iterator[tuple[int, Ids]]:
    while batch := list(islice(pieces, BATCH)):
        encoded = tokenizer.encode_many([piece for _, piece in batch])
        for (owner, _), encoding in zip(batch, encoded, strict=True):
            yield owner, encoding.tokens


def cut_text(text: str, size: int = PIECE) -> Iterator[str]:
    """Cut a text into pieces of about `size` characters that give the same tokens as the whole:
    before white space between two words, where no token of any kind runs across."""
    begin = 0
    while found := SPACE.search(text, begin + size):
        yield text[begin : found.start()]
        begin = found.start()
    yield text[begin:]


def save_indexed(indexed: IndexedText, path: Path) -> None:
    """Write a folder whole or not at all, sealed. Raises OutputExists, or ForetellError for shards,
    which `save_shards` wrote."""
    if not isinstance(indexed.index, Index):
        raise ForetellError("shards stand in a folder already; copy it, or see save_shards")
    with new_folder(path) as folder:
        indexed.index.save(folder)
        indexed.tokenizer.save(folder)
        seal(folder, {"format": FORMAT})


def save_shards(
    documents: Iterable[Document], counts: Sequence[int], tokenizer: Tokenizer, path: Path
) -> int:
    """Index so many documents, so many next ones and so on, and write a folder of such indexes
    whole or not at all. Holds one of them at a time. Returns how many tokens they have.

    Raises OutputExists; TextError if there are not as many documents as all counts say.
    """
    waiting, tokens = iter(documents), 0
    names = [f"shard-{number}" for number in range(len(counts))]
    with new_folder(path) as folder:
        for name, count in zip(names, counts, strict=True):
            mine = list(islice(waiting, count))
            if len(mine) < count or (name == names[-1] and next(waiting, None) is not None):
                raise TextError("the text changed while it was read; give the command again")
            indexed = index_documents(mine, tokenizer)
            save_indexed(indexed, folder / name)
            tokens += len(indexed.index)
            del mine, indexed  # before the next ones are made
        seal(folder, {"format": SHARDS, "shards": names})
    return tokens


def open_indexed(path: Path) -> IndexedText:
    """Read a folder that `save_indexed` or `save_shards` wrote, arrays mapped into memory.

    Raises DamagedModel, naming the file, if one is missing, altered or from another index.
    """
    facts = check_seal(path)
    if facts.get("format") not in (FORMAT, SHARDS):
        raise ForetellError(
            f"{path} holds {facts.get('format')!r}, no index; give a folder that "
            "`foretell index build` wrote"
        )
    # The seal is over the files of shards too, so theirs are not looked at.
    sharded = facts["format"] == SHARDS
    folders = [path / name for name in facts["shards"]] if sharded else [path]
    tokenizer = load_tokenizer(folders[0])
    ours = tokenizer.fingerprint, tokenizer.vocabulary_size, tokenizer.boundary
    indexes = tuple(open_index(folder) for folder in folders)
    for folder, index in zip(folders, indexes, strict=True):
        if (index.tokenizer_fingerprint, index.vocabulary_size, index.boundary) != ours:
            raise DamagedModel(
                f"the tokenizer in {folders[0]} is not the one that the index in {folder} was "
                "built with; restore the folder, or build it again"
            )
    return IndexedText(Indexes(indexes) if sharded else indexes[0], tokenizer)
