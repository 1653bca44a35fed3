"""The index: every place of a tokenised text, sorted by what follows it, over the text itself.

    texts      "a b a"   "b"                 B  the boundary, before the first text and after each
    stream     B  a  b  a  B  b  B
    documents     1           5  | 7         where each begins; the last entry is the stream's end
    places     6  4  0  3  1  5  2           by what follows, to the end of the stream

Counts of phrases, what follows a context, its longest suffix that occurs, and where anything
stands, are searches in it. What is searched holds no boundary inside, so no match crosses from one
document into the next; a boundary may begin it (the start of a text) or end it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.corpus import suffix_search
from foretell.corpus.busy import ROWS, Busy, Continuations, find_busy
from foretell.corpus.index_check import find_misfit
from foretell.corpus.suffix_array import sort_suffixes
from foretell.corpus.suffixes import check_length, lay_out

Ids = NDArray[np.int32]
Stream = NDArray[np.uint16 | np.uint32]
FACTS = "index.json"
BATCH = 1 << 20


class Match(NamedTuple):
    """A phrase of `length` tokens that occurs, at places[low:high]."""

    length: int
    low: int
    high: int


class Place(NamedTuple):
    """Where something stands: a place of an index's stream."""

    holder: Index
    at: int


class Searchable(Protocol):
    """What answers from sorted places: an `Index`, or `index_shards.Indexes` as if it were one."""

    @property
    def vocabulary_size(self) -> int: ...
    @property
    def boundary(self) -> int: ...
    @property
    def tokenizer_fingerprint(self) -> str: ...
    def __len__(self) -> int: ...
    def count(self, phrase: ArrayLike) -> int: ...
    def occurrences(self, phrase: ArrayLike, *, most: int) -> tuple[int, list[Place]]: ...
    def continuations(self, context: ArrayLike) -> Continuations: ...
    def match_suffix(self, context: ArrayLike) -> int: ...
    def match_lengths(self, text: ArrayLike) -> Ids: ...


