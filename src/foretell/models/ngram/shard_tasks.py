"""The tasks of an estimation in shards: what is done to one shard of the text, or to one range of
first tokens, in a process of its own. `sharded` draws how they follow each other.

A file is named by what it holds, then by order, sender and receiver where there are such. Every
task reads files of tasks that have all ended, and writes files that no other task writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.corpus.sharding import get, put
from foretell.corpus.suffixes import check_length, sort_to_depth
from foretell.models.ngram import shuffles
from foretell.models.ngram.counts import OrderCounts, count_extensions
from foretell.models.ngram.smoothing import Discounts, choose_kept, interpolate, take
from foretell.tokenizers import word_table
from foretell.tokenizers.whitespace import Whitespace

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Shard:
    """Whole lines of a text file."""

    work: Path
    text: Path
    number: int
    low: int
    high: int
    skip_reserved: bool


@dataclass(frozen=True)
class Plan:
    work: Path
    order: int
    vocabulary_size: int
    shards: int
    closes: bool
    """Whether the last line ends with a boundary though it has no newline."""
    edges: tuple[int, ...]
    """(R + 1,) the first token of each range; the last entry is the vocabulary's size."""

    @property
    def ranges(self) -> range:
        return range(len(self.edges) - 1)

    def path(self, name: str, *numbers: int) -> Path:
        return path_of(self.work, name, *numbers)

    def get(self, name: str, *numbers: int) -> NDArray[Any]:
        return get(self.path(name, *numbers))

    def put(self, array: NDArray[Any], name: str, *numbers: int) -> None:
        put(self.path(name, *numbers), array)

    def counts(self, n: int, mine: int) -> OrderCounts:
        """The n-grams of order n in a range; what is their suffix, another range may know."""
        raw = self.get("raw", n, mine)
        adjusted = raw if n == self.order else self.get("adjusted", n, mine)
        none = np.zeros(0, np.int32)
        return OrderCounts(
            self.get("children", n, mine), self.get("tokens", n, mine), none, raw, adjusted
        )


def path_of(work: Path, name: str, *numbers: int) -> Path:
    return work / ".".join([name, *map(str, numbers), "npy"])


def learn_shard(shard: Shard) -> int:
    """Number the words of a shard by their first appearance there; where in the text its first
    reserved word stands, -1 if none does."""
    text = np.asarray(np.memmap(shard.text, np.uint8, mode="r"))[shard.low : shard.high]
    tokens, letters, ends, keys, reserved = word_table.learn(text, shard.skip_reserved)
    if reserved >= 0:
        return int(reserved) + shard.low
    used = len(ends)
    counts = np.bincount(tokens, minlength=used + word_table.FIRST_WORD)
    parts = {
        "counts": counts,
        "letters": letters[: ends[-1] if used else 0],
        "ends": ends,
        "keys": keys[:used],
        "text": tokens,
    }
    for name, array in parts.items():
        put(path_of(shard.work, name, shard.number), array)
    return -1


def sort_shard(asked: tuple[Plan, int]) -> list[int]:
    """Sort a shard, and write for each range of first tokens its different sequences of tokens.

    Returns the tokens before its last n-gram by suffix, that one first, as `last_by_suffix`.
    """
    plan, shard = asked
    tokens = plan.get("text", shard).copy()
    word_table.renumber(tokens, plan.get("numbers", shard))
    boundary = np.full(1, Whitespace.boundary, np.int32)
    close = plan.closes and shard == plan.shards - 1
    stream = np.concatenate([boundary, tokens, *([boundary] if close else [])])
    check_length(len(stream))
    suffixes = sort_to_depth(
        stream,
        depth=plan.order,
        vocabulary_size=plan.vocabulary_size,
        boundary=Whitespace.boundary,
    )
    starts = np.concatenate(([0], np.cumsum(np.bincount(stream, minlength=plan.vocabulary_size))))
    for mine in plan.ranges:
        low, high = int(starts[plan.edges[mine]]), int(starts[plan.edges[mine + 1]])
        rows = shuffles.list_sequences(stream, *suffixes, low, high, plan.order)
        plan.put(rows, "run", shard, mine)
    return last_by_suffix(stream, plan.order, plan.vocabulary_size)


