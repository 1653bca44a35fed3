"""Compiled: score a stream with one look-up a token, from the context that is known to be there.

    a b c d | e     the context is the longest that is there; among its children, e is looked up
    found           a b c d e  ->  link  ->  b c d e, the next context
    not found       a b c d    ->  link  ->  b c d, after its back-off, and again

A link leads from an n-gram to the same without its first token, a row of the order below. In text
like that which was counted most tokens take one look-up, where a walk takes one an order.

Each step needs the memory that the one before has named, so a stream is read at many places at
once, a lane each: a lane sends for what it needs, and the others move on until it has come.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from foretell.memory import fraction_at, number_at, put_whole, send_for, whole_at
from foretell.models.ngram.lookup import (
    BACKOFF,
    CHILDREN,
    EMPTY,
    LOGPROB,
    SCANNED,
    TOKEN,
    slot_of,
)

ROWS, WIDTH, TABLE, SLOTS, LINKS, STRIDE = range(6)
PARTS = 6
"""Of one order: where its rows, its table and its links are in memory; numbers in a row, slots of
the table, numbers from one link to the next."""
PHASE, AT, STOP, COUNTS, LEVEL, NODE, BEGIN, END, SLOT = range(9)
"""Of one lane: what comes next; the place it reads, the first that is not its own, and the first
whose score counts; tokens of its context, its row there, and its children; a slot of the table."""
LANE = 9
START, ENTER, SCAN, NAME, PROBE, LINK, DONE = range(7)
LANES = 24
"""8 took 1.2 times as long; 16 and 64 as long."""
LINE = 16
"""Numbers in a line of the cache."""


@njit(nogil=True, cache=True)
def link_children(first, last, shorter, contexts, links, rows, out):  # type: ignore[no-untyped-def]
    """The links of the children of contexts first ... last.

    contexts (C + 1, 4), links (C,): rows and links of the contexts' order; shorter: rows of the
    order below; rows: those of the children, out (n,) what is filled. The children of a context,
    and of the context that it links to, are sorted alike. Returns how many find none.
    """
    missing = 0
    for context in range(first, last):
        begin = np.int64(contexts[context, CHILDREN])
        end = np.int64(contexts[context + 1, CHILDREN])
        if begin == end:
            continue
        suffix = np.int64(links[context])
        low = np.int64(shorter[suffix, CHILDREN])
        stop = np.int64(shorter[suffix + 1, CHILDREN])
        for row in range(begin, end):
            token = rows[row, TOKEN]
            # Often the next one, so it is looked at before the half of them.
            high = stop
            middle = low
            while low < high:
                if contexts[middle, TOKEN] < token:
                    low = middle + 1
                else:
                    high = middle
                middle = (low + high) // 2
            if low >= stop or contexts[low, TOKEN] != token:
                missing += 1
            out[row] = low
            low = min(low + 1, stop)
    return missing


@njit(nogil=True, cache=True, inline="always")
def _part(parts, level, name):  # type: ignore[no-untyped-def]
    """A number of `parts`, from its address."""
    return whole_at(parts, level * PARTS + name)


@njit(nogil=True, cache=True, inline="always")
def _rows(parts, level):  # type: ignore[no-untyped-def]
    return np.uint64(_part(parts, level, ROWS))


@njit(nogil=True, cache=True)
def follow(  # type: ignore[no-untyped-def]
    stream, low, high, order, boundary, parts, logprobs, orders
):
    """Score the places low ... high of a stream (S,); -1 is no token, and ends a context.

    parts (order + 1, 6): where everything is, see above; logprobs, orders (S,) are filled as
    `lookup.begin_walk` says, with the same bits as a walk's.
    """
    lanes = np.zeros((LANES, LANE), np.int64)
    # Back-offs that the present token has cost, by the length of the context.
    missed = np.zeros((LANES, order + 1), np.float32)
    live = 0
    span = max(4 * order, -(-(high - low) // LANES))
    for lane in range(LANES):
        begins = low + lane * span
        lanes[lane, PHASE] = DONE
        if begins < high:
            lanes[lane, PHASE] = START
            lanes[lane, AT] = max(0, begins - order + 1)
            lanes[lane, COUNTS] = begins
            lanes[lane, STOP] = min(begins + span, high)
            live += 1
    # Addresses from here on: see `memory`.
    text, where, first = stream.ctypes.data, parts.ctypes.data, lanes.ctypes.data
    while live:
        for lane in range(LANES):
            mine = first + np.uint64(8 * LANE * lane)
            phase = whole_at(mine, PHASE)
            if phase == DONE:
                continue
            level, node = whole_at(mine, LEVEL), whole_at(mine, NODE)
            if phase == LINK:
                _go(mine, level - 1, _link_of(where, level, node), where)
                continue
            at = whole_at(mine, AT)
            here = np.int32(number_at(text, at))
            token = np.uint32(here) if here >= 0 else np.uint32(0)
            if phase == NAME:
                if not _name(mine, where, order, level):
                    _back_off(mine, where, token, level, node)
                continue
            if phase != ENTER:
                row = np.int64(token)
                if phase == SCAN:
                    row = _scan(mine, where, token, level)
                elif phase == PROBE:
                    row = _probe(mine, where, token, level)
                if row < 0:
                    _back_off(mine, where, token, level, node)
                    continue
                found = level + 1
                if here < 0:
                    found = 0
                if at >= whole_at(mine, COUNTS):
                    value = np.float32(0)
                    if found:
                        cell = row * _part(where, found, WIDTH) + LOGPROB
                        value = fraction_at(_rows(where, found), cell)
                        for longer in range(found, order):
                            value += missed[lane, longer]
                    logprobs[at], orders[at] = value, found
                for longer in range(max(found - 1, 0), order + 1):
                    missed[lane, longer] = 0
                at += 1
                put_whole(mine, AT, at)
                if at == whole_at(mine, STOP):
                    put_whole(mine, PHASE, DONE)
                    live -= 1
                    continue
                # No n-gram that ends in the boundary has children but the boundary alone.
                if token == boundary and found:
                    found, row = min(1, order - 1), np.int64(boundary)
                here = np.int32(number_at(text, at))
                token = np.uint32(here) if here >= 0 else np.uint32(0)
                if found == 0 or here < 0 or order == 1:
                    _restart(mine, where, token)
                    continue
                if found == order:
                    _go(mine, order - 1, _link_of(where, order, row), where)
                    continue
                level, node = found, row
                put_whole(mine, LEVEL, level)
                put_whole(mine, NODE, node)
            missed[lane, level] = _enter(mine, where, token, order, level, node)


@njit(nogil=True, cache=True, inline="always")
def _link_of(parts, level, row):  # type: ignore[no-untyped-def]
    links = np.uint64(_part(parts, level, LINKS))
    return np.int64(number_at(links, row * _part(parts, level, STRIDE)))


@njit(nogil=True, cache=True, inline="always")
def _restart(mine, parts, token):  # type: ignore[no-untyped-def]
    """Look the token up without a context."""
    put_whole(mine, LEVEL, 0)
    put_whole(mine, PHASE, START)
    send_for(_rows(parts, 1), np.int64(token) * _part(parts, 1, WIDTH))


@njit(nogil=True, cache=True, inline="always")
def _go(mine, level, node, parts):  # type: ignore[no-untyped-def]
    """To another context; its row, and where the children of the next one begin."""
    put_whole(mine, LEVEL, level)
    put_whole(mine, NODE, node)
    put_whole(mine, PHASE, ENTER)
    send_for(_rows(parts, level), 4 * node)
    send_for(_rows(parts, level), 4 * node + 4 + CHILDREN)


@njit(nogil=True, cache=True, inline="always")
def _back_off(mine, parts, token, level, node):  # type: ignore[no-untyped-def]
    if level == 1:
        _restart(mine, parts, token)
    else:
        put_whole(mine, PHASE, LINK)
        send_for(np.uint64(_part(parts, level, LINKS)), node * _part(parts, level, STRIDE))


@njit(nogil=True, cache=True, inline="always")
def _enter(mine, parts, token, order, level, node):  # type: ignore[no-untyped-def]
    """A context whose row has come: send for where the token stands among its children. Returns
    what the context's back-off adds if the token is not there."""
    rows = _rows(parts, level)
    begin = np.int64(number_at(rows, 4 * node + CHILDREN))
    end = np.int64(number_at(rows, 4 * node + 4 + CHILDREN))
    if begin == end:
        _back_off(mine, parts, token, level, node)
        return np.float32(0)
    put_whole(mine, BEGIN, begin)
    put_whole(mine, END, end)
    above = level + 1
    if end - begin > SCANNED:
        slot = slot_of(begin, token, _part(parts, above, SLOTS))
        put_whole(mine, SLOT, slot)
        put_whole(mine, PHASE, NAME)
        send_for(np.uint64(_part(parts, above, TABLE)), slot)
    else:
        put_whole(mine, PHASE, SCAN)
        width = _part(parts, above, WIDTH)
        send_for(_rows(parts, above), begin * width)
        if (end - begin) * width > LINE // 2:
            send_for(_rows(parts, above), end * width)
        if above == order:
            send_for(np.uint64(_part(parts, order, LINKS)), begin * _part(parts, order, STRIDE))
    return fraction_at(rows, 4 * node + BACKOFF)


