"""Compiled: the hash tables of a KenLM probing file, and the walk of a query through them.

    vocabulary   key key word            12 bytes, the key a hash of the spelling
    unigrams     logprob back-off         8 bytes, by word
    middle       key key logprob back-off   16 bytes, the key a hash of the words, last word first
    longest      key key logprob         12 bytes

Facts: everything stands at a multiple of 4 bytes, so a file is one array of 32-bit numbers; key 0
is an empty slot; log-probabilities are log10, their sign bit says that nothing longer ends in the
n-gram; a back-off of minus zero says that nothing longer begins with it.

    places   order, vocabulary at, slots, unigrams at, words, then (table at, slots) of orders 2 ...
    cells    length, words (N - 1) the last first, their back-offs (N - 1)     a state

Numbers are believed here; `kenlm_tables` checks those of a file from elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from foretell.memory import prefetch

ORDER, VOCABULARY, VOCABULARY_SLOTS, UNIGRAMS, WORDS, TABLES = 0, 1, 2, 3, 4, 5
KEY_OF_CONTEXT, KEY_OF_WORD = 8978948897894561157, 17894857484156487943
MURMUR = 0xC6A4A7935BD1E995
VOCABULARY_WIDTH, MIDDLE_WIDTH, LONGEST_WIDTH = 3, 4, 3
NOTHING_LONGER = 0x80000000
"""The bits of minus zero."""
TABLE = types.Array(types.uint32, 1, "C", readonly=True)
LETTERS = types.Array(types.uint8, 1, "C", readonly=True)
PLACES, CELLS = types.int64[::1], types.uint32[::1]
FRACTIONS, NUMBERS = types.float32[::1], types.int32[::1]
AHEAD = 16
"""N-grams for which memory is sent ahead."""


@njit(nogil=True, cache=True, inline="always")
def hash_word(letters, begin, end):  # type: ignore[no-untyped-def]
    """MurmurHash64A with seed 0 (Austin Appleby, public domain)."""
    value = np.uint64(end - begin) * np.uint64(MURMUR)
    whole = begin + (end - begin) // 8 * 8
    for at in range(begin, whole, 8):
        block = np.uint64(0)
        for k in range(8):
            block |= np.uint64(letters[at + k]) << np.uint64(8 * k)
        block *= np.uint64(MURMUR)
        block ^= block >> np.uint64(47)
        value = (value ^ block * np.uint64(MURMUR)) * np.uint64(MURMUR)
    if whole < end:
        for k in range(end - whole):
            value ^= np.uint64(letters[whole + k]) << np.uint64(8 * k)
        value *= np.uint64(MURMUR)
    value ^= value >> np.uint64(47)
    value *= np.uint64(MURMUR)
    return value ^ value >> np.uint64(47)


@njit(nogil=True, cache=True, inline="always")
def chain(key, word):  # type: ignore[no-untyped-def]
    """The key of an n-gram from that of its suffix and the word before it."""
    mixed = (np.uint64(1) + np.uint64(word)) * np.uint64(KEY_OF_WORD)
    return key * np.uint64(KEY_OF_CONTEXT) ^ mixed


@njit(nogil=True, cache=True, inline="always")
def key_at(data, at):  # type: ignore[no-untyped-def]
    return np.uint64(data[at]) | np.uint64(data[at + 1]) << np.uint64(32)


@njit(nogil=True, cache=True, inline="always")
def find(data, at, slots, width, key):  # type: ignore[no-untyped-def]
    """Where the entry of a key stands; -1 if there is none. Ends even in a table without room."""
    slot = np.int64(key % np.uint64(slots))
    for _ in range(slots):
        entry = at + slot * width
        found = key_at(data, entry)
        if found == 0:
            return np.int64(-1)
        if found == key:
            return entry
        slot += 1
        if slot == slots:
            slot = np.int64(0)
    return np.int64(-1)


@njit(nogil=True, cache=True)
def find_word(data, places, letters, begin, end):  # type: ignore[no-untyped-def]
    """The word of a spelling; 0 if it is none."""
    return word_of(data, places, hash_word(letters, begin, end))


@njit(nogil=True, cache=True, inline="always")
def word_of(data, places, key):  # type: ignore[no-untyped-def]
    """The word whose spelling has a hash; 0 if there is none."""
    entry = find(data, places[VOCABULARY], places[VOCABULARY_SLOTS], VOCABULARY_WIDTH, key)
    # A word that does not exist can stand in a file that was not checked.
    if entry < 0 or data[entry + 2] >= places[WORDS]:
        return np.int64(0)
    return np.int64(data[entry + 2])


@njit(
    types.Tuple((types.float32, types.int64))(TABLE, PLACES, CELLS, types.int64, CELLS),
    nogil=True,
    cache=True,
)
def step(data, places, before, word, after):  # type: ignore[no-untyped-def]
    """Read a word in a state: log10 P, and the length of the longest n-gram that was found.

    before, after: cells (2N - 1,), not the same; after becomes the state behind the word, as
    short as it can be: no longer than the longest n-gram at its end that something begins with.
    """
    order = places[ORDER]
    fractions, left = data.view(np.float32), before.view(np.float32)
    have = np.int64(before[0])
    entry = places[UNIGRAMS] + 2 * word
    logprob = fractions[entry]
    ends_here = (data[entry] & np.uint32(NOTHING_LONGER)) != 0
    after[1], after[order] = word, data[entry + 1]
    length = keep = np.int64(1)
    if data[entry + 1] == np.uint32(NOTHING_LONGER):
        keep = np.int64(0)
    key = np.uint64(word)
    for k in range(have):
        if ends_here:
            break
        key = chain(key, before[1 + k])
        table = TABLES + 2 * k
        if k + 2 == order:
            entry = find(data, places[table], places[table + 1], LONGEST_WIDTH, key)
            if entry >= 0:
                length, logprob = np.int64(order), fractions[entry + 2]
            break
        entry = find(data, places[table], places[table + 1], MIDDLE_WIDTH, key)
        if entry < 0:
            break
        length, logprob = np.int64(k + 2), fractions[entry + 2]
        ends_here = (data[entry + 2] & np.uint32(NOTHING_LONGER)) != 0
        after[2 + k], after[order + 1 + k] = before[1 + k], data[entry + 3]
        if data[entry + 3] != np.uint32(NOTHING_LONGER):
            keep = np.int64(k + 2)
    after[0] = keep
    logprob = -abs(logprob)
    for k in range(length - 1, have):
        logprob += left[order + k]
    return logprob, length


@njit(types.float32(TABLE, PLACES, CELLS, types.int64, CELLS), nogil=True, cache=True)
def step_alone(data, places, before, word, after):  # type: ignore[no-untyped-def]
    """`step`, log10 P only."""
    return step(data, places, before, word, after)[0]


@njit(nogil=True, cache=True, inline="always")
def is_space(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or 9 <= byte <= 13


@njit(
    types.Tuple((types.int64, types.float32))(
        TABLE, PLACES, LETTERS, types.int64, types.int64, CELLS, types.int64,
        FRACTIONS, NUMBERS, NUMBERS,
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def score_text(  # type: ignore[no-untyped-def]
    data, places, text, low, high, first, closing, logprobs, lengths, words
):
    """Read the words of text[low:high] from the state `first` on, then the word `closing` if it
    is not negative; how many words that were, and the sum of their log10 P.

    logprobs, lengths, words (L,): filled word by word, or not at all if they are empty.
    """
    before, after = first.copy(), first.copy()
    total, count, at = np.float32(0), 0, low
    while True:
        while at < high and is_space(text[at]):
            at += 1
        begin = at
        while at < high and not is_space(text[at]):
            at += 1
        if begin < at:
            word = find_word(data, places, text, begin, at)
        elif closing >= 0:
            word = np.int64(closing)
        else:
            return count, total
        logprob, length = step(data, places, before, word, after)
        total += logprob
        if len(words):
            logprobs[count], lengths[count], words[count] = logprob, length, word
        count += 1
        before, after = after, before
        if begin == at:
            return count, total


@njit(nogil=True, cache=True)
def score_texts(data, places, text, low, ends, first, closing, totals):  # type: ignore[no-untyped-def]
    """log10 P of each of many texts, the first from `low` on, in totals (S,); where each ends is
    ends (S,). As `score_text`, with the tables' memory sent for ahead."""
    keys, counts = hash_texts(text, low, ends, closing >= 0)
    words = np.empty(len(keys), np.int64)
    at, slots = places[VOCABULARY], places[VOCABULARY_SLOTS]
    for k in range(len(keys) + AHEAD):
        if k < len(keys):
            slot = np.int64(keys[k] % np.uint64(slots))
            prefetch(data, at + VOCABULARY_WIDTH * slot)
        if k >= AHEAD:
            words[k - AHEAD] = word_of(data, places, keys[k - AHEAD])
    before, after = first.copy(), first.copy()
    k, last = 0, -1
    for ahead in range(min(AHEAD, len(words))):
        send_for(data, places, words, ahead)
    for text_number in range(len(ends)):
        before[:] = first
        total = np.float32(0)
        last += counts[text_number]
        while k <= last:
            if k + AHEAD < len(words):
                send_for(data, places, words, k + AHEAD)
            word = np.int64(closing) if k == last and closing >= 0 else words[k]
            total += step(data, places, before, word, after)[0]
            before, after = after, before
            k += 1
        totals[text_number] = total