def last_by_suffix(stream: Ids, order: int, vocabulary_size: int) -> list[int]:
    """The greatest sequence of `order` tokens in a stream (S,), read backwards, that ends with the
    last token of the vocabulary; none if that token is not there. Before a text stand boundaries.

    Of a whole text, the one that `counts` finds: words are numbered by their first appearance.
    """
    newest = vocabulary_size - 1
    ends = np.flatnonzero(stream == newest)
    # The boundary is met first where a text begins, which is no end.
    ends = ends[ends > 0]
    if not len(ends):
        return []
    best = [newest]
    inside = np.ones(len(ends), bool)
    for back in range(1, order):
        before = stream[np.maximum(ends - back, 0)]
        values = np.where(inside, before, Whitespace.boundary)
        best.append(int(values.max()))
        chosen = values == values.max()
        ends, inside = ends[chosen], (inside & (before != Whitespace.boundary))[chosen]
    return best


def reduce_range(asked: tuple[Plan, int]) -> None:
    """Merge what shards have of a range into its n-grams of every order, numbered; and tell each
    range which of its n-grams are suffixes of those here."""
    plan, mine = asked
    runs = [plan.get("run", shard, mine) for shard in range(plan.shards)]
    starts = np.concatenate(([0], np.cumsum([len(run) for run in runs])))
    check_length(int(starts[-1]))
    rows = np.concatenate(runs)
    picks, shared = shuffles.merge_runs(rows, starts)
    first, contexts = plan.edges[mine], plan.edges[mine + 1] - plan.edges[mine]
    owner = np.repeat(np.arange(len(plan.ranges), dtype=np.uint16), np.diff(np.array(plan.edges)))
    receivers, positions = np.zeros(0, np.uint16), np.zeros(0, np.int32)
    for n in range(2, plan.order + 1):
        children, tokens, raw = shuffles.number_grams(rows, picks, shared, n, first, contexts)
        if n == 2:
            # A bigram's suffix is its last token. What follows it is found from there.
            plan.put(np.bincount(tokens, minlength=plan.vocabulary_size), "extensions", mine)
            receivers, positions = owner[tokens], tokens
        else:
            sizes = children[1:]
            receivers, parents = np.repeat(receivers, sizes), np.repeat(positions, sizes)
            positions = np.empty(len(tokens), np.int32)
            for receiver in plan.ranges:
                there = np.flatnonzero(receivers == receiver)
                positions[there] = np.arange(len(there), dtype=np.int32)
                request = np.stack([parents[there], tokens[there]])
                plan.put(request, "request", n, mine, receiver)
            plan.put(receivers, "receivers", n, mine)
        np.cumsum(children, out=children)
        plan.put(children, "children", n, mine)
        plan.put(tokens, "tokens", n, mine)
        plan.put(raw, "raw", n, mine)
        contexts = len(tokens)


