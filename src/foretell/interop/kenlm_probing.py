"""KenLM's probing model: a file of hash tables, mapped into memory and asked as it stands.

It gives each word its probability, and knows which words there are; what n-grams it holds it
cannot say, since it keeps their hashes only. So it is a Scorer, and no LanguageModel.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import Lengths, Tokens, full_lengths
from foretell.interop import kenlm_hashes, kenlm_tables
from foretell.interop.arpa import MISSING_UNKNOWN
from foretell.interop.kenlm_hashes import NOTHING_LONGER
from foretell.interop.kenlm_layout import Header, damaged
from foretell.models.ngram.model import NGram
from foretell.models.ngram.sections import assemble, sections_of
from foretell.models.ngram.trie import Trie
from foretell.threads import in_threads
from foretell.tokenizers.whitespace import Whitespace

Bytes = NDArray[np.uint8]
Cells = NDArray[np.uint32]
LN10 = float(np.log(10.0))
NO_CHANCE = -99.0
"""log10 for minus infinity, as SRILM writes it; a table of sums needs a number."""
VOCABULARY_HEAD = 8
FIRST_WORD = 3
"""Words of a file that is written: `<unk>`, `<s>`, `</s>`, then those of the tokenizer."""


class Probing:
    """Words, n-grams by their hashes, and what they are worth. See `kenlm_hashes` for the layout.

    Good: read_kenlm_binary(path).score(tokens)
    Bad:  asking it for a distribution; build a trie (`build_binary trie`), or read the ARPA file
    """

    def __init__(self, header: Header, data: Bytes, path: Path) -> None:
        """data (L,): the whole file. Raises DamagedModel if it has another length than its header
        asks for, or no `<s>` or `</s>`."""
        self.header, self.path, self.bytes = header, path, data
        self.places, end = lay_places(header)
        if len(data) < end:
            raise damaged(path, "tables", f"the file ends after {len(data)} of {end} bytes")
        self.data = data[:end].view(np.uint32)
        self.spellings = data[end:]
        # What was built and what is mapped are one type to the compiler.
        self.data.flags.writeable = self.spellings.flags.writeable = False
        version, words = self.data[header.size // 4 : header.size // 4 + 2].tolist()
        if version != 0 or words not in (header.counts[0], header.counts[0] + 1):
            raise damaged(path, "vocabulary", f"version {version} with {words} words cannot be")
        self.places[kenlm_hashes.WORDS] = words
        self.boundaries = self.number(b"<s>"), self.number(b"</s>")
        if not all(self.boundaries):
            raise damaged(path, "vocabulary", "it has no <s> or no </s>")
        if header.has_words:
            self.spelling_ends = _cut_spellings(path, self.spellings, words)
        elif len(self.spellings):
            raise damaged(path, "tables", f"{len(self.spellings)} bytes too many")

    @property
    def order(self) -> int:
        return self.header.order

    @property
    def vocabulary_size(self) -> int:
        """Words, `<unk>`, `<s>` and `</s>` among them."""
        return int(self.places[kenlm_hashes.WORDS])

    def number(self, word: bytes) -> int:
        """The number of a word in the file; 0 if it has none."""
        letters = np.frombuffer(word, np.uint8)
        return int(kenlm_hashes.find_word(self.data, self.places, letters, 0, len(letters)))

    def words(self) -> Iterator[bytes]:
        """Spellings of all words, by number. Raises ForetellError if the file holds none."""
        if not self.header.has_words:
            raise ForetellError(
                f"{self.path} holds no spellings of its words; build it again with them"
            )
        yield from self.spellings.tobytes()[:-1].split(b"\0")

    @cached_property
    def tokenizer(self) -> Whitespace:
        """Words in the file's order; `<s>` and `</s>` are the boundary."""
        return Whitespace.of(
            word for n, word in enumerate(self.words()) if n and n not in self.boundaries
        )

    @cached_property
    def numbers(self) -> NDArray[np.int64]:
        """(V,) the word of the file for each token; for the boundary, that of `</s>`."""
        others = np.setdiff1d(np.arange(1, self.vocabulary_size), self.boundaries)
        return np.concatenate([[0, self.boundaries[1]], others])

    def null_cells(self) -> Cells:
        """The state that knows nothing, (2N - 1,)."""
        return np.zeros(2 * self.order - 1, np.uint32)

    def begin_cells(self) -> Cells:
        """The state at the beginning of a sentence, (2N - 1,)."""
        cells = self.null_cells()
        begin = self.boundaries[0]
        cells[0], cells[1] = 1, begin
        cells[self.order] = self.data[self.places[kenlm_hashes.UNIGRAMS] + 2 * begin + 1]
        return cells

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        """ln P of each token (B, T) given those before it in its row; 0 on pads."""
        lengths = full_lengths(tokens, lengths)
        out = np.zeros(tokens.shape, np.float32)
        first, closing = self.begin_cells(), self.boundaries[1]

        def work(row: int) -> None:
            line = self.numbers[tokens[row, : lengths[row]]]
            kenlm_hashes.score_words(
                self.data, self.places, line, first, closing, out[row, : len(line)]
            )

        in_threads(work, ((row,) for row in range(len(tokens))))
        return out * np.float32(LN10)

    def check(self) -> None:
        """Read every entry. Raises DamagedModel for what KenLM cannot have written; a change of a
        number into another one that could be there is not to be seen, as there are no checksums."""
        data, places = self.data, self.places
        width = kenlm_hashes.VOCABULARY_WIDTH
        _check_table(self, "vocabulary", kenlm_hashes.VOCABULARY, width, 0)
        if kenlm_tables.check_words(data, places) >= 0:
            raise damaged(self.path, "vocabulary", "a word that does not exist")
        if self.header.has_words:
            word = kenlm_tables.check_vocabulary(data, places, self.spellings, self.spelling_ends)
            if word >= 0:
                raise damaged(self.path, "vocabulary", f"word {word} is not found by its spelling")
        at = int(places[kenlm_hashes.UNIGRAMS])
        if kenlm_tables.check_numbers(data, at, self.vocabulary_size, 2, 0, False) >= 0:
            raise damaged(self.path, "order 1", "a logarithm that cannot be")
        in_threads(self._check_order, ((n,) for n in range(self.order, 1, -1)))

    def _check_order(self, n: int) -> None:
        middle = n < self.order
        width = kenlm_hashes.MIDDLE_WIDTH if middle else kenlm_hashes.LONGEST_WIDTH
        place = kenlm_hashes.TABLES + 2 * (n - 2)
        _check_table(self, f"order {n}", place, width, self.header.counts[n - 1])
        at, slots = self.places[place : place + 2].tolist()
        if kenlm_tables.check_numbers(self.data, at, slots, width, 2, True) >= 0:
            raise damaged(self.path, f"order {n}", "a logarithm that cannot be")


