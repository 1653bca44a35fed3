"""Compiled: fields of a few bits each, side by side in a file.

byte      0        1        2
bits      76543210 FEDCBA98 ...        the lowest bit of a field comes first
row 0     `-word-'`logprob'`back-off'`next'
row 1                                      right behind, wherever that is in a byte
"""

from __future__ import annotations

import numpy as np
from numba import njit

from foretell.interop.kenlm_hashes import hash_word

MOST_BITS = 57
"""A field of so many bits, at any bit of a byte, lies in 8 bytes."""


@njit(nogil=True, cache=True)
def unpack(data, begin, row_bits, field_at, field_bits, out):  # type: ignore[no-untyped-def]
    """One field of the first rows of a table into out (n,).

    data (L,): the file; begin: byte of the first row; field_at: the field's first bit in a row.
    """
    mask = (np.uint64(1) << np.uint64(field_bits)) - np.uint64(1)
    size = len(data)
    for row in range(len(out)):
        bit = row * row_bits + field_at
        byte = begin + (bit >> 3)
        window = np.uint64(0)
        for k in range(8):
            if byte + k < size:
                window |= np.uint64(data[byte + k]) << np.uint64(8 * k)
        out[row] = (window >> np.uint64(bit & 7)) & mask


@njit(nogil=True, cache=True)
def falls_in_family(words, begins):  # type: ignore[no-untyped-def]
    """The first row whose word does not come after that of the row before in its family, -1 if
    none; words (n,), begins (C + 1,) where the families begin."""
    for family in range(len(begins) - 1):
        for row in range(begins[family] + 1, begins[family + 1]):
            if words[row] <= words[row - 1]:
                return row
    return -1


@njit(nogil=True, cache=True)
def check_hashes(letters, ends, hashes):  # type: ignore[no-untyped-def]
    """The first word whose spelling has another hash than it should, -1 if none.

    letters (L,): spellings closed by NUL, the first that of word 0, which has no hash; ends (W,);
    hashes (W - 1,).
    """
    for word in range(1, len(ends)):
        if hash_word(letters, ends[word - 1] + 1, ends[word]) != hashes[word - 1]:
            return word
    return -1
