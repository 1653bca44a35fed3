"""Prune a model that is there already, by what each n-gram is worth.

    worth of "h w" = P(h) { p(w|h) [ln p(w|h) - ln p(w|h') - ln a'] + left [ln a - ln a'] }

h' is h without its first token; a = left / left' is the back-off of h now, where left is what its
n-grams leave of the mass, and left' what theirs leave of the mass after h'; a' is the back-off
without the n-gram. An n-gram is dropped if the perplexity rises by less than a given share.
Source: Stolcke 1998, equations 4 to 8.

Facts: from the highest order down, and an n-gram stays while a longer one begins with it, so that
what is kept is a trie. P(h) is the model's own. For Kneser-Ney that misjudges short contexts
(Chelba et al. 2010), so prune by count where the text is at hand.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.models.ngram.model import NGram
from foretell.models.ngram.sections import Section, stack
from foretell.models.ngram.trie import Ids, Mask, Trie

Doubles = NDArray[np.float64]
LEAST_LEFT = 1e-9
"""Mass of a context whose n-grams take all of it; the logarithm of none is minus infinity."""


def prune(model: NGram, threshold: float) -> NGram:
    """A smaller model: n-grams that raise the perplexity by less than `threshold`, each by itself,
    are dropped, and the back-offs of what is left make every distribution sum to one again.

    threshold: a share, such as 1e-8. Raises ForetellError if it is negative.
    """
    if not threshold >= 0:
        raise ForetellError(
            f"a threshold of {threshold} prunes nothing; give one above 0, like 1e-8"
        )
    trie, order = model.trie.unpack(), model.order
    grams = [trie.grams(n) for n in range(1, order + 1)]
    lower: list[Doubles] = [np.zeros(0)]
    for n in range(2, order + 1):
        suffixes = grams[n - 1][:, 1:]
        known = np.ones(suffixes.shape, bool)
        lower.append(np.exp(trie.score(suffixes, known).logprobs[:, -1].astype(np.float64)))
    kept: list[Mask] = [np.ones(len(each), bool) for each in grams]
    for n in range(order, 1, -1):
        logprobs = trie.orders[n - 1].logprobs.astype(np.float64)
        family = _Family(_owners(trie, n - 1), logprobs, lower[n - 1], len(grams[n - 2]))
        worth = family.worth(_probabilities(trie, grams[n - 2]))
        needed = np.zeros(len(grams[n - 1]), bool)
        if n < order:
            owners = _owners(trie, n)
            needed[owners[kept[n]]] = True
        kept[n - 1] &= needed | ~(np.expm1(worth) < threshold)
    return NGram(_rebuild(trie, grams, kept), model.tokenizer)


def _owners(trie: Trie, n: int) -> NDArray[np.int64]:
    """The context, a row of order n, of each n-gram of order n + 1."""
    below = trie.orders[n - 1]
    return np.repeat(np.arange(len(below)), np.diff(below.children))


def _probabilities(trie: Trie, contexts: Ids) -> Doubles:
    """P of each context (C, n) as a piece of text."""
    known = np.ones(contexts.shape, bool)
    logprobs = trie.score(contexts, known).logprobs.astype(np.float64)
    # A boundary that begins a context is there once a text, and is no part of what is foretold.
    logprobs[contexts[:, 0] == trie.recipe.boundary, 0] = 0.0
    return np.exp(logprobs.sum(axis=1))


class _Family:
    """The n-grams (n,) of one order with what their contexts (C,) leave."""

    def __init__(
        self, owners: NDArray[np.int64], logprobs: Doubles, lower: Doubles, contexts: int
    ) -> None:
        """owners (n,): the context of each; logprobs (n,) natural; lower (n,): P after the
        context without its first token."""
        self.owners, self.own, self.lower = owners, np.exp(logprobs), lower
        self.logprobs = logprobs
        self.used = np.bincount(owners, minlength=contexts) > 0
        self.left = np.maximum(1.0 - np.bincount(owners, self.own, contexts), LEAST_LEFT)
        self.left_below = np.maximum(1.0 - np.bincount(owners, lower, contexts), LEAST_LEFT)

    def backoffs(self) -> Doubles:
        """ln of each context's back-off (C,); 0 where nothing follows it."""
        return np.where(self.used, np.log(self.left) - np.log(self.left_below), 0.0)

    def worth(self, probabilities: Doubles) -> Doubles:
        """What each n-gram (n,) saves, in nats a token, from P (C,) of the contexts."""
        left = self.left[self.owners]
        now = self.backoffs()[self.owners]
        without = np.log(left + self.own) - np.log(self.left_below[self.owners] + self.lower)
        own = self.own * (self.logprobs - np.log(self.lower) - without)
        return probabilities[self.owners] * (own + left * (now - without))


def _rebuild(trie: Trie, grams: list[Ids], kept: list[Mask]) -> Trie:
    """The trie of what is kept, back-offs from the lowest order up: what a context leaves is
    handed to the order below, which has lost n-grams too."""
    recipe = replace(trie.recipe, prune=())
    full: list[Section] = []
    for n, (listed, stays) in enumerate(zip(grams, kept, strict=True), start=1):
        mine, logprobs = listed[stays], trie.orders[n - 1].logprobs[stays]
        if n > 1:
            below = stack(full, replace(recipe, order=n))
            known = np.ones(mine[:, 1:].shape, bool)
            lower = np.exp(below.score(mine[:, 1:], known).logprobs[:, -1].astype(np.float64))
            family = _Family(
                below.find(mine[:, :-1]).rows,
                logprobs.astype(np.float64),
                lower,
                len(full[-1].grams),
            )
            full[-1] = replace(full[-1], backoffs=family.backoffs().astype(np.float32))
        full.append(Section(mine, logprobs, np.zeros(len(mine), np.float32)))
    return stack(full, recipe)