def lay_places(header: Header) -> tuple[NDArray[np.int64], int]:
    """Where the tables of a file stand, in numbers of 4 bytes as `kenlm_hashes` draws it, and the
    byte at which they end."""
    words, order = header.counts[0], header.order
    places = np.zeros(kenlm_hashes.TABLES + 2 * (order - 1), np.int64)
    slots = header.buckets(words)
    at = header.size + VOCABULARY_HEAD
    places[: kenlm_hashes.UNIGRAMS] = order, at // 4, slots
    at += 4 * kenlm_hashes.VOCABULARY_WIDTH * slots
    places[kenlm_hashes.UNIGRAMS] = at // 4
    at += 8 * (words + 1)
    for n, count in enumerate(header.counts[1:], start=2):
        place, slots = kenlm_hashes.TABLES + 2 * (n - 2), header.buckets(count)
        places[place : place + 2] = at // 4, slots
        width = kenlm_hashes.MIDDLE_WIDTH if n < order else kenlm_hashes.LONGEST_WIDTH
        at += 4 * width * slots
    return places, at


def build(model: NGram, *, multiplier: float = 1.5) -> Probing:
    """The probing model of an n-gram model of whole words, in memory.

    Raises ForetellError for other tokens than words between white space, and for order 1.
    """
    words, trie = model.tokenizer, model.trie.unpack()
    if not isinstance(words, Whitespace):
        raise ForetellError(
            f"KenLM's files hold words between white space; this model reads {words.name}: train "
            "with --tokenizer whitespace"
        )
    if model.order < 2:
        raise ForetellError("KenLM has no models of order 1; give one of order 2 or more")
    counts = [words.vocabulary_size + 1, *(len(order) for order in trie.orders[1:])]
    header = Header("probing", tuple(counts), multiplier, True)
    places, end = lay_places(header)
    places[kenlm_hashes.WORDS] = counts[0]
    spelled = [b"<unk>", b"<s>", b"</s>", *list(words.words())[2:]]
    spellings = np.frombuffer(b"\0".join(spelled) + b"\0", np.uint8)
    whole = np.zeros(end + len(spellings), np.uint8)
    whole[: header.size] = np.frombuffer(header.pack(), np.uint8)
    whole[end:] = spellings
    data = whole[:end].view(np.uint32)
    data[header.size // 4 + 1] = counts[0]
    # Both ways to write the unknown word lead to it, even if one was a word of the text.
    entered = [(n, word) for n, word in enumerate(spelled) if word not in (b"<unk>", b"<UNK>")]
    vocabulary = Whitespace.of(word for _, word in entered)
    numbers = np.array([n for n, _ in entered], np.int64)
    kenlm_tables.fill_vocabulary(data, places, vocabulary.letters, vocabulary.ends, numbers)
    _fill_unigrams(data, places, trie)
    if not _fill_tables(data, places, trie):
        # An n-gram is there without its suffix.
        return build(NGram(assemble(sections_of(trie), trie.recipe), words), multiplier=multiplier)
    return Probing(header, whole, Path("a model in memory"))


def _fill_unigrams(data: Cells, places: NDArray[np.int64], trie: Trie) -> None:
    at, first = int(places[kenlm_hashes.UNIGRAMS]), trie.orders[0]
    table = data[at : at + 2 * (len(first) + 1)].reshape(-1, 2)
    logprobs, backoffs = _logprob_bits(first.logprobs), _backoff_bits(trie, 1)
    boundary = trie.recipe.boundary
    made_up = bool(first.logprobs[0] == np.float32(MISSING_UNKNOWN * LN10))
    # Where a file lacks `<unk>`, KenLM remembers that an unknown word stood there.
    table[0] = logprobs[0], 0 if made_up else backoffs[0]
    # What `lmplz` writes for `<s>`, to the bit: zero, with no sign.
    table[1] = 0, backoffs[boundary]
    table[2] = logprobs[boundary], NOTHING_LONGER
    table[FIRST_WORD:, 0], table[FIRST_WORD:, 1] = logprobs[2:], backoffs[2:]


def _fill_tables(data: Cells, places: NDArray[np.int64], trie: Trie) -> bool:
    """Whether every n-gram has its suffix."""
    boundary = trie.recipe.boundary
    for n, order in enumerate(trie.orders[1:], start=2):
        grams = trie.grams(n)
        # A boundary is `</s>` at the end of an n-gram, and `<s>` before.
        grams += grams >= boundary
        grams[:, :-1] -= grams[:, :-1] == boundary + 1
        backoffs = _backoff_bits(trie, n) if not order.highest else np.zeros(0, np.uint32)
        bits = _logprob_bits(order.logprobs)
        if kenlm_tables.fill_table(data, places, grams, bits, backoffs) >= 0:
            return False
    return True


def _log10(values: NDArray[np.float32]) -> NDArray[np.float32]:
    found = (values.astype(np.float64) / LN10).astype(np.float32)
    return np.where(np.isneginf(found), np.float32(NO_CHANCE), found)


def _logprob_bits(logprobs: NDArray[np.float32]) -> Cells:
    """Of n-grams (n,) in which, so far, nothing longer ends."""
    return _log10(logprobs).view(np.uint32) | np.uint32(NOTHING_LONGER)


def _backoff_bits(trie: Trie, n: int) -> Cells:
    """Of the n-grams (n,) of an order: minus zero where nothing begins with them and nothing is
    to be charged, else not minus zero."""
    order = trie.orders[n - 1]
    # Adding zero makes minus zero plus zero.
    bits = (_log10(order.backoffs) + np.float32(0)).view(np.uint32)
    children = order.children
    matters = (children[1:] > children[:-1]) | (bits != 0)
    return np.where(matters, bits, np.uint32(NOTHING_LONGER))


def _cut_spellings(path: Path, spellings: Bytes, words: int) -> NDArray[np.int64]:
    """Where each spelling ends (W,), from all of them (L,)."""
    ends = np.flatnonzero(spellings == 0)
    if len(ends) != words or not len(spellings) or ends[-1] != len(spellings) - 1:
        raise damaged(path, "words", f"{len(ends)} whole spellings for {words} words")
    if spellings[: ends[0]].tobytes() != b"<unk>":
        raise damaged(path, "words", "the first is not <unk>")
    return ends


def _check_table(model: Probing, section: str, place: int, width: int, least: int) -> None:
    at, slots = model.places[place : place + 2].tolist()
    entries, lost = kenlm_tables.check_keys(model.data, at, slots, width)
    if lost >= 0 or entries < least:
        what = f"{entries} of {least} n-grams" if lost < 0 else f"the entry in slot {lost} is lost"
        raise damaged(model.path, section, what)
