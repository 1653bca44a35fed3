"""KenLM's trie files, plain, quantised and with packed pointers, unpacked into a model of ours.

    vocabulary   count, then a hash of 8 bytes for each word, ascending: word 1, 2, 3 ...
    bins         of the quantised kinds: what the codes of an order stand for
    unigrams     logprob f32, back-off f32, next u64, by word
    middle       word | logprob, back-off | next, in as few bits as they need
    longest      word | logprob

Facts: the trie is a reverse one: what stands at `next` of "b" are the words before it, so a row
there with the word "a" is "a b". Its n-grams can be listed, so it becomes an NGram, which foretells
too; log10 P become natural logarithms.

    next      of the array kinds: the low bits in the row; how many rows stand before the high ones
              become 1, 2, 3 ... in an array before the table, from the next multiple of 8 bytes on

Source of the packed pointers: Raj & Whittaker 2003. How many bits stay in the row is not written
down: as many as make array and table smallest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.interop import kenlm_bits
from foretell.interop.kenlm_layout import Header, align, damaged
from foretell.interop.kenlm_tables import MOST_LOG10
from foretell.models.ngram.model import NGram
from foretell.models.ngram.sections import Section, Stray, assemble
from foretell.models.ngram.trie import Recipe
from foretell.tokenizers.whitespace import Whitespace

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
LN10 = float(np.log(10.0))
LOGPROB_BITS, BACKOFF_BITS = 31, 32
SLACK = 8
"""Bytes behind a table of bits, so that reading 8 at a time stays inside."""
QUANTISER_VERSION = 2
PACKED_HEAD, PACKED_SLACK = 8, 7


@dataclass(frozen=True)
class Bins:
    """What the codes of one order stand for: (2^p,) log10 P, (2^b,) back-offs, none if highest."""

    logprobs: Floats
    backoffs: Floats


def read_trie(header: Header, data: Bytes, path: Path) -> NGram:
    """The model of a trie file (L,), its header read. Raises DamagedModel that names the part;
    ForetellError for a file without the spellings of its words."""
    if not header.has_words:
        raise ForetellError(f"{path} holds no spellings of its words; build it again with them")
    return _Reader(header, data, path).read()


class _Reader:
    """Reads the parts of a file from the first to the last; `at` is the byte reached."""

    def __init__(self, header: Header, data: Bytes, path: Path) -> None:
        self.header, self.data, self.path = header, data, path
        self.at = header.size
        self.quantised, self.packed = "quantised" in header.kind, "array" in header.kind

    def read(self) -> NGram:
        counts, order = self.header.counts, self.header.order
        hashes = self._read_vocabulary()
        bins = self._read_bins() if self.quantised else [None] * order
        logprobs, backoffs, begins = self._read_unigrams(counts[0])
        grams = np.arange(counts[0], dtype=np.int64)[:, None]
        sections = [(grams, logprobs, backoffs)]
        for n in range(2, order + 1):
            words, logprobs, backoffs, after = self._read_order(n, begins, bins[n - 1])
            owners = np.repeat(np.arange(len(grams)), np.diff(begins))
            grams = np.concatenate([words[:, None], grams[owners]], axis=1)
            sections.append((grams, logprobs, backoffs))
            begins = after
        return self._assemble(sections, self._read_words(hashes))

    def _take(self, size: int, section: str) -> Bytes:
        part = self.data[self.at : self.at + size]
        if len(part) < size:
            raise damaged(self.path, section, f"the file ends after {len(self.data)} bytes")
        self.at += size
        return part

    def _read_vocabulary(self) -> NDArray[np.uint64]:
        part = self._take(8 * (1 + self.header.counts[0]), "vocabulary").view("<u8")
        count = int(part[0])
        hashes = part[1 : 1 + count]
        if count != self.header.counts[0] - 1 or (hashes[1:] <= hashes[:-1]).any():
            raise damaged(self.path, "vocabulary", f"{count} words, or not in their order")
        return hashes

    def _read_bins(self) -> list[Bins | None]:
        version, logprob_bits, backoff_bits = self._take(8, "bins")[:3].tolist()
        if version != QUANTISER_VERSION or not 1 <= logprob_bits <= 25 or not backoff_bits <= 25:
            raise damaged(self.path, "bins", f"version {version} cannot be read")
        bins: list[Bins | None] = [None]
        for n in range(2, self.header.order + 1):
            sizes = 1 << logprob_bits, (1 << backoff_bits) if n < self.header.order else 0
            values = self._take(4 * sum(sizes), "bins").view("<f4")
            bins.append(Bins(values[: sizes[0]], values[sizes[0] :]))
        return bins

    def _read_unigrams(self, count: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
        kind = np.dtype([("logprob", "<f4"), ("backoff", "<f4"), ("next", "<u8")])
        rows = self._take((count + 2) * kind.itemsize, "order 1").view(kind)
        begins = self._check_begins(rows["next"][: count + 1], 2)
        logprobs, backoffs = rows["logprob"][:count].copy(), rows["backoff"][:count].copy()
        self._check_numbers(logprobs, backoffs, 1)
        return logprobs, backoffs, begins

    def _read_order(
        self, n: int, families: NDArray[np.int64], bins: Bins | None
    ) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
        """Words, logarithms and back-offs (G,) of an order, and where the families above begin."""
        header, section = self.header, f"order {n}"
        count, highest = header.counts[n - 1], n == header.order
        widths = [header.counts[0].bit_length()]
        if bins is None:
            widths += [LOGPROB_BITS] + ([] if highest else [BACKOFF_BITS])
        else:
            # The code of the back-off stands before that of the logarithm.
            backoff_bits = [] if highest else [len(bins.backoffs).bit_length() - 1]
            widths += [*backoff_bits, len(bins.logprobs).bit_length() - 1]
        firsts = None
        if not highest:
            next_bits = header.counts[n].bit_length()
            if self.packed:
                firsts, next_bits = self._read_packed(n)
            widths.append(next_bits)
        row_bits = sum(widths)
        begin = self.at
        self._take(((1 + count) * row_bits + 7) // 8 + SLACK, section)

        def field(place: int, rows: int) -> NDArray[np.uint64]:
            out = np.empty(rows, np.uint64)
            kenlm_bits.unpack(self.data, begin, row_bits, sum(widths[:place]), widths[place], out)
            return out

        words = field(0, count).astype(np.int64)
        if count and words.max() >= header.counts[0]:
            raise damaged(self.path, section, "a word that does not exist")
        if kenlm_bits.falls_in_family(words, families) >= 0:
            raise damaged(self.path, section, "words that are not in their order")
        backoffs = np.zeros(count, np.float32)
        if bins is None:
            logprobs = -field(1, count).astype(np.uint32).view(np.float32)
            if not highest:
                backoffs = field(2, count).astype(np.uint32).view(np.float32)
        else:
            logprobs = bins.logprobs[field(len(widths) - (1 if highest else 2), count)]
            if not highest:
                backoffs = bins.backoffs[field(1, count)]
        self._check_numbers(logprobs, backoffs, n)
        if highest:
            return words, logprobs, backoffs, np.zeros(0, np.int64)
        begins = field(len(widths) - 1, count + 1)
        if firsts is not None:
            high = np.searchsorted(firsts, np.arange(count + 1, dtype=np.uint64), "right") - 1
            begins |= high.astype(np.uint64) << np.uint64(widths[-1])
        return words, logprobs, backoffs, self._check_begins(begins, n + 1)

    def _read_packed(self, n: int) -> tuple[NDArray[np.uint64], int]:
        """The first row for each value of the high bits of `next`, and how many low bits there
        are."""
        section, rows = f"order {n}", self.header.counts[n - 1] + 1
        most = self.header.counts[n]
        begin = self.at
        version, allowed = self._take(PACKED_HEAD, section)[:2].tolist()
        if version != 0:
            raise damaged(self.path, section, f"pointers of version {version} cannot be read")
        whole = most.bit_length()
        _, taken = min(
            (64 * (most >> (whole - taken)) - rows * taken, taken)
            for taken in range(min(allowed, whole) + 1)
        )
        count = (most >> (whole - taken)) + 1
        self._take(8 * count + PACKED_SLACK, section)
        at = align(begin + PACKED_HEAD)
        firsts = self.data[at : at + 8 * count].view("<u8")
        if firsts[0] != 0 or (firsts[1:] < firsts[:-1]).any():
            raise damaged(self.path, section, "pointers that are not in their order")
        return firsts, whole - taken

    def _check_begins(self, begins: NDArray[np.uint64], above: int) -> NDArray[np.int64]:
        count = self.header.counts[above - 1]
        if begins[0] != 0 or begins[-1] != count or (begins[1:] < begins[:-1]).any():
            raise damaged(self.path, f"order {above - 1}", "pointers that are not in their order")
        return begins.astype(np.int64)

    def _check_numbers(self, logprobs: Floats, backoffs: Floats, n: int) -> None:
        fine = (logprobs <= 0) & (logprobs >= -MOST_LOG10) & (np.abs(backoffs) <= MOST_LOG10)
        if not fine.all():
            raise damaged(self.path, f"order {n}", "a logarithm that cannot be")

    def _read_words(self, hashes: NDArray[np.uint64]) -> list[bytes]:
        spellings = self.data[self.at :].tobytes()
        words = spellings.split(b"\0")
        if len(words) != self.header.counts[0] + 1 or words.pop() or words[0] != b"<unk>":
            raise damaged(self.path, "words", f"not {self.header.counts[0]} spellings")
        letters = np.frombuffer(spellings, np.uint8)
        ends = np.flatnonzero(letters == 0)
        if kenlm_bits.check_hashes(letters, ends, hashes) >= 0:
            raise damaged(self.path, "words", "a spelling that is not the vocabulary's")
        if b"<s>" not in words or b"</s>" not in words:
            raise damaged(self.path, "vocabulary", "it has no <s> or no </s>")
        return words

    def _assemble(
        self, sections: list[tuple[NDArray[np.int64], Floats, Floats]], words: list[bytes]
    ) -> NGram:
        begin, end = words.index(b"<s>"), words.index(b"</s>")
        others = [n for n in range(1, len(words)) if n not in (begin, end)]
        tokenizer = Whitespace.of(words[n] for n in others)
        tokens = np.zeros(len(words), np.int32)
        tokens[[begin, end]] = tokenizer.boundary
        tokens[others] = np.arange(2, len(words) - 1)
        recipe = Recipe(
            order=self.header.order,
            vocabulary_size=tokenizer.vocabulary_size,
            boundary=tokenizer.boundary,
            discounts=(),
            prune=(),
            compat="kenlm file",
            notices=(),
        )
        made = []
        for n, (grams, logprobs, backoffs) in enumerate(sections, start=1):
            if n == 1:
                # One boundary has the P of `</s>` and the back-off of `<s>`.
                rows = np.array([0, end, *others])
                left = np.array([0, begin, *others])
                grams, logprobs, backoffs = grams[rows], logprobs[rows], backoffs[left]
            elif (grams[:, 1:] == begin).any() or (grams[:, :-1] == end).any():
                raise damaged(self.path, f"order {n}", "<s> or </s> inside an n-gram")
            made.append(
                Section(
                    tokens[grams],
                    (logprobs * LN10).astype(np.float32),
                    (backoffs * LN10).astype(np.float32),
                )
            )
        try:
            return NGram(assemble(made, recipe), tokenizer)
        except Stray as stray:
            raise damaged(self.path, f"order {stray.order}", str(stray)) from None
