"""ARPA files: the text format that SRILM, KenLM, Kaldi and others share.

    \\data\\
    ngram 1=3
    ngram 2=2

    \\1-grams:
    -0.6    <unk>   0            log10 P, the n-gram, log10 of its back-off (may be missing)
    0       <s>     -0.3
    -0.3    </s>    0

    \\2-grams:
    -0.2    <s> the
    ...
    \\end\\

Facts: `<s>` only begins an n-gram and `</s>` only ends one, so one boundary stands for both: its
unigram has the P of `</s>` and the back-off of `<s>`. Values are held in natural logarithms.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError, TextError
from foretell.interop import arpa_lines
from foretell.models.ngram.model import NGram
from foretell.models.ngram.sections import Ids, Section, Stray, assemble
from foretell.models.ngram.trie import Recipe, Trie
from foretell.storage import new_file
from foretell.threads import in_threads
from foretell.tokenizers.whitespace import FIRST_WORD, Whitespace

Bytes = NDArray[np.uint8]
MISSING_UNKNOWN = -100.0
"""log10 P(<unk>) of a file that does not list it, as KenLM has it."""
PIECE, BATCH = 1 << 24, 1 << 16
PACKED: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
SPECIAL = (b"<s>", b"</s>", b"<unk>")


def read_arpa(path: Path) -> NGram:
    """The model of a file, plain or packed by gzip, bzip2 or xz.

    SRILM drops n-grams whose suffixes others need: "a b c" may be there without "b c". What is
    missing is put in with the probability that backing off gives it, which changes no prediction.
    A file without `<unk>` gets one of MISSING_UNKNOWN, and the recipe's notices say so.

    Raises TextError that names the line, for: counts that do not fit, positive logarithms, an
    n-gram listed twice, a word that is no unigram, an n-gram whose beginning is not listed, a
    missing `<s>` or `</s>`, `<s>` or `</s>` inside an n-gram, a file that is cut.

    Source: the formats page of SRILM, `ngram-format(5)`.
    """
    file = _File(path, _read(path))
    counts, place = _read_header(file)
    sections: list[Section] = []
    begins: list[tuple[int, int]] = []
    words, upper = Whitespace.of([]), False
    notices: list[str] = []
    for n, count in enumerate(counts, start=1):
        low = _expect(file, place, b"\\%d-grams:" % n)
        place = int(arpa_lines.find_section_end(file.data, low))
        pieces = _cut(file, low, place, n, count)
        highest = n == len(counts)
        if n == 1:
            section, words, notices, upper = _read_unigrams(file, pieces, count, highest)
        else:
            section = _read_grams(file, pieces, count, n, highest, words, upper)
        sections.append(section)
        begins.append((low, place))
    _expect(file, place, b"\\end\\")
    recipe = Recipe(
        order=len(sections),
        vocabulary_size=words.vocabulary_size,
        boundary=words.boundary,
        discounts=(),
        prune=(),
        compat="arpa",
        notices=tuple(notices),
    )
    try:
        return NGram(assemble(sections, recipe), words)
    except Stray as stray:
        raise file.refuse(file.nth_line(*begins[stray.order - 1], stray.row), str(stray)) from None


def write_arpa(model: NGram, path: Path, *, replace: bool = False) -> None:
    """Write a model of whole words as an ARPA file, packed if the name ends in .gz, .bz2 or .xz.

    n-grams stand in the order of `lmplz`: by last word, then the one before, by number. Numbers
    have as many decimals as it takes to read the same model back. Raises ForetellError for tokens
    that are no words between white space, OutputExists.
    """
    words = model.tokenizer
    if not isinstance(words, Whitespace):
        raise ForetellError(
            f"an ARPA file holds words between white space; this model reads {words.name}: train "
            "with --tokenizer whitespace"
        )
    with new_file(path, replace=replace) as raw:
        if path.suffix in PACKED:
            with PACKED[path.suffix](raw, "wb") as file:
                _write(model.trie.unpack(), words, file)
        else:
            _write(model.trie.unpack(), words, raw)


@dataclass(frozen=True)
class _File:
    path: Path
    data: Bytes

    def refuse(self, place: int, problem: str) -> TextError:
        line = 1 + int(np.count_nonzero(self.data[:place] == arpa_lines.NEWLINE))
        return TextError(f"{self.path}, line {line}: {problem}")

    def line(self, place: int) -> tuple[bytes, int]:
        """The line that begins at a place, stripped, and where the next one begins."""
        end, step = place, 4096
        while end < len(self.data):
            ends = np.flatnonzero(self.data[end : end + step] == arpa_lines.NEWLINE)
            if len(ends):
                end += int(ends[0])
                break
            end, step = end + step, step * 2
        end = min(end, len(self.data))
        return self.data[place:end].tobytes().strip(), end + 1

    def nth_line(self, low: int, high: int, row: int) -> int:
        """Where the line of a section's n-gram begins."""
        while low < high:
            line, after = self.line(low)
            if line:
                if row == 0:
                    return low
                row -= 1
            low = after
        return low


