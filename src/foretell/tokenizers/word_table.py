"""Compiled: find words in bytes, and number them through a table of open addresses.

    letters   t h e c a t s a t           all words in one string
    ends            3     6     9         where each ends there
    table     slot -> half of the word's hash, and its token; empty slots are all ones

A word is found by comparing its letters, never by its hash alone. Words are read in batches, so
that what the first one is compared with has come to the cache when the last one has been read.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from foretell.memory import eight_at, prefetch, trailing_zeros

FIRST_WORD = 2
EMPTY = 0xFFFFFFFFFFFFFFFF
OFFSET, PRIME, ONES = 0xCBF29CE484222325, 0xD6E8FEB86659FD93, 0x0101010101010101
AHEAD = 8
BATCH = 256
"""Words that are read before the first is looked up."""


@njit(nogil=True, cache=True, inline="always")
def separates(byte):  # type: ignore[no-untyped-def]
    return byte <= 32 and (byte == 32 or byte == 10 or byte == 9 or byte == 13 or byte == 0)


@njit(nogil=True, cache=True, inline="always")
def mix(value, eight):  # type: ignore[no-untyped-def]
    value = (value ^ eight) * np.uint64(PRIME)
    return value ^ (value >> np.uint64(29))


@njit(nogil=True, cache=True, inline="always")
def low_bytes(eight, count):  # type: ignore[no-untyped-def]
    """The first `count` of 8 bytes, fewer than 8; zeros for the others."""
    return eight & ((np.uint64(1) << np.uint64(8 * count)) - np.uint64(1))


@njit(nogil=True, cache=True)
def bytes_between(data, begin, end):  # type: ignore[no-untyped-def]
    """Up to 8 bytes in one number, the first the lowest."""
    if begin + 8 <= len(data):
        eight = eight_at(data, begin)
        return eight if end - begin == 8 else low_bytes(eight, end - begin)
    eight = np.uint64(0)
    for k in range(end - begin):
        eight |= np.uint64(data[begin + k]) << np.uint64(8 * k)
    return eight


@njit(nogil=True, cache=True)
def hash_word(data, begin, end):  # type: ignore[no-untyped-def]
    """Eight bytes at a time, zeros after the last; no word holds a zero."""
    value = np.uint64(OFFSET)
    for at in range(begin, end, 8):
        value = mix(value, bytes_between(data, at, min(at + 8, end)))
    return finish(value)


@njit(nogil=True, cache=True)
def same_bytes(data, begin, other, first, size):  # type: ignore[no-untyped-def]
    for k in range(0, size, 8):
        upto = min(k + 8, size)
        mine = bytes_between(data, begin + k, begin + upto)
        if mine != bytes_between(other, first + k, first + upto):
            return False
    return True


@njit(nogil=True, cache=True)
def read_word(data, at):  # type: ignore[no-untyped-def]
    """Where the word that begins at data[at] ends, and its hash."""
    hashed = np.uint64(OFFSET)
    while True:
        if at + 8 <= len(data):
            eight = eight_at(data, at)
            # The high bit of each byte below 33; above the lowest such byte it may err.
            small = (eight - np.uint64(33 * ONES)) & ~eight & np.uint64(128 * ONES)
            if small == 0:
                hashed = mix(hashed, eight)
                at += 8
                continue
            count = np.int64(trailing_zeros(small) >> np.uint64(3))
            if separates(np.uint8(eight >> np.uint64(8 * count))):
                if count:
                    hashed = mix(hashed, low_bytes(eight, count))
                return at + count, finish(hashed)
        begin = at
        while at < min(begin + 8, len(data)) and not separates(data[at]):
            at += 1
        if at > begin:
            hashed = mix(hashed, bytes_between(data, begin, at))
        if at < begin + 8:
            return at, finish(hashed)


@njit(nogil=True, cache=True, inline="always")
def finish(value):  # type: ignore[no-untyped-def]
    value ^= value >> np.uint64(32)
    return value * np.uint64(0x9E3779B97F4A7C15)


@njit(nogil=True, cache=True, inline="always")
def probe(data, begin, end, hashed, letters, ends, table):  # type: ignore[no-untyped-def]
    """The slot of a word, or the empty one where it would go."""
    mask = np.uint64(len(table) - 1)
    tag = hashed >> np.uint64(32)
    slot = hashed & mask
    while table[slot] != np.uint64(EMPTY):
        entry = table[slot]
        if entry >> np.uint64(32) == tag:
            word = np.int64(entry & np.uint64(0xFFFFFFFF)) - FIRST_WORD
            first = ends[word - 1] if word > 0 else 0
            size = end - begin
            if ends[word] - first == size and same_bytes(data, begin, letters, first, size):
                return slot
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(nogil=True, cache=True)
def find_word(data, begin, end, letters, ends, table):  # type: ignore[no-untyped-def]
    slot = probe(data, begin, end, hash_word(data, begin, end), letters, ends, table)
    if table[slot] == np.uint64(EMPTY):
        return np.int64(0)
    return np.int64(table[slot] & np.uint64(0xFFFFFFFF))


@njit(nogil=True, cache=True)
def next_words(data, at, by_lines, begins, ends, hashes, table):  # type: ignore[no-untyped-def]
    """Read words from data[at] on until the arrays (W,) are full; how many, and where to go on.

    A newline, if lines matter, is a word without a length. Each word's slot is sent for, so that
    it has come when the words are looked up.
    """
    mask = np.uint64(len(table) - 1)
    count = 0
    while at < len(data) and count < len(begins):
        if separates(data[at]):
            if by_lines and data[at] == 10:
                begins[count], ends[count], hashes[count] = at, at, 0
                count += 1
            at += 1
            continue
        end, hashed = read_word(data, at)
        begins[count], ends[count], hashes[count] = at, end, hashed
        prefetch(table, np.int64(hashed & mask))
        count += 1
        at = end
    return count, at


@njit(nogil=True, cache=True)
def send_for(count, hashes, ends, letters, table):  # type: ignore[no-untyped-def]
    """Send for the spellings that words will be compared with, in two rounds."""
    mask = np.uint64(len(table) - 1)
    for send_for_letters in (False, True):
        for k in range(count):
            entry = table[hashes[k] & mask]
            if entry == np.uint64(EMPTY):
                continue
            word = np.int64(entry & np.uint64(0xFFFFFFFF)) - FIRST_WORD
            if send_for_letters:
                prefetch(letters, ends[word - 1] if word > 0 else 0)
            else:
                prefetch(ends, word)


@njit(nogil=True, cache=True)
def encode(data, letters, ends, table, by_lines):  # type: ignore[no-untyped-def]
    """Tokens of the words in data (L,), a boundary for each newline if by_lines; and their ends."""
    most = len(data) + 1 if by_lines else len(data) // 2 + 2
    tokens = np.empty(most, np.int32)
    stops = np.empty(0 if by_lines else most, np.int64)
    begins_here, ends_here = np.empty(BATCH, np.int64), np.empty(BATCH, np.int64)
    hashes = np.empty(BATCH, np.uint64)
    total, at = 0, 0
    while at < len(data):
        count, at = next_words(data, at, by_lines, begins_here, ends_here, hashes, table)
        send_for(count, hashes, ends, letters, table)
        for k in range(count):
            begin, end = begins_here[k], ends_here[k]
            tokens[total] = 1
            if begin < end:
                slot = probe(data, begin, end, hashes[k], letters, ends, table)
                entry = table[slot]
                known = entry != np.uint64(EMPTY)
                tokens[total] = entry & np.uint64(0xFFFFFFFF) if known else 0
            if not by_lines:
                stops[total] = end
            total += 1
    return tokens[:total].copy(), stops[:total].copy()


@njit(nogil=True, cache=True)
def begin_words():  # type: ignore[no-untyped-def]
    """Room for words: letters, ends, table, hashes, and how many there are."""
    table = np.full(1 << 12, np.uint64(EMPTY), np.uint64)
    return (
        np.empty(1 << 14, np.uint8),
        np.empty(1 << 11, np.int64),
        table,
        np.empty(1 << 11, np.uint64),
        0,
    )


@njit(nogil=True, cache=True)
def insert(data, begin, end, hashed, slot, letters, ends, table, hashes, used):  # type: ignore[no-untyped-def]
    """Add a word at its slot; the arrays, grown if they were full."""
    table[slot] = (hashed >> np.uint64(32)) << np.uint64(32) | np.uint64(used + FIRST_WORD)
    first = ends[used - 1] if used > 0 else 0
    if first + end - begin > len(letters):
        more = np.empty(2 * (first + end - begin), np.uint8)
        more[:first] = letters[:first]
        letters = more
    letters[first : first + end - begin] = data[begin:end]
    if used == len(ends):
        longer = np.empty(2 * used, np.int64)
        longer[:used] = ends
        ends = longer
        further = np.empty(2 * used, np.uint64)
        further[:used] = hashes
        hashes = further
    ends[used], hashes[used] = first + end - begin, hashed
    used += 1
    if 2 * used >= len(table):
        table = rehash(hashes, used, 4 * len(table))
    return letters, ends, table, hashes, used


@njit(nogil=True, cache=True)
def rehash(hashes, used, size):  # type: ignore[no-untyped-def]
    table = np.full(size, np.uint64(EMPTY), np.uint64)
    mask = np.uint64(size - 1)
    for word in range(used):
        slot = hashes[word] & mask
        while table[slot] != np.uint64(EMPTY):
            slot = (slot + np.uint64(1)) & mask
        tag = (hashes[word] >> np.uint64(32)) << np.uint64(32)
        table[slot] = tag | np.uint64(word + FIRST_WORD)
    return table


@njit(nogil=True, cache=True)
def fill_table(letters, ends):  # type: ignore[no-untyped-def]
    hashes = np.empty(len(ends), np.uint64)
    begin = 0
    for word in range(len(ends)):
        hashes[word] = hash_word(letters, begin, ends[word])
        begin = ends[word]
    size = 8
    while size < 2 * len(ends):
        size *= 2
    return rehash(hashes, len(ends), size)


@njit(nogil=True, cache=True)
def is_reserved(data, begin, end):  # type: ignore[no-untyped-def]
    """Whether a word is `<s>`, `</s>` or `<unk>`."""
    size = end - begin
    if data[begin] != 60 or data[end - 1] != 62:
        return False
    if size == 3:
        return data[begin + 1] == 115
    if size == 4:
        return data[begin + 1] == 47 and data[begin + 2] == 115
    return (
        size == 5 and data[begin + 1] == 117 and data[begin + 2] == 110 and data[begin + 3] == 107
    )


@njit(nogil=True, cache=True)
def learn(data, skip_reserved):  # type: ignore[no-untyped-def]
    """Tokens of lines, by the words' first appearance here; the words; and where the first
    reserved word stands, -1 if none does or they are skipped."""
    tokens = np.empty(len(data) + 1, np.int32)
    letters, ends, table, hashes, used = begin_words()
    begins_here, ends_here = np.empty(BATCH, np.int64), np.empty(BATCH, np.int64)
    hashes_here = np.empty(BATCH, np.uint64)
    total, at = 0, 0
    while at < len(data):
        count, at = next_words(data, at, True, begins_here, ends_here, hashes_here, table)
        send_for(count, hashes_here, ends, letters, table)
        for k in range(count):
            begin, end = begins_here[k], ends_here[k]
            if begin == end:
                tokens[total] = 1
            elif is_reserved(data, begin, end):
                if not skip_reserved:
                    return tokens[:0].copy(), letters, ends[:0].copy(), hashes, begin
                continue
            else:
                slot = probe(data, begin, end, hashes_here[k], letters, ends, table)
                if table[slot] == np.uint64(EMPTY):
                    tokens[total] = used + FIRST_WORD
                    letters, ends, table, hashes, used = insert(
                        data, begin, end, hashes_here[k], slot, letters, ends, table, hashes, used
                    )
                else:
                    tokens[total] = table[slot] & np.uint64(0xFFFFFFFF)
            total += 1
    return tokens[:total].copy(), letters, ends[:used].copy(), hashes, -1


@njit(nogil=True, cache=True, inline="always")
def send_ahead(word, hashes, letters, ends, table):  # type: ignore[no-untyped-def]
    """While words are looked up in turn: send for the slot of a later one, for where the word of
    a nearer one's slot ends, and for the letters of a nearer one still."""
    mask = np.uint64(len(table) - 1)
    if word + 3 * AHEAD < len(hashes):
        prefetch(table, np.int64(hashes[word + 3 * AHEAD] & mask))
    if word + 2 * AHEAD < len(hashes):
        entry = table[hashes[word + 2 * AHEAD] & mask]
        if entry != np.uint64(EMPTY):
            prefetch(ends, np.int64(entry & np.uint64(0xFFFFFFFF)) - FIRST_WORD)
    if word + AHEAD < len(hashes):
        entry = table[hashes[word + AHEAD] & mask]
        if entry != np.uint64(EMPTY):
            known = np.int64(entry & np.uint64(0xFFFFFFFF)) - FIRST_WORD
            prefetch(letters, ends[known - 1] if known > 0 else 0)


@njit(nogil=True, cache=True)
def merge(theirs, their_ends, their_hashes, letters, ends, table, hashes, used):  # type: ignore[no-untyped-def]
    """Add the words of a later piece; and which token each of its tokens is in the whole."""
    numbers = np.empty(len(their_ends) + FIRST_WORD, np.int32)
    numbers[0], numbers[1] = 0, 1
    begin = 0
    for word in range(len(their_ends)):
        send_ahead(word, their_hashes, letters, ends, table)
        end = their_ends[word]
        slot = probe(theirs, begin, end, their_hashes[word], letters, ends, table)
        if table[slot] == np.uint64(EMPTY):
            numbers[word + FIRST_WORD] = used + FIRST_WORD
            letters, ends, table, hashes, used = insert(
                theirs, begin, end, their_hashes[word], slot, letters, ends, table, hashes, used
            )
        else:
            numbers[word + FIRST_WORD] = table[slot] & np.uint64(0xFFFFFFFF)
        begin = end
    return numbers, letters, ends, table, hashes, used


@njit(nogil=True, cache=True)
def renumber(tokens, numbers):  # type: ignore[no-untyped-def]
    for at in range(len(tokens)):
        tokens[at] = numbers[tokens[at]]
