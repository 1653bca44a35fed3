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

from foretell.memory import fraction_at, number_at, send_for
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
"""Of one order: where its rows, its table and its links are in memory; numbers in a row, slots of
the table, numbers from one link to the next."""
PHASE, AT, STOP, COUNTS, LEVEL, NODE, BEGIN, END, SLOT = range(9)
"""Of one lane: what comes next; the place it reads, the first that is not its own, and the first
whose score counts; tokens of its context, its row there, and its children; a slot of the table."""
START, ENTER, SCAN, NAME, PROBE, LINK, DONE = range(7)
WAIT, MISSING = -2, -1
"""What a search says that has sent for more memory, or that has found nothing."""
LANES = 32
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


@njit(nogil=True, cache=True)
def follow(  # type: ignore[no-untyped-def]
    stream, low, high, order, boundary, parts, logprobs, orders
):
    """Score the places low ... high of a stream (S,); -1 is no token, and ends a context.

    parts (order + 1, 6): where everything is, see above; logprobs, orders (S,) are filled as
    `lookup.begin_walk` says, with the same bits as a walk's.
    """
    lanes = np.zeros((LANES, 9), np.int64)
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
    while live:
        for lane in range(LANES):
            mine = lanes[lane]
            phase = mine[PHASE]
            if phase == DONE:
                continue
            if phase == LINK:
                level = mine[LEVEL]
                _go(mine, level - 1, number_at(
                    parts[level, LINKS], mine[NODE] * np.int64(parts[level, STRIDE])
                ), parts)  # fmt: skip
                continue
            token = np.uint32(max(stream[mine[AT]], 0))
            if phase == NAME:
                row = _name(mine, parts, order)
                if row != WAIT:
                    _back_off(mine, parts, token)
                continue
            if phase != ENTER:
                row = np.int64(token)
                if phase == SCAN:
                    row = _scan(mine, parts, token)
                elif phase == PROBE:
                    row = _probe(mine, parts, token)
                if row == MISSING:
                    _back_off(mine, parts, token)
                    continue
                found = mine[LEVEL] + 1
                at = mine[AT]
                if stream[at] < 0:
                    found = 0
                if at >= mine[COUNTS]:
                    value = np.float32(0)
                    if found:
                        cell = row * np.int64(parts[found, WIDTH]) + LOGPROB
                        value = fraction_at(parts[found, ROWS], cell)
                        for longer in range(found, order):
                            value += missed[lane, longer]
                    logprobs[at], orders[at] = value, found
                missed[lane, max(found - 1, 0) :] = 0
                mine[AT] = at = at + 1
                if at == mine[STOP]:
                    mine[PHASE] = DONE
                    live -= 1
                    continue
                # No n-gram that ends in the boundary has children but the boundary alone.
                if token == boundary and found:
                    found, row = min(1, order - 1), np.int64(boundary)
                token = np.uint32(max(stream[at], 0))
                if found == 0 or stream[at] < 0 or order == 1:
                    _restart(mine, parts, token)
                    continue
                if found == order:
                    stride = np.int64(parts[order, STRIDE])
                    _go(mine, order - 1, number_at(parts[order, LINKS], row * stride), parts)
                    continue
                mine[LEVEL], mine[NODE] = found, row
            _enter(lane, mine, parts, token, order, missed)


@njit(nogil=True, cache=True, inline="always")
def _restart(mine, parts, token):  # type: ignore[no-untyped-def]
    """Look the token up without a context."""
    mine[LEVEL], mine[PHASE] = 0, START
    send_for(parts[1, ROWS], np.int64(token) * np.int64(parts[1, WIDTH]))


@njit(nogil=True, cache=True, inline="always")
def _go(mine, level, node, parts):  # type: ignore[no-untyped-def]
    """To another context; its row, and where the children of the next one begin."""
    mine[LEVEL], mine[NODE], mine[PHASE] = level, node, ENTER
    first = np.int64(node) * 4
    send_for(parts[level, ROWS], first)
    send_for(parts[level, ROWS], first + 4 + CHILDREN)


@njit(nogil=True, cache=True, inline="always")
def _back_off(mine, parts, token):  # type: ignore[no-untyped-def]
    level = mine[LEVEL]
    if level == 1:
        _restart(mine, parts, token)
    else:
        mine[PHASE] = LINK
        send_for(parts[level, LINKS], mine[NODE] * np.int64(parts[level, STRIDE]))


@njit(nogil=True, cache=True, inline="always")
def _enter(lane, mine, parts, token, order, missed):  # type: ignore[no-untyped-def]
    """A context whose row has come: send for where the token stands among its children."""
    level, row = mine[LEVEL], mine[NODE] * 4
    begin = np.int64(number_at(parts[level, ROWS], row + CHILDREN))
    end = np.int64(number_at(parts[level, ROWS], row + 4 + CHILDREN))
    mine[BEGIN], mine[END] = begin, end
    above = level + 1
    if begin == end:
        _back_off(mine, parts, token)
    else:
        missed[lane, level] = fraction_at(parts[level, ROWS], row + BACKOFF)
        if end - begin > SCANNED:
            mine[SLOT] = slot_of(begin, token, np.int64(parts[above, SLOTS]))
            send_for(parts[above, TABLE], mine[SLOT])
            mine[PHASE] = NAME
        else:
            width = np.int64(parts[above, WIDTH])
            send_for(parts[above, ROWS], begin * width)
            if (end - begin) * width > LINE // 2:
                send_for(parts[above, ROWS], end * width)
            if above == order:
                send_for(parts[order, LINKS], begin * np.int64(parts[order, STRIDE]))
            mine[PHASE] = SCAN


@njit(nogil=True, cache=True, inline="always")
def _name(mine, parts, order):  # type: ignore[no-untyped-def]
    """A slot that has come: send for the row that it names, if it names one."""
    above = mine[LEVEL] + 1
    named = number_at(parts[above, TABLE], mine[SLOT])
    if named == EMPTY:
        return MISSING
    send_for(parts[above, ROWS], np.int64(named) * np.int64(parts[above, WIDTH]))
    if above == order:
        send_for(parts[order, LINKS], np.int64(named) * np.int64(parts[order, STRIDE]))
    mine[PHASE] = PROBE
    return WAIT


@njit(nogil=True, cache=True, inline="always")
def _scan(mine, parts, token):  # type: ignore[no-untyped-def]
    above = mine[LEVEL] + 1
    width = np.int64(parts[above, WIDTH])
    for row in range(mine[BEGIN], mine[END]):
        if number_at(parts[above, ROWS], row * width + TOKEN) == token:
            return row
    return MISSING


@njit(nogil=True, cache=True, inline="always")
def _probe(mine, parts, token):  # type: ignore[no-untyped-def]
    above, slot = mine[LEVEL] + 1, mine[SLOT]
    width, slots = np.int64(parts[above, WIDTH]), np.int64(parts[above, SLOTS])
    while True:
        named = number_at(parts[above, TABLE], slot)
        if named == EMPTY:
            return MISSING
        row = np.int64(named)
        if (
            mine[BEGIN] <= row < mine[END]
            and number_at(parts[above, ROWS], row * width + TOKEN) == token
        ):
            return row
        slot += 1
        if slot == slots:
            slot = 0
