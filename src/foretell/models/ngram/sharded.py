"""Kneser-Ney of a text that is larger than memory: its counts and probabilities in shards.

    shards of lines     learn words ─ number them ─ sort ──┐ runs
    ranges of first tokens      merge, number n-grams ◄────┘
                                suffixes asked for  ──►  found, adjusted counts       shuffle 1
    the driver                  discounts of all orders
    ranges, order by order      interpolate  ◄──  P of the suffixes                   shuffle 2
    the driver                  rows of the trie, its tables

Facts: an n-gram and its context begin alike, so a range has both, and sorts its n-grams as the
trie of the whole text does: ranges side by side are that trie. Of suffixes, which lie in other
ranges, numbers and fractions are sent, never strings. Counts add, and every fraction is computed
by the function that `smoothing` has for a whole text, so the model has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.corpus.sharding import Runner, Task
from foretell.corpus.suffixes import MOST_DEPTH
from foretell.models.ngram import chain, lookup
from foretell.models.ngram.counts import OrderCounts
from foretell.models.ngram.lines import Settings, check_counted, map_file
from foretell.models.ngram.model import NGram
from foretell.models.ngram.shard_tasks import (
    Plan,
    Shard,
    Step,
    interpolate_range,
    learn_shard,
    receive_requests,
    reduce_range,
    sort_shard,
)
from foretell.models.ngram.smoothing import (
    check_settings,
    log_of,
    smooth_unigrams,
    take,
    write_recipe,
)
from foretell.models.ngram.trie import FULLNESS, Order, Recipe, Trie
from foretell.threads import cut
from foretell.tokenizers import word_table
from foretell.tokenizers.whitespace import Whitespace, cut_lines, refuse_reserved

Mask = NDArray[np.bool_]
Progress = Callable[[str, int, int], None]
"""What is being done, how many of its tasks have ended, and how many there are."""


def estimate_in_shards(
    text: Path,
    work: Path,
    runner: Runner,
    *,
    shards: int,
    settings: Settings,
    skip_reserved: bool = False,
    progress: Progress | None = None,
) -> NGram:
    """The model that `estimate_lines` makes of a file, to the bit, from so many shards of it.

    work: an empty folder that all workers see; it takes 10 to 25 times the text's bytes, and must
    stay as long as the model is used, whose arrays lie there. skip_reserved: as in
    `estimate_lines`.

    Good: with Processes(2) as runner:
              model = estimate_in_shards(text, work, runner, shards=8, settings=settings)
              models.save(model, out)
    Bad:  a work folder with something in it: ForetellError

    Raises ForetellError for settings or text that cannot be used.
    """
    smoothing = settings.smoothing
    thresholds = check_settings(smoothing)
    if smoothing.order > MOST_DEPTH:
        raise ForetellError(f"order {smoothing.order} is too high; give at most {MOST_DEPTH}")
    if shards < 1:
        raise ForetellError(f"{shards} shards hold no text; give at least 1")
    work = work.resolve()
    if not work.is_dir() or any(work.iterdir()):
        raise ForetellError(f"{work} is no empty folder; name one to work in")
    stages = _Stages(work, runner, progress)

    words, raw, plan = _learn(text.resolve(), shards, settings, skip_reserved, stages)
    keep = None if settings.keeps_all else settings.choose_words(words, raw)
    tallies, adjusted = _count(plan, raw, smoothing.compat == "kenlm", stages)
    recipe, numbers = write_recipe(
        tallies,
        smoothing,
        vocabulary_size=plan.vocabulary_size,
        boundary=Whitespace.boundary,
        keep=keep,
    )
    whole, none = np.array([0, plan.vocabulary_size], np.int32), np.zeros(0, np.int32)
    every = np.arange(plan.vocabulary_size, dtype=np.int32)
    counts = OrderCounts(whole, every, none, raw.astype(np.int32), adjusted.astype(np.int32))
    unigrams = smooth_unigrams(counts, recipe.discounts[0], smoothing, keep)
    plan.put(unigrams, "unigrams")
    if keep is not None:
        plan.put(keep, "keep")
        plan.put(numbers, "names")
    drops, sizes = keep is not None, [[recipe.vocabulary_size]]
    for n in range(2, plan.order + 1):
        pruned = drops or any(thresholds[1 : n - 1])
        steps = [
            Step(
                plan, n, mine, recipe.discounts[n - 1], thresholds[n - 1], keep is not None, pruned
            )
            for mine in plan.ranges
        ]
        sizes.append(stages.run(f"order {n}", interpolate_range, steps))
        stages.drop(f"answer.{n}", f"found.{n + 1}", f"kept.{n - 1}", f"raw.{n}", f"adjusted.{n}")
    trie = _assemble(plan, recipe, sizes, take(unigrams, keep))
    stages.drop("")
    return settings.finish(trie, words, keep)


class _Stages:
    """Tasks of one kind after those of another, and the files between them."""

    def __init__(self, work: Path, runner: Runner, progress: Progress | None) -> None:
        self.work = work
        self._runner = runner
        self._progress = progress

    def run(self, name: str, task: Task, items: Sequence[Any]) -> list[Any]:
        ended = 0

        def done() -> None:
            nonlocal ended
            ended += 1
            tell(name, ended, len(items))

        tell = self._progress or (lambda name, ended, total: None)
        tell(name, 0, len(items))
        return self._runner.run(task, items, done)

    def drop(self, *names: str) -> None:
        """Remove files whose readers have all ended, and drafts of those that died."""
        for name in names:
            for path in self.work.glob(f"{name}*.npy*" if not name else f"{name}.*npy"):
                path.unlink(missing_ok=True)


def _learn(
    text: Path, shards: int, settings: Settings, skip_reserved: bool, stages: _Stages
) -> tuple[Whitespace, NDArray[np.int64], Plan]:
    """The vocabulary, how often each token follows something (V,), and how to go on."""
    data, work = map_file(text), stages.work
    pieces = cut_lines(data, -(-len(data) // shards))
    asked = [
        Shard(work, text, number, low, high, skip_reserved)
        for number, (low, high) in enumerate(pieces)
    ]
    for reserved in stages.run("words", learn_shard, asked):
        if reserved >= 0:
            refuse_reserved(data, reserved)
    closes = data[-1] != ord("\n") and settings.smoothing.compat != "kenlm"
    plan = Plan(work, settings.smoothing.order, 0, len(asked), bool(closes), ())

    letters, ends, table, keys, used = word_table.begin_words()
    for shard in range(plan.shards):
        theirs = [plan.get(name, shard) for name in ("letters", "ends", "keys")]
        numbers, letters, ends, table, keys, used = word_table.merge(
            *theirs, letters, ends, table, keys, used
        )
        plan.put(numbers, "numbers", shard)
    last = int(ends[used - 1]) if used else 0
    words = Whitespace(letters[:last].copy(), ends[:used].copy())

    raw = np.zeros(words.vocabulary_size, np.int64)
    for shard in range(plan.shards):
        raw[plan.get("numbers", shard)] += plan.get("counts", shard)
    raw[Whitespace.boundary] += plan.closes
    check_counted(int(raw.sum()))
    if raw.max() >= 2**31:
        raise ForetellError(
            f"a word stands {raw.max()} times in the text; fewer than 2^31 can be counted"
        )
    firsts = raw.copy()
    firsts[Whitespace.boundary] += 1
    runs = cut(np.concatenate(([0], np.cumsum(firsts))), pieces=shards)
    edges = (0, *(last for _, last in runs))
    return words, raw, replace(plan, vocabulary_size=words.vocabulary_size, edges=edges)


def _count(
    plan: Plan, raw: NDArray[np.int64], misfile: bool, stages: _Stages
) -> tuple[list[list[int]], NDArray[np.int64]]:
    """For each order, how many n-grams have a count of 1, 2, 3 and 4; and the adjusted counts of
    tokens (V,). misfile: one n-gram of each lower order under its raw count, as KenLM does."""
    if plan.order == 1:
        return [_tally(raw)[1:5]], raw
    lasts = stages.run("sort", sort_shard, [(plan, shard) for shard in range(plan.shards)])
    stages.drop("text", "numbers", "letters", "ends", "keys", "counts")
    misfiled = _suffixes_of(max(lasts), plan.order) if misfile else []
    stages.run("merge", reduce_range, [(plan, mine) for mine in plan.ranges])
    stages.drop("run")
    adjusted = np.zeros_like(raw)
    for mine in plan.ranges:
        adjusted += plan.get("extensions", mine)
    first = _tally(adjusted)
    for gram in misfiled[:1]:
        first[min(int(adjusted[gram[0]]), 5)] -= 1
        first[min(int(raw[gram[0]]), 5)] += 1
    asked = [(plan, mine, tuple(misfiled)) for mine in plan.ranges]
    tallies = np.array(stages.run("suffixes", receive_requests, asked)).sum(axis=0)
    stages.drop("request", "extensions")
    return [first[1:5], *(tally[1:5] for tally in tallies.tolist())], adjusted


def _tally(counts: NDArray[np.int64]) -> list[int]:
    return [int(k) for k in np.bincount(np.minimum(counts, 5), minlength=6)]


def _suffixes_of(backwards: list[int], order: int) -> list[tuple[int, ...]]:
    """The n-grams of order 1 to order - 1 that end where a sequence ends that is given backwards,
    as many as its text goes back."""
    grams = []
    for n in range(1, order):
        if Whitespace.boundary in backwards[1 : n - 1]:
            break
        grams.append(tuple(backwards[:n][::-1]))
    return grams


def _assemble(
    plan: Plan, recipe: Recipe, sizes: list[list[int]], unigrams: NDArray[np.float64]
) -> Trie:
    """The trie, its ranges side by side, in files that map into memory.

    sizes: n-grams of each order in each range; unigrams (V,): P of those that stay.
    """
    orders: list[Order] = []
    below: NDArray[np.uint32] | None = None
    for n, size in enumerate(map(sum, sizes), start=1):
        if size >= lookup.EMPTY:
            raise ForetellError(f"{size} n-grams of order {n}; prune, fewer than 2^32 can be held")
        middle = n < plan.order
        rows = _room(plan.work / f"order{n}.rows.bin", (size + middle, 4 if middle else 2))
        fractions = rows.view(np.float32)
        if n == 1:
            rows[:size, lookup.TOKEN] = np.arange(size)
            fractions[:size, lookup.LOGPROB] = log_of(unigrams)
        else:
            at = 0
            for mine in plan.ranges:
                tokens = plan.get("row.tokens", n, mine)
                these = slice(at, at + len(tokens))
                rows[these, lookup.TOKEN] = tokens
                found = plan.get("row.probabilities", n, mine)
                fractions[these, lookup.LOGPROB] = log_of(found)
                at += len(tokens)
        if middle:
            at = child = 0
            for mine in plan.ranges:
                left, children = (plan.get(f"row.{of}", n, mine) for of in ("left", "children"))
                these = slice(at, at + len(left))
                fractions[these, lookup.BACKOFF] = log_of(left)
                rows[these, lookup.CHILDREN] = children[:-1].astype(np.int64) + child
                at, child = at + len(left), child + int(children[-1])
            rows[size, lookup.CHILDREN] = child
        table = np.zeros(0, np.uint32)
        if below is not None:
            slots = int(lookup.count_tabled(below) / FULLNESS)
            table = _room(plan.work / f"order{n}.table.bin", (slots,))
            table[:] = lookup.EMPTY
            lookup.fill_table(below, rows, table)
        below = rows
        orders.append(Order(rows.view(), table))
    return Trie(tuple(orders), recipe, _link(plan, orders))


def _link(plan: Plan, orders: list[Order]) -> tuple[NDArray[np.uint32], ...]:
    """The links of a trie, in files too, so that they take no memory."""
    links: list[NDArray[np.uint32]] = []
    for n in range(2, len(orders) + 1):
        order = orders[n - 1]
        out = _room(plan.work / f"order{n}.links.bin", (len(order),))
        if n == 2:
            out[:] = order.tokens
        else:
            shorter, contexts = orders[n - 3].rows, orders[n - 2].rows
            chain.link_children(0, len(contexts) - 1, shorter, contexts, links[-1], order.rows, out)
        links.append(out)
    for each in links:
        each.flags.writeable = False
    return tuple(links[1:])


def _room(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint32]:
    """Zeros in a new file, mapped into memory."""
    if 0 in shape:  # an empty file cannot be mapped
        return np.zeros(shape, np.uint32)
    return np.asarray(np.memmap(path, "<u4", mode="w+", shape=shape))