@njit(nogil=True, cache=True)
def hash_texts(text, low, ends, closed):  # type: ignore[no-untyped-def]
    """Hashes of all words of texts, and one that is not read behind each text if it is closed; how
    many there are of each text (S,)."""
    keys = np.empty((ends[-1] - low) // 2 + 2 * len(ends), np.uint64)
    counts = np.zeros(len(ends), np.int64)
    total, at = 0, low
    for k in range(len(ends)):
        before = total
        while True:
            while at < ends[k] and is_space(text[at]):
                at += 1
            begin = at
            while at < ends[k] and not is_space(text[at]):
                at += 1
            if begin == at:
                break
            keys[total] = hash_word(text, begin, at)
            total += 1
        if closed:
            keys[total] = 0
            total += 1
        counts[k] = total - before
    return keys[:total], counts


@njit(nogil=True, cache=True, inline="always")
def send_for(data, places, words, k):  # type: ignore[no-untyped-def]
    """Send for the entries of the n-grams that end in the word k."""
    order = places[ORDER]
    prefetch(data, places[UNIGRAMS] + 2 * words[k])
    key = np.uint64(words[k])
    for back in range(min(order - 1, k)):
        key = chain(key, words[k - 1 - back])
        table = TABLES + 2 * back
        width = LONGEST_WIDTH if back + 2 == order else MIDDLE_WIDTH
        slot = np.int64(key % np.uint64(places[table + 1]))
        prefetch(data, places[table] + width * slot)


@njit(nogil=True, cache=True)
def score_words(data, places, line, first, closing, out):  # type: ignore[no-untyped-def]
    """log10 P (T,) of each word of a line (T,), read from the state `first` on, and from there
    again after the word `closing`."""
    before, after = first.copy(), first.copy()
    for at in range(len(line)):
        word = np.int64(line[at])
        out[at] = step(data, places, before, word, after)[0]
        before, after = after, before
        if word == closing:
            before[:] = first


def direct(function: Any) -> Any:
    """A compiled function of one signature without numba's look at the arguments, which takes
    longer than a look-up. Arguments of other types are not noticed."""
    (signature,) = function.signatures
    return function.overloads[signature].entry_point


step_directly, step_alone_directly = direct(step), direct(step_alone)
score_text_directly = direct(score_text)
