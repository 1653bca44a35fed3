"""Compiled: find words in bytes, and number them through a table of open addresses.

    letters   t h e c a t s a t           all words in one string
    ends            3     6     9         where each ends there
    keys      a word of up to 7 bytes is its own key; a longer one has a hash, its top bit set
    table     slot -> key, token; zeros where it is empty

A short word is found by its key alone, which is the word. A longer one is found by comparing its
letters too, never by its hash alone. Words are read in batches, so that the slot of the first has
come to the cache when the last has been read.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from foretell.memory import byte_at, eight_at, send_for, trailing_zeros, whole_at

FIRST_WORD = 2
KEY, WORD = 0, 1
"""The two numbers of a slot."""
LONG = 1 << 63
"""Set in the key of a word of 8 bytes and more."""
OFFSET, PRIME, ONES = 0xCBF29CE484222325, 0xD6E8FEB86659FD93, 0x0101010101010101
GOLDEN = 0x9E3779B97F4A7C15
START, END, UNKNOWN = (int.from_bytes(word, "little") for word in (b"<s>", b"</s>", b"<unk>"))
"""Keys of the reserved words."""
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
def home_of(key, mask):  # type: ignore[no-untyped-def]
    """The slot where a key stands if no other has taken it."""
    key *= np.uint64(PRIME)
    key = (key ^ (key >> np.uint64(32))) * np.uint64(GOLDEN)
    return np.int64(key >> np.uint64(32)) & mask


@njit(nogil=True, cache=True, inline="always")
def is_long(key):  # type: ignore[no-untyped-def]
    return key >= np.uint64(LONG)


@njit(nogil=True, cache=True, inline="always")
def key_of(data, begin, end):  # type: ignore[no-untyped-def]
    """The key of bytes from an address on: of the bytes if there are fewer than 8, the first the
    lowest; else a hash of each whole eight, and of the last eight.

    What holds a zero is no word of a text; it is hashed, lest it be taken for a shorter one.
    """
    hashed = np.uint64(OFFSET)
    if end - begin < 8:
        key, zeros = np.uint64(0), False
        for at in range(begin, end):
            byte = np.uint64(byte_at(data, at))
            zeros |= byte == 0
            key |= byte << np.uint64(8 * (at - begin))
        if not zeros:
            return key
        hashed = mix(hashed, key)
    else:
        for at in range(begin, end - 7, 8):
            hashed = mix(hashed, eight_at(data, at))
        if (end - begin) % 8:
            hashed = mix(hashed, eight_at(data, end - 8))
    return hashed | np.uint64(LONG)


@njit(nogil=True, cache=True, inline="always")
def same_bytes(data, begin, other, first, size):  # type: ignore[no-untyped-def]
    if size < 8:
        same = True
        for k in range(size):
            same &= byte_at(data, begin + k) == byte_at(other, first + k)
        return same
    for k in range(0, size - 7, 8):
        if eight_at(data, begin + k) != eight_at(other, first + k):
            return False
    return eight_at(data, begin + size - 8) == eight_at(other, first + size - 8)


@njit(nogil=True, cache=True, inline="always")
def read_word(data, at, stop):  # type: ignore[no-untyped-def]
    """Where the word that begins at byte `at` ends, before `stop`, and its key, see `key_of`."""
    begin, hashed = at, np.uint64(OFFSET)
    while at + 8 <= stop:
        eight = eight_at(data, at)
        # The high bit of each byte below 33; of some others above the lowest such byte as well.
        small = (eight - np.uint64(33 * ONES)) & ~eight & np.uint64(128 * ONES)
        while small:
            bits = trailing_zeros(small) & np.uint64(56)
            if separates(np.uint8(eight >> bits)):
                end = at + np.int64(bits >> np.uint64(3))
                if at == begin:
                    return end, eight & ((np.uint64(1) << bits) - np.uint64(1))
                if end > at:
                    hashed = mix(hashed, eight_at(data, end - 8))
                return end, hashed | np.uint64(LONG)
            small &= small - np.uint64(1)
        hashed = mix(hashed, eight)
        at += 8
    while at < stop and not separates(byte_at(data, at)):
        at += 1
    return at, key_of(data, begin, at)


@njit(nogil=True, cache=True, inline="always")
def first_of(ends, word):  # type: ignore[no-untyped-def]
    """Where a word, counted from 0, begins."""
    return whole_at(ends, word - 1) if word > 0 else np.int64(0)


@njit(nogil=True, cache=True, inline="always")
def key_at(table, slot):  # type: ignore[no-untyped-def]
    return np.uint64(whole_at(table, 2 * slot))


@njit(nogil=True, cache=True, inline="always")
def token_at(table, slot):  # type: ignore[no-untyped-def]
    return whole_at(table, 2 * slot + 1)


@njit(nogil=True, cache=True, inline="always")
def probe(data, begin, end, key, letters, ends, table, mask):  # type: ignore[no-untyped-def]
    """The slot of a word, or the empty one where it would go; addresses of all that is read."""
    slot = home_of(key, mask)
    while key_at(table, slot) != 0:
        if key_at(table, slot) == key:
            if not is_long(key):
                break
            word = token_at(table, slot) - FIRST_WORD
            first, size = first_of(ends, word), end - begin
            if whole_at(ends, word) - first == size and same_bytes(
                data, begin, letters, first, size
            ):
                break
        slot = (slot + 1) & mask
    return slot


@njit(nogil=True, cache=True)
def find_word(data, begin, end, letters, ends, table):  # type: ignore[no-untyped-def]
    """The token of data[begin:end]; 0 if there is none."""
    text, mask = data.ctypes.data, np.int64(len(table) - 1)
    key = key_of(text, begin, end)
    entries = table.ctypes.data
    slot = probe(text, begin, end, key, letters.ctypes.data, ends.ctypes.data, entries, mask)
    return token_at(entries, slot)


@njit(nogil=True, cache=True)
def next_words(data, at, by_lines, begins, ends, keys, table):  # type: ignore[no-untyped-def]
    """Read words from data[at] on until the arrays (W,) are full; how many, and where to go on.

    A newline, if lines matter, is a word without a length, whose key is 0. Each word's slot is
    sent for, so that it has come when the words are looked up.
    """
    text, stop, entries, mask = data.ctypes.data, len(data), table.ctypes.data, len(table) - 1
    count = 0
    while at < stop and count < len(begins):
        byte = byte_at(text, at)
        if separates(byte):
            if by_lines and byte == 10:
                begins[count], ends[count], keys[count] = at, at, 0
                count += 1
            at += 1
            continue
        end, key = read_word(text, at, stop)
        begins[count], ends[count], keys[count] = at, end, key
        send_for(entries, 4 * home_of(key, mask))
        count += 1
        at = end
    return count, at


@njit(nogil=True, cache=True)
def send_for_spellings(count, keys, ends, letters, table):  # type: ignore[no-untyped-def]
    """Send for the letters that long words will be compared with, in two rounds."""
    entries, mask, where = table.ctypes.data, np.int64(len(table) - 1), ends.ctypes.data
    for send_for_letters in (False, True):
        for k in range(count):
            if is_long(keys[k]):
                word = token_at(entries, home_of(keys[k], mask)) - FIRST_WORD
                if send_for_letters and word >= 0:
                    send_for(letters.ctypes.data + np.uint64(first_of(where, word)), 0)
                else:
                    send_for(where, 2 * word)


@njit(nogil=True, cache=True)
def encode(data, letters, ends, table, by_lines):  # type: ignore[no-untyped-def]
    """Tokens of the words in data (L,), a boundary for each newline if by_lines; and their ends."""
    most = len(data) + 1 if by_lines else len(data) // 2 + 2
    tokens = np.empty(most, np.int32)
    stops = np.empty(0 if by_lines else most, np.int64)
    begins_here, ends_here = np.empty(BATCH, np.int64), np.empty(BATCH, np.int64)
    keys = np.empty(BATCH, np.uint64)
    text, spelled, where = data.ctypes.data, letters.ctypes.data, ends.ctypes.data
    entries, mask = table.ctypes.data, np.int64(len(table) - 1)
    total, at = 0, 0
    while at < len(data):
        count, at = next_words(data, at, by_lines, begins_here, ends_here, keys, table)
        send_for_spellings(count, keys, ends, letters, table)
        for k in range(count):
            key = keys[k]
            if key == 0:
                tokens[total + k] = 1
            else:
                begin, end = begins_here[k], ends_here[k]
                slot = probe(text, begin, end, key, spelled, where, entries, mask)
                tokens[total + k] = token_at(entries, slot)
        if not by_lines:
            stops[total : total + count] = ends_here[:count]
        total += count
    return tokens[:total].copy(), stops[:total].copy()


@njit(nogil=True, cache=True)
def begin_words():  # type: ignore[no-untyped-def]
    """Room for words: letters, ends, table, keys, and how many there are."""
    table = np.zeros((1 << 12, 2), np.uint64)
    return (
        np.empty(1 << 14, np.uint8),
        np.empty(1 << 11, np.int64),
        table,
        np.empty(1 << 11, np.uint64),
        0,
    )


@njit(nogil=True, cache=True)
def insert(data, begin, end, key, slot, letters, ends, table, keys, used):  # type: ignore[no-untyped-def]
    """Add a word at its slot; the arrays, grown if they were full."""
    table[slot, KEY], table[slot, WORD] = key, used + FIRST_WORD
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
        further[:used] = keys
        keys = further
    ends[used], keys[used] = first + end - begin, key
    used += 1
    if 2 * used >= len(table):
        table = rehash(keys, used, 4 * len(table))
    return letters, ends, table, keys, used


@njit(nogil=True, cache=True)
def rehash(keys, used, size):  # type: ignore[no-untyped-def]
    table = np.zeros((size, 2), np.uint64)
    entries, mask = table.ctypes.data, np.int64(size - 1)
    for word in range(used):
        if word + AHEAD < used:
            send_for(entries, 4 * home_of(keys[word + AHEAD], mask))
        slot = home_of(keys[word], mask)
        while key_at(entries, slot) != 0:
            slot = (slot + 1) & mask
        table[slot, KEY], table[slot, WORD] = keys[word], word + FIRST_WORD
    return table


@njit(nogil=True, cache=True)
def fill_table(letters, ends):  # type: ignore[no-untyped-def]
    keys = np.empty(len(ends), np.uint64)
    begin = 0
    for word in range(len(ends)):
        keys[word] = key_of(letters.ctypes.data, begin, ends[word])
        begin = ends[word]
    size = 8
    while size < 2 * len(ends):
        size *= 2
    return rehash(keys, len(ends), size)


@njit(nogil=True, cache=True)
def learn(data, skip_reserved):  # type: ignore[no-untyped-def]
    """Tokens of lines, by the words' first appearance here; the words; and where the first
    reserved word stands, -1 if none does or they are skipped."""
    tokens = np.empty(len(data) + 1, np.int32)
    letters, ends, table, keys, used = begin_words()
    begins_here, ends_here = np.empty(BATCH, np.int64), np.empty(BATCH, np.int64)
    keys_here = np.empty(BATCH, np.uint64)
    text = data.ctypes.data
    total, at = 0, 0
    while at < len(data):
        count, at = next_words(data, at, True, begins_here, ends_here, keys_here, table)
        send_for_spellings(count, keys_here, ends, letters, table)
        spelled, where, entries = letters.ctypes.data, ends.ctypes.data, table.ctypes.data
        mask = np.int64(len(table) - 1)
        for k in range(count):
            begin, end, key = begins_here[k], ends_here[k], keys_here[k]
            if key == 0:
                tokens[total] = 1
            elif key in (START, END, UNKNOWN):
                if not skip_reserved:
                    return tokens[:0].copy(), letters, ends[:0].copy(), keys, begin
                continue
            else:
                slot = probe(text, begin, end, key, spelled, where, entries, mask)
                if key_at(entries, slot) == 0:
                    tokens[total] = used + FIRST_WORD
                    letters, ends, table, keys, used = insert(
                        data, begin, end, key, slot, letters, ends, table, keys, used
                    )
                    spelled, where = letters.ctypes.data, ends.ctypes.data
                    entries, mask = table.ctypes.data, np.int64(len(table) - 1)
                else:
                    tokens[total] = token_at(entries, slot)
            total += 1
    return tokens[:total].copy(), letters, ends[:used].copy(), keys, -1


@njit(nogil=True, cache=True, inline="always")
def send_ahead(word, size, keys, letters, ends, table, mask):  # type: ignore[no-untyped-def]
    """While words are looked up in turn: send for the slot of a later one, for where the word of
    a nearer one's slot ends, and for the letters of a nearer one still; addresses, and how many
    keys there are."""
    if word + 3 * AHEAD < size:
        send_for(table, 4 * home_of(np.uint64(whole_at(keys, word + 3 * AHEAD)), mask))
    if word + 2 * AHEAD < size:
        key = np.uint64(whole_at(keys, word + 2 * AHEAD))
        if is_long(key):
            send_for(ends, 2 * (token_at(table, home_of(key, mask)) - FIRST_WORD))
    if word + AHEAD < size:
        key = np.uint64(whole_at(keys, word + AHEAD))
        if is_long(key):
            known = token_at(table, home_of(key, mask)) - FIRST_WORD
            send_for(letters + np.uint64(first_of(ends, known)), 0)


@njit(nogil=True, cache=True)
def merge(theirs, their_ends, their_keys, letters, ends, table, keys, used):  # type: ignore[no-untyped-def]
    """Add the words of a later piece; and which token each of its tokens is in the whole."""
    numbers = np.empty(len(their_ends) + FIRST_WORD, np.int32)
    numbers[0], numbers[1] = 0, 1
    spelled, where, entries = letters.ctypes.data, ends.ctypes.data, table.ctypes.data
    mask = np.int64(len(table) - 1)
    text, asked = theirs.ctypes.data, their_keys.ctypes.data
    begin = 0
    for word in range(len(their_ends)):
        send_ahead(word, len(their_ends), asked, spelled, where, entries, mask)
        end, key = their_ends[word], their_keys[word]
        slot = probe(text, begin, end, key, spelled, where, entries, mask)
        if key_at(entries, slot) == 0:
            numbers[word + FIRST_WORD] = used + FIRST_WORD
            letters, ends, table, keys, used = insert(
                theirs, begin, end, key, slot, letters, ends, table, keys, used
            )
            spelled, where = letters.ctypes.data, ends.ctypes.data
            entries, mask = table.ctypes.data, np.int64(len(table) - 1)
        else:
            numbers[word + FIRST_WORD] = token_at(entries, slot)
        begin = end
    return numbers, letters, ends, table, keys, used


@njit(nogil=True, cache=True)
def renumber(tokens, numbers):  # type: ignore[no-untyped-def]
    for at in range(len(tokens)):
        tokens[at] = numbers[tokens[at]]