@njit(nogil=True, cache=True, inline="always")
def _name(mine, parts, order, level):  # type: ignore[no-untyped-def]
    """A slot that has come: send for the row that it names. False if it names none."""
    above = level + 1
    named = number_at(np.uint64(_part(parts, above, TABLE)), whole_at(mine, SLOT))
    if named == EMPTY:
        return False
    send_for(_rows(parts, above), np.int64(named) * _part(parts, above, WIDTH))
    if above == order:
        links = np.uint64(_part(parts, order, LINKS))
        send_for(links, np.int64(named) * _part(parts, order, STRIDE))
    put_whole(mine, PHASE, PROBE)
    return True


@njit(nogil=True, cache=True, inline="always")
def _scan(mine, parts, token, level):  # type: ignore[no-untyped-def]
    """The row of a token in a small family; -1 if it is not there."""
    rows, width = _rows(parts, level + 1), _part(parts, level + 1, WIDTH)
    found = np.int64(-1)
    for row in range(whole_at(mine, BEGIN), whole_at(mine, END)):
        if number_at(rows, row * width + TOKEN) == token:
            found = np.int64(row)
            break
    return found


@njit(nogil=True, cache=True, inline="always")
def _probe(mine, parts, token, level):  # type: ignore[no-untyped-def]
    """The row of a token in a large family, from its slot on; -1 if it is not there."""
    rows, width = _rows(parts, level + 1), _part(parts, level + 1, WIDTH)
    table = np.uint64(_part(parts, level + 1, TABLE))
    begin, end, slot = whole_at(mine, BEGIN), whole_at(mine, END), whole_at(mine, SLOT)
    found = np.int64(-1)
    while True:
        named = number_at(table, slot)
        if named == EMPTY:
            break
        row = np.int64(named)
        if begin <= row < end and number_at(rows, row * width + TOKEN) == token:
            found = row
            break
        slot += 1
        if slot == _part(parts, level + 1, SLOTS):
            slot = 0
    return found