def _read(path: Path) -> Bytes:
    try:
        if path.suffix in PACKED:
            with PACKED[path.suffix](path, "rb") as file:
                return np.frombuffer(file.read(), np.uint8)
        if path.stat().st_size == 0:
            raise TextError(f"{path} is empty; give an ARPA file")
        return np.asarray(np.memmap(path, np.uint8, mode="r"))
    except FileNotFoundError:
        raise TextError(f"{path} does not exist; give an ARPA file") from None
    except IsADirectoryError:
        raise TextError(f"{path} is a folder; give an ARPA file") from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, OSError) as problem:
        if isinstance(problem, OSError) and problem.errno is not None:
            raise
        raise TextError(f"{path} is damaged ({problem}); get it again") from None


def _read_header(file: _File) -> tuple[tuple[int, ...], int]:
    """Counts of each order, and where the first section begins. Before `\\data\\`, blank lines
    and lines that begin with # may stand."""
    place, begun = 0, False
    counts: list[int] = []
    while place < len(file.data):
        line, after = file.line(place)
        if not begun:
            if line == b"\\data\\":
                begun = True
            elif line and not line.startswith(b"#"):
                raise file.refuse(place, "expected \\data\\; this is no ARPA file")
        elif match := re.fullmatch(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})", line):
            if int(match[1]) != len(counts) + 1:
                raise file.refuse(place, f"expected the count of order {len(counts) + 1}")
            counts.append(int(match[2]))
        elif line.startswith(b"\\"):
            break
        elif line:
            raise file.refuse(place, "expected `ngram ORDER=COUNT`")
        place = after
    if not counts:
        raise file.refuse(min(place, len(file.data)), "the file ends before any count")
    return tuple(counts), place


def _expect(file: _File, place: int, title: bytes) -> int:
    """Past blank lines and a title. Raises TextError if another line stands there."""
    while place < len(file.data):
        line, after = file.line(place)
        if line == title:
            return min(after, len(file.data))
        if line:
            shown = line[:40].decode("utf-8", "replace")
            raise file.refuse(place, f"expected {title.decode()}, found {shown!r}")
        place = after
    raise file.refuse(len(file.data), f"the file ends before {title.decode()}; get it again")


def _cut(file: _File, low: int, high: int, n: int, count: int) -> list[tuple[int, int, int]]:
    """Pieces of a section (first byte, last, n-grams before it). Checks the header's count."""
    edges = [low]
    while edges[-1] < high:
        edges.append(min(file.line(min(edges[-1] + PIECE, high))[1], high))
    pairs = list(pairwise(edges))
    lines = in_threads(lambda a, b: int(arpa_lines.count_lines(file.data, a, b)), pairs)
    if sum(lines) != count:
        cut_short = "; the file is cut" if high == len(file.data) else ""
        raise file.refuse(
            low, f"{sum(lines)} n-grams of order {n}, where the header says {count}{cut_short}"
        )
    befores = np.concatenate(([0], np.cumsum(lines, dtype=np.int64))).tolist()
    return [(a, b, before) for (a, b), before in zip(pairs, befores, strict=False)]


def _check(file: _File, found: list[tuple[int, int]], n: int) -> None:
    for problem, place in found:
        if problem:
            raise file.refuse(place, arpa_lines.PROBLEMS[problem].format(n=n))


def _read_unigrams(
    file: _File, pieces: list[tuple[int, int, int]], count: int, highest: bool
) -> tuple[Section, Whitespace, list[str], bool]:
    """Unigrams, the vocabulary, what had to be done, and whether `<UNK>` is the unknown word."""
    places = np.empty((count, 2), np.int64)
    logprobs, backoffs = np.empty(count), np.empty(count)

    def work(low: int, high: int, row: int) -> tuple[int, int]:
        found: tuple[int, int] = arpa_lines.read_unigrams(
            file.data, low, high, places[row:], logprobs[row:], backoffs[row:], highest
        )
        return found

    _check(file, in_threads(work, pieces), 1)
    low = pieces[0][0] if pieces else len(file.data)
    spelled = [file.data[begin:end].tobytes() for begin, end in places.tolist()]
    rows = {word: row for row, word in enumerate(spelled)}
    if len(rows) < count:
        twice = next(row for row, word in enumerate(spelled) if rows[word] != row)
        line = file.nth_line(low, len(file.data), rows[spelled[twice]])
        raise file.refuse(line, f"{_show(spelled[twice])} is listed twice among the unigrams")
    for word in (b"<s>", b"</s>"):
        if word not in rows:
            raise file.refuse(low, f"{word.decode()} is missing among the unigrams")
    upper = b"<UNK>" in rows and b"<unk>" not in rows
    unknown = rows.get(b"<UNK>" if upper else b"<unk>")
    special = (*SPECIAL, b"<UNK>") if upper else SPECIAL
    plain = [row for row, word in enumerate(spelled) if word not in special]
    words = Whitespace.of([spelled[row] for row in plain])
    notices = []
    if unknown is None:
        notices.append(f"<unk> is not in {file.path}; log10 P {MISSING_UNKNOWN:g} is taken for it")
    start, end = rows[b"<s>"], rows[b"</s>"]
    mine = np.array([start if unknown is None else unknown, end, *plain], np.int64)
    found_logprobs, found_backoffs = logprobs[mine], backoffs[mine]
    if unknown is None:
        found_logprobs[words.unknown], found_backoffs[words.unknown] = MISSING_UNKNOWN, 0.0
    found_backoffs[words.boundary] = backoffs[start]
    grams = np.arange(words.vocabulary_size, dtype=np.int32)[:, None]
    return _in_nats(grams, found_logprobs, found_backoffs), words, notices, upper


