"""Compiled: the lines of ARPA files, from text to numbers and back.

    -1.4160<tab>the cat<tab>-0.2218        log10 P, the words, log10 of the back-off if any

Words are bytes between spaces and tabs. Lines are read in pieces, each by a thread, so whoever
calls counts the lines of each piece first and so knows where its n-grams belong.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from foretell.tokenizers.word_table import find_word

PROBLEMS = (
    "",
    "expected a number, the {n} words of an n-gram, and perhaps a number after them",
    "a probability is no number",
    "a probability above 1 (its logarithm is positive)",
    "a back-off is no number",
    "a back-off in the highest order, which backs off to nothing",
    "a word that is not among the unigrams",
    "<s> stands elsewhere than first, or </s> elsewhere than last",
    "a byte 0, which no word can hold",
)
FIELDS, PROBABILITY, POSITIVE, BACKOFF, HIGHEST, WORD, BOUNDARY, NUL = range(1, len(PROBLEMS))
LN10 = 2.302585092994046
NEWLINE, BACKSLASH = 10, 92
MOST_DECIMALS = 60
LARGEST = 1e30
"""Numbers beyond are taken for damage; a float32 could hardly hold them."""


@njit(nogil=True, cache=True)
def find_section_end(data, at):  # type: ignore[no-untyped-def]
    """Where the next line that begins with a backslash begins, from the beginning of a line."""
    while at < len(data):
        if data[at] == BACKSLASH:
            return at
        while at < len(data) and data[at] != NEWLINE:
            at += 1
        at += 1
    return len(data)


@njit(nogil=True, cache=True)
def count_lines(data, at, end):  # type: ignore[no-untyped-def]
    """Lines with anything in them."""
    count, filled = 0, False
    for k in range(at, end):
        if data[k] == NEWLINE:
            count += filled
            filled = False
        elif data[k] > 32 or data[k] == 0:
            filled = True
    return count + filled


@njit(nogil=True, cache=True, inline="always")
def is_space(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or byte == 9 or byte == 13


@njit(nogil=True, cache=True)
def read_number(data, at, end):  # type: ignore[no-untyped-def]
    """The decimal number in data[at:end], and whether it is one."""
    negative = at < end and data[at] == 45
    if at < end and (data[at] == 45 or data[at] == 43):
        at += 1
    value, decimals, digits, dotted = np.float64(0), 0, 0, False
    while at < end and (data[at] == 46 or 48 <= data[at] <= 57):
        if data[at] == 46:
            if dotted:
                return 0.0, False
            dotted = True
        else:
            value = value * 10.0 + np.float64(data[at] - 48)
            digits += 1
            decimals += dotted
        at += 1
    exponent = 0
    if digits and at < end and (data[at] == 101 or data[at] == 69):
        at += 1
        minus = at < end and data[at] == 45
        if at < end and (data[at] == 45 or data[at] == 43):
            at += 1
        if at == end or end - at > 4:
            return 0.0, False
        while at < end and 48 <= data[at] <= 57:
            exponent = exponent * 10 + int(data[at] - 48)
            at += 1
        if minus:
            exponent = -exponent
    if digits == 0 or digits > 300 or at < end:
        return 0.0, False
    power = exponent - decimals
    value = value * 10.0**power if power >= 0 else value / 10.0**-power
    return (-value if negative else value), value < LARGEST


@njit(nogil=True, cache=True)
def split_line(data, at, end, begins, ends):  # type: ignore[no-untyped-def]
    """Fields of a line, at most as many as fit; how many, and whether there was a byte 0."""
    count, limit = 0, len(begins)
    while at < end:
        while at < end and is_space(data[at]):
            at += 1
        if at == end:
            break
        begin = at
        while at < end and not is_space(data[at]):
            if data[at] == 0:
                return count, True
            at += 1
        if count == limit:
            return count + 1, False
        begins[count], ends[count] = begin, at
        count += 1
    return count, False


@njit(nogil=True, cache=True)
def read_values(data, begins, ends, count, n, highest):  # type: ignore[no-untyped-def]
    """Problem, probability and back-off of the fields of a line, log10."""
    if count != n + 1 and count != n + 2:
        return FIELDS, 0.0, 0.0
    logprob, good = read_number(data, begins[0], ends[0])
    if not good:
        return PROBABILITY, 0.0, 0.0
    if logprob > 0:
        return POSITIVE, 0.0, 0.0
    backoff = 0.0
    if count == n + 2:
        backoff, good = read_number(data, begins[n + 1], ends[n + 1])
        if not good:
            return BACKOFF, 0.0, 0.0
        if highest and backoff != 0:
            return HIGHEST, 0.0, 0.0
    return 0, logprob, backoff


@njit(nogil=True, cache=True)
def read_unigrams(data, at, end, words, logprobs, backoffs, highest):  # type: ignore[no-untyped-def]
    """Lines of order 1: words (W, 2) where each begins and ends, log10 P and back-offs (W,).

    Returns a problem, and where.
    """
    begins, ends = np.empty(3, np.int64), np.empty(3, np.int64)
    row = 0
    while at < end:
        stop = at
        while stop < end and data[stop] != NEWLINE:
            stop += 1
        count, nul = split_line(data, at, stop, begins, ends)
        if nul:
            return NUL, at
        if count:
            problem, logprobs[row], backoffs[row] = read_values(
                data, begins, ends, count, 1, highest
            )
            if problem:
                return problem, at
            words[row, 0], words[row, 1] = begins[1], ends[1]
            row += 1
        at = stop + 1
    return 0, end


@njit(nogil=True, cache=True)
def read_grams(  # type: ignore[no-untyped-def]
    data, at, end, row, grams, logprobs, backoffs, highest, boundary, unknown_upper,
    letters, word_ends, table,
):  # fmt: skip
    """Lines of one order into grams (G, n), log10 P and back-offs (G,), from `row` on.

    unknown_upper: whether `<UNK>` is the unknown word. Returns a problem, and where.
    """
    n = grams.shape[1]
    begins, ends = np.empty(n + 2, np.int64), np.empty(n + 2, np.int64)
    while at < end:
        stop = at
        while stop < end and data[stop] != NEWLINE:
            stop += 1
        count, nul = split_line(data, at, stop, begins, ends)
        if nul:
            return NUL, at
        if count:
            problem, logprobs[row], backoffs[row] = read_values(
                data, begins, ends, count, n, highest
            )
            if problem:
                return problem, at
            for k in range(n):
                begin, size = begins[k + 1], ends[k + 1] - begins[k + 1]
                special = name_of(data, begin, size)
                if special in (START, END):
                    if (k > 0) if special == START else (k < n - 1):
                        return BOUNDARY, at
                    grams[row, k] = boundary
                elif special == UNKNOWN or (special == UPPER and unknown_upper):
                    grams[row, k] = 0
                else:
                    token = find_word(data, begin, begin + size, letters, word_ends, table)
                    if token == 0:
                        return WORD, at
                    grams[row, k] = token
            row += 1
        at = stop + 1
    return 0, end


ORDINARY, START, END, UNKNOWN, UPPER = 0, 1, 2, 3, 4


@njit(nogil=True, cache=True, inline="always")
def name_of(data, begin, size):  # type: ignore[no-untyped-def]
    """Which of `<s>`, `</s>`, `<unk>`, `<UNK>` stands there, if any."""
    if size < 3 or size > 5 or data[begin] != 60 or data[begin + size - 1] != 62:
        return ORDINARY
    if size == 3:
        return START if data[begin + 1] == 115 else ORDINARY
    if size == 4:
        return END if data[begin + 1] == 47 and data[begin + 2] == 115 else ORDINARY
    if data[begin + 1] == 117 and data[begin + 2] == 110 and data[begin + 3] == 107:
        return UNKNOWN
    if data[begin + 1] == 85 and data[begin + 2] == 78 and data[begin + 3] == 75:
        return UPPER
    return ORDINARY


@njit(nogil=True, cache=True)
def write_number(value, out, at):  # type: ignore[no-untyped-def]
    """log10 of a natural logarithm, in the fewest decimals that read back to it; where it ends."""
    if value == 0 or not np.isfinite(value):
        # Others write -99 for what cannot come.
        for byte in b"0" if value == 0 else b"-99":
            out[at] = byte
            at += 1
        return at
    size = abs(np.float64(value)) / LN10
    decimals, scale = 0, 1.0
    digits = np.round(size)
    while np.float32(digits / scale * LN10) != abs(value) and decimals < MOST_DECIMALS:
        decimals += 1
        scale *= 10.0
        digits = np.round(size * scale)
    if value < 0:
        out[at] = 45
        at += 1
    # Digits fit 2^53: a float32 needs nine significant ones.
    number = np.int64(digits)
    whole = number // np.int64(scale) if decimals < 18 else np.int64(0)
    start = at
    while whole > 0 or at == start:
        out[at] = 48 + whole % 10
        whole //= 10
        at += 1
    for k in range((at - start) // 2):
        out[start + k], out[at - 1 - k] = out[at - 1 - k], out[start + k]
    if decimals:
        out[at] = 46
        rest = number % np.int64(scale) if decimals < 18 else number
        for k in range(decimals):
            out[at + decimals - k] = 48 + rest % 10
            rest //= 10
        at += decimals + 1
    return at


@njit(nogil=True, cache=True)
def write_grams(  # type: ignore[no-untyped-def]
    chosen, grams, logprobs, backoffs, boundary, letters, word_ends, first_word, out
):
    """Lines of the n-grams `chosen`, of grams (G, n) and natural logarithms (G,); bytes written.

    backoffs is empty in the highest order. An n-gram of order 1 is never the boundary.
    """
    n = grams.shape[1]
    at = 0
    for gram in chosen:
        at = write_number(logprobs[gram], out, at)
        for k in range(n):
            out[at] = 9 if k == 0 else 32
            at += 1
            token = grams[gram, k]
            if token == boundary:
                for byte in b"<s>" if k == 0 else b"</s>":
                    out[at] = byte
                    at += 1
            elif token < first_word:
                for byte in b"<unk>":
                    out[at] = byte
                    at += 1
            else:
                word = token - first_word
                begin = word_ends[word - 1] if word > 0 else 0
                for j in range(begin, word_ends[word]):
                    out[at] = letters[j]
                    at += 1
        if len(backoffs):
            out[at] = 9
            at = write_number(backoffs[gram], out, at + 1)
        out[at] = NEWLINE
        at += 1
    return at


@njit(nogil=True, cache=True)
def size_of_lines(chosen, grams, word_ends, first_word):  # type: ignore[no-untyped-def]
    """Bytes that are enough for the lines of the n-grams `chosen`."""
    total = 0
    for gram in chosen:
        total += 2 * (MOST_DECIMALS + 8)
        for k in range(grams.shape[1]):
            word = grams[gram, k] - first_word
            total += 6
            if word >= 0:
                total += word_ends[word] - (word_ends[word - 1] if word > 0 else 0)
    return total
