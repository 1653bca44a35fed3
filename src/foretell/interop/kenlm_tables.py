"""Compiled: fill the hash tables of a KenLM probing file, and look for damage in them.

See `kenlm_hashes` for the layout. A key stands in the slot that it names, or behind it with no
empty slot between, round the end of the table; an altered key hardly ever does.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from foretell.interop.kenlm_hashes import (
    AHEAD,
    LONGEST_WIDTH,
    MIDDLE_WIDTH,
    ORDER,
    TABLES,
    UNIGRAMS,
    VOCABULARY,
    VOCABULARY_SLOTS,
    VOCABULARY_WIDTH,
    WORDS,
    chain,
    find,
    find_word,
    hash_word,
    key_at,
)
from foretell.memory import prefetch

NO_SIGN = 0x7FFFFFFF
MOST_LOG10 = 1000.0
"""What is further from 0 is no logarithm that a model would hold."""


@njit(nogil=True, cache=True, inline="always")
def insert(data, at, slots, width, key):  # type: ignore[no-untyped-def]
    """Enter a key that is not there; where its values go."""
    slot = np.int64(key % np.uint64(slots))
    while key_at(data, at + slot * width) != 0:
        slot += 1
        if slot == slots:
            slot = np.int64(0)
    entry = at + slot * width
    data[entry] = np.uint32(key & np.uint64(0xFFFFFFFF))
    data[entry + 1] = np.uint32(key >> np.uint64(32))
    return entry + 2


@njit(nogil=True, cache=True)
def fill_vocabulary(data, places, letters, ends, words):  # type: ignore[no-untyped-def]
    """Enter spellings: letters (L,), where each ends (W,), and the words (W,) they spell."""
    begin = np.int64(0)
    for k in range(len(ends)):
        key = hash_word(letters, begin, ends[k])
        entry = insert(data, places[VOCABULARY], places[VOCABULARY_SLOTS], VOCABULARY_WIDTH, key)
        data[entry] = words[k]
        begin = ends[k]


@njit(nogil=True, cache=True)
def fill_table(data, places, grams, logprobs, backoffs):  # type: ignore[no-untyped-def]
    """Enter the n-grams (G, n) of an order after those of the order below, which thereby learn
    that something longer ends in them; the first one whose suffix is not there, -1 if none.

    logprobs, backoffs (G,): bits of log10; back-offs are not read in the highest order.
    """
    size, order = grams.shape
    middle = order < places[ORDER]
    width = MIDDLE_WIDTH if middle else LONGEST_WIDTH
    table = TABLES + 2 * (order - 2)
    at, slots = places[table], places[table + 1]
    keys, suffixes = np.empty(AHEAD, np.uint64), np.empty(AHEAD, np.uint64)
    for g in range(size + AHEAD):
        ready = g - AHEAD
        if ready >= 0:
            if order == 2:
                below = places[UNIGRAMS] + 2 * np.int64(grams[ready, 1])
            else:
                suffix = suffixes[ready % AHEAD]
                below = find(data, places[table - 2], places[table - 1], MIDDLE_WIDTH, suffix) + 2
                if below < 2:
                    return ready
            data[below] &= np.uint32(NO_SIGN)
            entry = insert(data, at, slots, width, keys[ready % AHEAD])
            data[entry] = logprobs[ready]
            if middle:
                data[entry + 1] = backoffs[ready]
        if g < size:
            suffix = np.uint64(grams[g, order - 1])
            for k in range(order - 2, 0, -1):
                suffix = chain(suffix, grams[g, k])
            suffixes[g % AHEAD] = suffix
            key = chain(suffix, grams[g, 0])
            keys[g % AHEAD] = key
            prefetch(data, at + width * np.int64(key % np.uint64(slots)))
            if order > 2:
                slot = np.int64(suffix % np.uint64(places[table - 1]))
                prefetch(data, places[table - 2] + MIDDLE_WIDTH * slot)
    return -1


@njit(nogil=True, cache=True)
def check_vocabulary(data, places, letters, ends):  # type: ignore[no-untyped-def]
    """The first word whose spelling, letters (L,) cut at ends (W,), leads elsewhere; -1 if none.

    Word 0 is not looked up: it is what spellings lead to that are not there.
    """
    begin = np.int64(0)
    for word in range(len(ends)):
        if word > 0 and find_word(data, places, letters, begin, ends[word]) != word:
            return word
        begin = ends[word] + 1
    return -1


@njit(nogil=True, cache=True)
def check_words(data, places):  # type: ignore[no-untyped-def]
    """The first slot of the vocabulary with a word that does not exist; -1 if none."""
    at = places[VOCABULARY]
    for slot in range(places[VOCABULARY_SLOTS]):
        entry = at + slot * VOCABULARY_WIDTH
        if key_at(data, entry) != 0 and not 0 < data[entry + 2] < places[WORDS]:
            return slot
    return -1


@njit(nogil=True, cache=True)
def check_keys(data, at, slots, width):  # type: ignore[no-untyped-def]
    """How many entries a table has, and the first slot whose key would not be found there, -1 if
    none. Without an empty slot, the first is the one."""
    empty = 0
    while empty < slots and key_at(data, at + empty * width) != 0:
        empty += 1
    if empty == slots:
        return slots, np.int64(0)
    entries, run = np.int64(0), np.int64(0)
    for k in range(1, slots):
        slot = empty + k
        if slot >= slots:
            slot -= slots
        key = key_at(data, at + slot * width)
        if key == 0:
            run = np.int64(0)
            continue
        entries += 1
        run += 1
        behind = slot - np.int64(key % np.uint64(slots))
        if behind < 0:
            behind += slots
        if behind >= run:
            return entries, slot
    return entries, np.int64(-1)


@njit(nogil=True, cache=True)
def check_numbers(data, at, count, width, skip, keyed):  # type: ignore[no-untyped-def]
    """The first of `count` entries whose logarithms cannot be ones; -1 if none.

    skip: words of 4 bytes before the logarithms; keyed: entries of key 0 are empty.
    """
    fractions = data.view(np.float32)
    for k in range(count):
        entry = at + k * width
        if keyed and key_at(data, entry) == 0:
            continue
        for j in range(skip, width):
            if not abs(fractions[entry + j]) <= MOST_LOG10:
                return k
    return -1