def receive_requests(asked: tuple[Plan, int, tuple[tuple[int, ...], ...]]) -> list[list[int]]:
    """Find the n-grams of a range that are suffixes of others, and count how many they are.

    Of order 2 and more, how many n-grams have an adjusted count of 0, 1 ... 5 or more. The n-grams
    asked for besides, if they are here, are tallied by their raw count.
    """
    plan, mine, misfiled = asked
    first = plan.edges[mine]
    children = {n: plan.get("children", n, mine) for n in range(2, plan.order + 1)}
    tokens = {n: plan.get("tokens", n, mine) for n in range(2, plan.order + 1)}
    adjusted = {n: np.zeros(len(tokens[n]), np.int32) for n in range(2, plan.order)}
    for sender in plan.ranges:
        found = np.zeros(0, np.int32)
        for n in range(3, plan.order + 1):
            parents, wanted = plan.get("request", n, sender, mine)
            below = parents - first if n == 3 else found[parents]
            found = shuffles.find_children(below, wanted, children[n - 1], tokens[n - 1])
            if len(found) and found.min() < 0:
                raise ForetellError(
                    f"{plan.work} was altered while it was worked in; run it again, alone"
                )
            count_extensions(found, adjusted[n - 1])
            plan.put(found, "found", n, sender, mine)
    tallies = []
    begins = first <= Whitespace.boundary < plan.edges[mine + 1]
    low, high = Whitespace.boundary - first, Whitespace.boundary - first + 1
    for n in range(2, plan.order + 1):
        raw = plan.get("raw", n, mine)
        if n == plan.order:
            tallies.append(_tally(raw))
            break
        if begins:
            # Nothing stands before the boundary: these n-grams keep their raw counts.
            low, high = int(children[n][low]), int(children[n][high])
            adjusted[n][low:high] = raw[low:high]
        plan.put(adjusted[n], "adjusted", n, mine)
        tally = _tally(adjusted[n])
        for gram in misfiled:
            if len(gram) == n and first <= gram[0] < plan.edges[mine + 1]:
                at = np.array([gram[0] - first], np.int32)
                for k in range(2, n + 1):
                    last = np.array(gram[k - 1 : k], np.int32)
                    at = shuffles.find_children(at, last, children[k], tokens[k])
                tally[min(int(adjusted[n][at[0]]), 5)] -= 1
                tally[min(int(raw[at[0]]), 5)] += 1
        tallies.append(tally)
    return tallies


def _tally(counts: Ids) -> list[int]:
    return [int(k) for k in np.bincount(np.minimum(counts, 5), minlength=6)]


@dataclass(frozen=True)
class Step:
    """One order of one range, to be interpolated with the order below."""

    plan: Plan
    n: int
    mine: int
    discounts: Discounts
    threshold: int
    drops: bool
    """Whether some tokens of the vocabulary do not stay."""
    pruned: bool
    """Whether some n-grams of the order below may not stay."""


def interpolate_range(step: Step) -> int:
    """P of the n-grams of a range and order, what their contexts leave, and what of both stays.

    Tells each range P of the suffixes that it asked for. Returns how many n-grams stay.
    """
    plan, n, mine = step.plan, step.n, step.mine
    counts = plan.counts(n, mine)
    if n == 2:
        suffixes, lower = counts.tokens, plan.get("unigrams")
    else:
        receivers = plan.get("receivers", n, mine)
        suffixes, lower = np.arange(len(counts.tokens), dtype=np.int32), np.empty(len(receivers))
        for receiver in plan.ranges:
            lower[receivers == receiver] = plan.get("answer", n, mine, receiver)
    keep = plan.get("keep") if step.drops else None
    below: NDArray[np.bool_] | None = None
    if n == 2:
        below = None if keep is None else keep[plan.edges[mine] : plan.edges[mine + 1]]
    elif step.pruned:
        below = plan.get("kept", n - 1, mine)
    kept = choose_kept(counts, step.threshold, keep, below)
    counts = OrderCounts(counts.children, counts.tokens, suffixes, counts.raw, counts.adjusted)
    left, probabilities = interpolate(counts, step.discounts, kept, lower)

    if n < plan.order:
        for asker in plan.ranges:
            answer = probabilities[plan.get("found", n + 1, asker, mine)]
            plan.put(answer, "answer", n + 1, asker, mine)
    children = counts.children
    if kept is not None:
        before = np.concatenate(([0], np.cumsum(kept)))
        sizes = np.diff(before[counts.children])
        children = np.concatenate(([0], np.cumsum(take(sizes, below))))
        plan.put(kept, "kept", n, mine)
    tokens = take(counts.tokens, kept)
    plan.put(tokens if keep is None else plan.get("names")[tokens], "row.tokens", n, mine)
    plan.put(take(probabilities, kept), "row.probabilities", n, mine)
    plan.put(take(left, below), "row.left", n - 1, mine)
    plan.put(children, "row.children", n - 1, mine)
    return len(tokens)
