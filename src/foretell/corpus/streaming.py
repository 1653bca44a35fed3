"""A text that may be larger than memory, read twice: once to see what it is, once to tokenise it.

    survey    every document's place -> the few that are kept back, and a sample for the tokenizer
    learned   the same documents again, without those that are kept back

Parts are those of splits.py, as far as a bounded number of bytes goes: of held out and stopping
the documents that any larger corpus would keep there too, those nearest to the part's begin.

    place   0                     .25               .5                           1
            |held out ->          |sample ->        |stopping ->                 |

Does not look for near copies, nor for n-grams of held-out text in train: both need all of the
text at once. Copies that differ in white space at most have one place, and so stay in one part.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from foretell.contracts.corpus import Document
from foretell.contracts.errors import TextError
from foretell.corpus.cleaning import clean
from foretell.corpus.encodings import GIVE
from foretell.corpus.leaks import languages
from foretell.corpus.readers import ReadReport, files_of, read_documents
from foretell.corpus.splits import (
    FEWEST_IN_A_PART,
    MOST_JUDGED_BYTES,
    MOST_STOPPING_BYTES,
    STOPPING_BEGINS,
    end_of_passage,
    place_of,
)

LARGE_BYTES = 64_000_000
"""On disk. A text of more is streamed: its tokens alone would take some 8 GB as the tokenizers
library has them, and copies are searched for at a few MB a second."""
PASSAGE_BYTES = 4096
WHOLE_BYTES = 1 << 16
"""A document of more is cut into passages."""
SAMPLE_BEGINS, SAMPLE_BYTES = 0.25, 8_000_000
JUDGED_SHARE, STOPPING_SHARE = 0.06, 0.03
"""Of a text so small that the bytes above would be more."""


@dataclass(frozen=True)
class Survey:
    """What one reading tells of a text that is not held."""

    documents: int
    """Of the whole text; passages count one by one."""
    bytes: int
    """Of the whole text, cleaned, in UTF-8."""
    passages: bool
    """True if any document was cut, so that the ends of documents mean nothing."""
    languages: str
    """Of the sample."""
    skipped_files: int
    sample: tuple[str, ...]
    """For a tokenizer to learn from; a part of what is learned."""
    stopping: tuple[str, ...]
    held_out: tuple[str, ...]
    kept_back: frozenset[int]
    """Numbers of the documents of both parts, copies included."""


@dataclass
class Cutter:
    """Makes passages of long texts that come in pieces of any length, and remembers if it did.

    A text of WHOLE_BYTES or less stays whole. The passages are those of `splits.cut_passages`, and
    do not depend on the pieces.
    """

    size_bytes: int = PASSAGE_BYTES
    whole_bytes: int = WHOLE_BYTES
    has_cut: bool = False

    def __call__(self, pieces: Iterable[str]) -> Iterator[str]:
        text, long = "", False
        for piece in pieces:
            text += piece
            long = long or len(text.encode("utf-8", "surrogatepass")) > self.whole_bytes
            if long:
                # What decides an end must be there: at most 1.25 passages from the begin on.
                text = yield from self._passages(text, rest=2 * self.size_bytes)
        if not long:
            yield text
            return
        self.has_cut = True
        yield from self._passages(text, rest=0)

    def _passages(self, text: str, *, rest: int) -> Generator[str, None, str]:
        """All but the last `rest` characters or fewer, which are given back."""
        start = 0
        while len(text) - start > rest:
            end = end_of_passage(text, start, self.size_bytes)
            yield text[start:end]
            start = end
        return text[start:]


def is_large(path: Path) -> bool:
    """Whether the files at a path are too large to be held. False if there are none."""
    files = files_of(path, ReadReport()) if path.exists() else []
    return sum(file.stat().st_size for file in files) > LARGE_BYTES


def read_stream(
    path: Path,
    *,
    field: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    report: ReadReport | None = None,
    cutter: Cutter | None = None,
) -> Iterator[str]:
    """Cleaned documents of a file or folder, the long ones in passages; never one of white space.

    field, progress, report: as for `readers.read_documents`. Raises TextError as it does.
    """
    cutter = cutter or Cutter()
    for document in read_documents(path, field=field, progress=progress, report=report, cut=cutter):
        for text in cutter([document.text]):
            cleaned = clean(text)
            if cleaned and not cleaned.isspace():
                yield cleaned


def survey(
    path: Path,
    *,
    field: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Survey:
    """Read all of a text once and hold a few MB of it.

    Raises TextError if the text cannot be read, or is too small to keep anything back.
    """
    report, cutter = ReadReport(), Cutter()
    held_out = _Nearest(MOST_JUDGED_BYTES)
    sample = _Nearest(SAMPLE_BYTES)
    stopping = _Nearest(MOST_STOPPING_BYTES)
    documents = total = 0
    for text in read_stream(path, field=field, progress=progress, report=report, cutter=cutter):
        place = place_of(text, seed)
        part = held_out if place < SAMPLE_BEGINS else stopping
        if SAMPLE_BEGINS <= place < STOPPING_BEGINS:
            part = sample
        part.offer(place, documents, text)
        documents += 1
        total += _bytes(text)
    if not documents:
        raise TextError(f"{path} holds no text but white space. {GIVE}")
    held_out.shrink(int(JUDGED_SHARE * total))
    stopping.shrink(int(STOPPING_SHARE * total))
    if min(len(held_out.texts), len(stopping.texts)) < FEWEST_IN_A_PART or not sample.texts:
        raise TextError(
            f"{path} makes too few documents to keep some back ({documents:,}); give more text, or "
            "more and shorter documents"
        )
    learned = [Document(text, "") for text in sample.texts]
    return Survey(
        documents=documents,
        bytes=total,
        passages=cutter.has_cut,
        languages=languages(learned),
        skipped_files=len(report.skipped),
        sample=tuple(sample.texts),
        stopping=tuple(stopping.texts),
        held_out=tuple(held_out.texts),
        kept_back=frozenset(held_out.numbers + stopping.numbers),
    )


def read_learned(path: Path, found: Survey, *, field: str | None = None) -> Iterator[str]:
    """The documents that `survey` did not keep back.

    Raises TextError, after the last, if the text is no longer the one that was surveyed.
    """
    documents = total = 0
    for text in read_stream(path, field=field):
        if documents not in found.kept_back:
            yield text
        documents += 1
        total += _bytes(text)
    if (documents, total) != (found.documents, found.bytes):
        raise TextError(f"{path} was changed while it was read; give the same command again")


@dataclass
class _Kept:
    place: float
    text: str
    numbers: list[int]


@dataclass
class _Nearest:
    """The documents of lowest place, as many as a number of bytes holds; copies count once."""

    most_bytes: int
    kept: list[_Kept] = field(default_factory=list)
    """By place."""
    bytes: int = 0
    end: float = 1.0
    """Place of the first that was let go. None is taken from there on, were there room again: what
    is kept would depend on the order, and a copy of one that was let go could come in."""

    def offer(self, place: float, number: int, text: str) -> None:
        if place >= self.end:
            return
        at = bisect_right(self.kept, place, key=lambda each: each.place)
        if at and self.kept[at - 1].place == place:
            self.kept[at - 1].numbers.append(number)
            return
        insort(self.kept, _Kept(place, text, [number]), key=lambda each: each.place)
        self.bytes += _bytes(text)
        self.shrink(self.most_bytes)

    def shrink(self, most_bytes: int) -> None:
        """Let the last go that so many bytes do not hold, but for as many as tell something."""
        while self.bytes > most_bytes and len(self.kept) > FEWEST_IN_A_PART:
            last = self.kept.pop()
            self.bytes -= _bytes(last.text)
            self.end = last.place

    @property
    def texts(self) -> list[str]:
        """In the order of the text."""
        return [each.text for each in sorted(self.kept, key=lambda each: each.numbers)]

    @property
    def numbers(self) -> list[int]:
        return [number for each in self.kept for number in each.numbers]


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
