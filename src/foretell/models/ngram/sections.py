"""Put a trie together from n-grams in any order, whatever a pruned model left out put in again.

    listed   a, b, c   |  a b   |  a b c        "b c" is not there, though "a b c" ends in it
    put in               b c                    with what backing off to "c" gives

SRILM and pruning by entropy leave such holes. Filling them changes no prediction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from foretell.models.ngram.trie import Builder, Floats, Ids, Recipe, Trie


@dataclass(frozen=True)
class Section:
    """The n-grams (G, n) of one order, in any order; each once. Of order 1: the whole vocabulary,
    by token."""

    grams: Ids
    logprobs: Floats
    """(G,) ln P of the last token after the others."""
    backoffs: Floats
    """(G,) natural; not read in the highest order."""


class Stray(ValueError):
    """An n-gram that does not fit: `row` of the section of `order`."""

    def __init__(self, order: int, row: int, problem: str) -> None:
        super().__init__(problem)
        self.order, self.row = order, row


def assemble(sections: list[Section], recipe: Recipe) -> Trie:
    """The trie of sections of order 1 to recipe.order.

    Raises Stray for an n-gram whose beginning is not there, or that is listed twice.
    """
    trie = stack(sections, recipe)
    missing = _missing_suffixes(trie, sections)
    if not any(len(each) for each in missing):
        return trie
    full = [sections[0]]
    for section, absent in zip(sections[1:], missing, strict=True):
        if len(absent):
            # What backing off gives, from the orders that are whole already.
            below = stack(full, replace(recipe, order=len(full) + 1))
            known = np.ones(absent.shape, bool)
            shorter = below.score(absent[:, 1:], known[:, 1:]).logprobs[:, -1]
            left = below.orders[-1].backoffs[below.find(absent[:, :-1]).rows]
            section = Section(
                np.concatenate([section.grams, absent]),
                np.concatenate([section.logprobs, shorter + left]),
                np.concatenate([section.backoffs, np.zeros(len(absent), np.float32)]),
            )
        full.append(section)
    return stack(full, recipe)


def _missing_suffixes(trie: Trie, sections: list[Section]) -> list[Ids]:
    """For each order from 2: suffixes (G, n) of longer n-grams that are not there."""
    missing: list[Ids] = []
    above = np.zeros((0, len(sections) + 1), np.int32)
    for section in reversed(sections[1:]):
        suffixes = above[:, 1:]
        absent = np.unique(suffixes[~trie.find(suffixes).there], axis=0)
        missing.append(absent)
        above = np.concatenate([section.grams, absent])
    return missing[::-1]


def stack(sections: list[Section], recipe: Recipe) -> Trie:
    """The trie of the sections alone, holes and all; they may be fewer than the recipe's orders.

    Raises Stray as `assemble` does.
    """
    builder = Builder(recipe)
    for n, section in enumerate(sections, start=1):
        backoffs = None if n == recipe.order else section.backoffs
        if n == 1:
            tokens = section.grams[:, 0]
            builder.add(tokens, section.logprobs, backoffs, None)
            size = len(tokens)
            continue
        contexts = builder.find(section.grams[:, :-1])
        if not contexts.there.all():
            row = int(np.flatnonzero(~contexts.there)[0])
            raise Stray(n, row, f"the first {n - 1} words of this n-gram are no n-gram themselves")
        keys = contexts.rows << 32 | section.grams[:, -1]
        by_key = np.argsort(keys, kind="stable")
        keys = keys[by_key]
        twice = np.flatnonzero(keys[1:] == keys[:-1])
        if len(twice):
            raise Stray(n, int(by_key[twice[0] + 1]), "this n-gram is listed twice")
        children = np.searchsorted(keys, np.arange(size + 1, dtype=np.int64) << 32)
        builder.add(
            section.grams[by_key, -1],
            section.logprobs[by_key],
            None if backoffs is None else backoffs[by_key],
            children,
        )
        size = len(keys)
    return builder.finish()


def sections_of(trie: Trie) -> list[Section]:
    """What `assemble` would take to make this trie."""
    return [
        Section(
            trie.grams(n),
            order.logprobs.copy(),
            np.zeros(len(order), np.float32) if order.highest else order.backoffs.copy(),
        )
        for n, order in enumerate(trie.orders, start=1)
    ]