class Names(Sequence[str]):
    """Names in one string (L,) and where each ends there (D,), read from it when asked for."""

    def __init__(self, letters: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self.letters = letters
        self.ends = ends

    @staticmethod
    def of(names: Sequence[str]) -> Names:
        spelled = [name.encode("utf-8", "surrogateescape") for name in names]
        ends = np.cumsum([len(name) for name in spelled], dtype=np.int64)
        return Names(np.frombuffer(b"".join(spelled), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> list[str]: ...
    def __getitem__(self, number: int | slice) -> str | list[str]:
        if isinstance(number, slice):
            return [self[each] for each in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        begin = self.ends[number - 1] if number else 0
        return self.letters[begin : self.ends[number]].tobytes().decode("utf-8", "surrogateescape")


@dataclass(frozen=True, eq=False)
class Index:
    """Sorted places of a stream of documents. Knows tokens, not text; its arrays are read-only."""

    stream: Stream
    """(S,) a boundary before the first document and after each."""
    places: Ids
    """(S,) sorted by the tokens from there on, the shorter first where one begins the other."""
    documents: NDArray[np.int64]
    """(D + 1,) where the first token of each document stands; the last entry is S."""
    names: Sequence[str]
    """(D,) where each document came from: `path` or `path:line`."""
    vocabulary_size: int
    boundary: int
    tokenizer_fingerprint: str
    busy: Busy
    """What follows the contexts that have most rows."""

    def __post_init__(self) -> None:
        for array in (self.stream, self.places, self.documents):
            array.flags.writeable = False

    def __len__(self) -> int:
        """Tokens, boundaries not counted."""
        return len(self.stream) - len(self.documents)

    def count(self, phrase: ArrayLike) -> int:
        """How often phrase (n,) occurs; for no tokens, at every place of the stream.

        Raises ValueError for a boundary inside.
        """
        low, high = self.find(phrase)
        return high - low

    def find(self, phrase: ArrayLike) -> tuple[int, int]:
        """The range of `places` where phrase (n,) stands. Raises ValueError for a boundary
        inside, since it would cross from one document into another."""
        tokens = np.array(phrase, np.int32)
        if (tokens[1:-1] == self.boundary).any():
            raise ValueError(f"a phrase holds the boundary ({self.boundary}); split it there")
        return suffix_search.find_range(self.stream, self.places, tokens, 0, len(self.places), 0)

    def occurrences(self, phrase: ArrayLike, *, most: int) -> tuple[int, list[Place]]:
        """How often phrase (n,) occurs, and the first `most` places. Raises as `find`."""
        low, high = self.find(phrase)
        places = self.places[low:high]
        if high - low > most:
            places = np.partition(places, most)[:most]
        return high - low, [Place(self, place) for place in np.sort(places).tolist()]

    def continuations(self, context: ArrayLike) -> Continuations:
        """What follows context (n,) wherever it occurs, the boundary included as a token.

        After a boundary: what documents begin with; an empty one begins with the boundary. Raises
        ValueError for a boundary inside.
        """
        tokens = np.array(context, np.int32)
        return self.list_continuations(Match(len(tokens), *self.find(tokens)))

    def list_continuations(self, match: Match) -> Continuations:
        """What follows a match that was found already."""
        if match.high - match.low >= ROWS:
            kept = self.busy.find(match.low, match.high, match.length)
            if kept is not None:
                return kept
        room = min(self.vocabulary_size, match.high - match.low)
        tokens, counts = np.empty(room, np.int32), np.empty(room, np.int32)
        found = suffix_search.list_continuations(
            self.stream, self.places, match.low, match.high, match.length, tokens, counts
        )
        return Continuations(tokens[:found], counts[:found])

    def longest_suffix(self, context: ArrayLike) -> Match:
        """The longest suffix of context (n,) that occurs, from its last boundary on.

        Of length 0, with all places, if the last token occurs nowhere.
        """
        tokens = np.array(context, np.int32)
        boundaries = np.flatnonzero(tokens == self.boundary)
        if len(boundaries):
            tokens = tokens[boundaries[-1] :]
        return Match(*suffix_search.longest_suffix(self.stream, self.places, tokens))

    def match_suffix(self, context: ArrayLike) -> int:
        """Tokens in the longest suffix of context (n,) that occurs."""
        return self.longest_suffix(context).length

    def match_lengths(self, text: ArrayLike) -> Ids:
        """The longest match that begins at each place of text (n,), (n,).

        No match holds a boundary, or a token outside the vocabulary, such as -1 for a word that
        the tokenizer does not know.
        """
        tokens = np.array(text, np.int32)
        tokens[tokens == self.boundary] = -1
        return suffix_search.match_lengths(self.stream, self.places, tokens)

    def document_at(self, place: int) -> int:
        """The number of the document that holds a place of the stream; its closing boundary is
        its own, the very first boundary the first one's."""
        return max(0, int(np.searchsorted(self.documents, place, side="right")) - 1)

    def document(self, number: int) -> Stream:
        """The tokens (T,) of a document, without its boundary."""
        return self.stream[self.documents[number] : self.documents[number + 1] - 1]

    def save(self, folder: Path) -> None:
        """Write raw little-endian arrays and `index.json` into an empty folder that exists; the
        folder's seal holds the hashes."""
        names = self.names if isinstance(self.names, Names) else Names.of(self.names)
        width = self.stream.dtype.itemsize
        arrays: dict[str, tuple[NDArray[Any], str]] = {
            "stream": (self.stream, f"<u{width}"),
            "places": (self.places, "<i4"),
            "documents": (self.documents, "<i8"),
            "names.letters": (names.letters, "u1"),
            "names.ends": (names.ends, "<i8"),
            "busy.rows": (self.busy.rows, "<i4"),
            "busy.begins": (self.busy.begins, "<i8"),
            "busy.tokens": (self.busy.tokens, "<i4"),
            "busy.counts": (self.busy.counts, "<i4"),
        }
        for name, (array, kind) in arrays.items():
            # Not `tofile`, which hides a full disk behind an error without a number.
            _path(folder, name).write_bytes(np.ascontiguousarray(array, kind).reshape(-1).data)
        facts = {
            "tokens": len(self.stream),
            "token_bytes": width,
            "documents": len(self.documents) - 1,
            "busy": len(self.busy.rows),
            "vocabulary_size": self.vocabulary_size,
            "boundary": self.boundary,
            "tokenizer_fingerprint": self.tokenizer_fingerprint,
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def build_index(
    texts: Sequence[NDArray[np.integer]],
    *,
    names: Sequence[str],
    vocabulary_size: int,
    boundary: int,
    tokenizer_fingerprint: str = "",
) -> Index:
    """The index of texts (T,), each a document, in memory.

    Takes 10 bytes a token beside the texts for vocabularies up to 65,536. Raises ForetellError
    without a text or for more tokens than can be sorted at once, ValueError if a text holds the
    boundary or a token outside the vocabulary, or if there are not as many names as texts.
    """
    if not texts:
        raise ForetellError("no text to index; give at least one")
    lengths = np.fromiter((len(text) + 1 for text in texts), np.int64, len(texts))
    documents = np.concatenate(([1], 1 + np.cumsum(lengths)))
    check_length(int(documents[-1]))
    stream = np.empty(documents[-1], _kind(vocabulary_size))
    stream[0] = boundary
    for first, last in _batches(documents):
        laid = lay_out(list(texts[first:last]), vocabulary_size=vocabulary_size, boundary=boundary)
        stream[documents[first] : documents[last]] = laid[1:]
    return index_stream(
        stream,
        names=names,
        vocabulary_size=vocabulary_size,
        boundary=boundary,
        tokenizer_fingerprint=tokenizer_fingerprint,
    )


def index_stream(
    stream: NDArray[np.integer],
    *,
    names: Sequence[str],
    vocabulary_size: int,
    boundary: int,
    tokenizer_fingerprint: str = "",
) -> Index:
    """The index of a stream (S,) with a boundary before the first document and after each.

    A stream of the index's own width is taken over, not copied, and read-only from then on.
    Raises as `build_index` does.
    """
    narrow: Stream = np.require(stream, _kind(vocabulary_size), ["C", "W"])
    documents = np.flatnonzero(narrow == boundary) + 1
    if len(documents) != len(names) + 1:
        raise ValueError(f"{len(names)} names for {len(documents) - 1} documents; give one each")
    if narrow[0] != boundary or narrow[-1] != boundary:
        raise ValueError("a stream begins and ends with the boundary; see suffixes.lay_out")
    places = sort_suffixes(narrow)
    busy = find_busy(narrow, places, vocabulary_size=vocabulary_size, boundary=boundary)
    return Index(
        narrow, places, documents, names, vocabulary_size, boundary, tokenizer_fingerprint, busy
    )


def _kind(vocabulary_size: int) -> type[np.uint16 | np.uint32]:
    return np.uint16 if vocabulary_size <= 1 << 16 else np.uint32


def _batches(documents: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Runs of documents that hold about BATCH tokens together."""
    first = 0
    while first < len(documents) - 1:
        upto = int(np.searchsorted(documents, documents[first] + BATCH, side="right")) - 1
        last = max(first + 1, upto)
        yield first, last
        first = last


def open_index(folder: Path) -> Index:
    """What `Index.save` wrote, arrays mapped into memory.

    Looks at hashes no more than `save` writes them: they are the folder's seal. Raises
    DamagedModel, naming the file, if a part is missing or does not fit the others.
    """
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        size, documents = int(facts["tokens"]), int(facts["documents"])
        width, boundary = int(facts["token_bytes"]), int(facts["boundary"])
        vocabulary_size, busy = int(facts["vocabulary_size"]), int(facts["busy"])
        fingerprint = str(facts["tokenizer_fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as problem:
        raise _damaged(folder / FACTS) from problem
    letters = _map(_path(folder, "names.letters"), "u1", None)
    names = Names(letters, _map(_path(folder, "names.ends"), "<i8", documents))
    index = Index(
        _map(_path(folder, "stream"), "<u2" if width == 2 else "<u4", size),
        _map(_path(folder, "places"), "<i4", size),
        _map(_path(folder, "documents"), "<i8", documents + 1),
        names,
        vocabulary_size,
        boundary,
        fingerprint,
        Busy(
            _map(_path(folder, "busy.rows"), "<i4", 3 * busy).reshape(-1, 3),
            _map(_path(folder, "busy.begins"), "<i8", busy + 1),
            _map(_path(folder, "busy.tokens"), "<i4", None),
            _map(_path(folder, "busy.counts"), "<i4", None),
        ),
    )
    misfit = find_misfit(index, names)
    if misfit is not None:
        raise _damaged(_path(folder, misfit))
    return index


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.bin"


def _map(path: Path, kind: str, size: int | None) -> NDArray[Any]:
    try:
        found = path.stat().st_size
        each = np.dtype(kind).itemsize
        if found % each or (size is not None and found != size * each):
            raise _damaged(path)
        if found == 0:  # an empty file cannot be mapped
            return np.zeros(0, kind)
        # Indexing the memmap class itself is slow; a plain array over the same memory is not.
        return np.asarray(np.memmap(path, kind, mode="r"))
    except OSError as problem:
        raise _damaged(path) from problem


def _damaged(path: Path) -> DamagedModel:
    return DamagedModel(f"{path} is missing or damaged; restore the folder, or build it again")