def _read_grams(
    file: _File, pieces: list[tuple[int, int, int]], count: int, n: int, highest: bool,
    words: Whitespace, upper: bool,
) -> Section:  # fmt: skip
    grams = np.empty((count, n), np.int32)
    logprobs, backoffs = np.empty(count), np.empty(count)
    table = words.table

    def work(low: int, high: int, row: int) -> tuple[int, int]:
        found: tuple[int, int] = arpa_lines.read_grams(
            file.data, low, high, row, grams, logprobs, backoffs, highest, words.boundary, upper,
            words.letters, words.ends, table,
        )  # fmt: skip
        return found

    _check(file, in_threads(work, pieces), n)
    return _in_nats(grams, logprobs, backoffs)


def _show(word: bytes) -> str:
    return repr(word[:40].decode("utf-8", "replace"))


def _in_nats(grams: Ids, logprobs: NDArray[np.float64], backoffs: NDArray[np.float64]) -> Section:
    in_nats = logprobs * arpa_lines.LN10, backoffs * arpa_lines.LN10
    return Section(grams, *(each.astype(np.float32) for each in in_nats))


def _write(trie: Trie, words: Whitespace, file: IO[bytes]) -> None:
    counts = [len(order) for order in trie.orders]
    counts[0] += 1  # the boundary is two words there
    lines = [f"ngram {n}={count}\n" for n, count in enumerate(counts, start=1)]
    file.write("".join(["\\data\\\n", *lines]).encode())
    for n, order in enumerate(trie.orders, start=1):
        file.write(f"\n\\{n}-grams:\n".encode())
        grams = trie.grams(n)
        if n == 1:
            chosen = np.arange(FIRST_WORD, len(order))
            for line in _special_lines(trie):
                file.write(line)
        else:
            chosen = np.lexsort(grams.T)
        backoffs = order.backoffs if n < trie.recipe.order else np.zeros(0, np.float32)
        _write_lines(file, chosen, grams, order.logprobs, backoffs, words)
    file.write(b"\n\\end\\\n")


def _special_lines(trie: Trie) -> list[bytes]:
    order, boundary = trie.orders[0], trie.recipe.boundary
    backoffs = order.backoffs if trie.recipe.order > 1 else None

    def value(number: float) -> bytes:
        out = np.empty(2 * arpa_lines.MOST_DECIMALS, np.uint8)
        return out[: arpa_lines.write_number(np.float32(number), out, 0)].tobytes()

    def line(word: bytes, logprob: float, backoff: float) -> bytes:
        end = b"" if backoffs is None else b"\t" + value(backoff)
        return value(logprob) + b"\t" + word + end + b"\n"

    left = (0.0, 0.0) if backoffs is None else (backoffs[Whitespace.unknown], backoffs[boundary])
    return [
        line(b"<unk>", order.logprobs[Whitespace.unknown], left[0]),
        line(b"<s>", 0.0, left[1]),
        line(b"</s>", order.logprobs[boundary], 0.0),
    ]


def _write_lines(
    file: IO[bytes], chosen: NDArray[np.int64], grams: Ids, logprobs: NDArray[np.float32],
    backoffs: NDArray[np.float32], words: Whitespace,
) -> None:  # fmt: skip
    def work(low: int, high: int) -> Bytes:
        mine = chosen[low:high]
        room = arpa_lines.size_of_lines(mine, grams, words.ends, FIRST_WORD)
        out = np.empty(room, np.uint8)
        size = arpa_lines.write_grams(
            mine, grams, logprobs, backoffs, words.boundary, words.letters, words.ends,
            FIRST_WORD, out,
        )  # fmt: skip
        return out[:size].copy()

    starts = range(0, len(chosen), BATCH)
    pieces = [(low, min(low + BATCH, len(chosen))) for low in starts]
    for first in range(0, len(pieces), 16):
        for part in in_threads(work, pieces[first : first + 16]):
            file.write(part.data)
