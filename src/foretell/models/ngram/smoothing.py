"""Modified Kneser-Ney smoothing, interpolated: from counts to the probabilities of a trie.

    p(w | h) = (c(h w) - D(c(h w))) / sum of c(h .)  +  gamma(h) p(w | h without its first token)

c are adjusted counts; D takes off D1, D2 or D3+; gamma(h) is what was taken off, and what was
pruned, over the same sum; below the unigrams stands 1/V. Sources: Chen & Goodman 1998, section
4.1.6 and equation 26; Heafield et al. 2013, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.models.ngram.counts import Counts, OrderCounts, count_ngrams
from foretell.models.ngram.trie import Order, Recipe, Trie

Compat = Literal["exact", "kenlm"]
DiscountPolicy = Literal["auto", "strict"]
Discounts = tuple[float, float, float]

FALLBACK: Discounts = (0.5, 1.0, 1.5)
ROUNDING = 1e-9


def estimate(
    texts: Sequence[NDArray[np.integer]],
    *,
    vocabulary_size: int,
    boundary: int,
    order: int = 5,
    prune: Sequence[int] = (0,),
    discounts: DiscountPolicy = "auto",
    compat: Compat = "exact",
) -> Trie:
    """A smoothed trie from texts, each of tokens (T,) without boundaries.

    prune: for each order, n-grams seen this often or less are dropped; the last number repeats.
    Unigrams are never dropped, and discounts are those of the whole counts.
    discounts: where the counts are too few or too regular for the formula (common for characters
    and subwords), "auto" takes FALLBACK for that order and says so in the recipe's notices;
    "strict" raises.
    compat: "kenlm" repeats a slip of KenLM's `lmplz` (its issues 405 and 427), which files one
    n-gram of each lower order under the wrong count while it estimates discounts.

    Good: estimate(texts, vocabulary_size=256, boundary=0, order=5, prune=(0, 0, 1))
    Bad:  estimate(texts, vocabulary_size=256, boundary=0, order=5, prune=(1,))

    Raises ForetellError for settings or texts that cannot be used.
    """
    thresholds = _check_settings(order, prune, discounts, compat)
    counts = count_ngrams(texts, vocabulary_size=vocabulary_size, boundary=boundary, order=order)
    chosen, notices = [], []
    for n in range(1, order + 1):
        counts_of_counts = _count_counts(counts, n, compat)
        estimated = discounts_from(counts_of_counts, allow_zero=compat == "kenlm")
        if estimated is None:
            problem = _describe_failure(n, counts_of_counts)
            if discounts == "strict":
                raise ForetellError(f'{problem}; give more text, or use discounts="auto"')
            notices.append(f"{problem}; used {', '.join(f'{d:g}' for d in FALLBACK)} instead")
        chosen.append(estimated or FALLBACK)
    recipe = Recipe(
        order=order,
        vocabulary_size=vocabulary_size,
        boundary=boundary,
        discounts=tuple(chosen),
        prune=thresholds,
        compat=compat,
        notices=tuple(notices),
    )
    return Trie(_smooth(counts, recipe), recipe)


def discounts_from(
    counts_of_counts: Sequence[int], *, allow_zero: bool = False
) -> Discounts | None:
    """D1, D2, D3+ from how many n-grams have a count of 1, 2, 3 and 4; None if they give none.

    A discount of 0 may leave nothing for what was never seen, so it passes only with allow_zero;
    so does what only rounding keeps from 0.

    Source: Chen & Goodman 1998, equation 17.
    """
    n1, n2, n3, n4 = counts_of_counts
    if not (n1 and n2 and n3):
        return None
    y = n1 / (n1 + 2 * n2)
    one, two, three = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    for most, discount in ((1, one), (2, two), (3, three)):
        if not 0 <= discount <= most or (discount < ROUNDING and not allow_zero):
            return None
    return one, two, three


def _check_settings(
    order: int, prune: Sequence[int], discounts: str, compat: str
) -> tuple[int, ...]:
    """The pruning threshold of each order (N,)."""
    if order < 1:
        raise ForetellError(f"order {order} is no order; give 1 or more")
    for name, value, allowed in (
        ("discounts", discounts, get_args(DiscountPolicy)),
        ("compat", compat, get_args(Compat)),
    ):
        if value not in allowed:
            raise ForetellError(f"{name} is {value!r}; give one of {', '.join(allowed)}")
    given = tuple(int(threshold) for threshold in prune)
    if not 1 <= len(given) <= order:
        raise ForetellError(f"prune has {len(given)} numbers for order {order}; give 1 to {order}")
    if given[0] != 0:
        raise ForetellError(f"prune begins with {given[0]}, but unigrams stay; begin with 0")
    if any(low > high for low, high in pairwise(given)):
        raise ForetellError(f"prune {given} falls; higher orders need the same number or a higher")
    return given + given[-1:] * (order - len(given))


def _count_counts(counts: Counts, order: int, compat: Compat) -> list[int]:
    """How many n-grams of an order have an adjusted count of 1, 2, 3 and 4."""
    these = counts.orders[order - 1]
    tally = np.bincount(np.minimum(these.adjusted, 5), minlength=6)
    if compat == "kenlm" and order < len(counts.orders):
        last = counts.last_open[order - 1]
        if last is not None:
            tally[min(int(these.adjusted[last]), 5)] -= 1
            tally[min(int(these.raw[last]), 5)] += 1
    return [int(n) for n in tally[1:5]]


def _describe_failure(order: int, counts_of_counts: Sequence[int]) -> str:
    """Which order, and what its counts are."""
    names = ", ".join(f"n{k}={n}" for k, n in enumerate(counts_of_counts, start=1))
    return f"order {order}: discounts cannot be estimated from {names}"


def _smooth(counts: Counts, recipe: Recipe) -> tuple[Order, ...]:
    """The orders of the trie, each with its probabilities, back-offs and children."""
    orders = []
    kept = np.ones(recipe.vocabulary_size, bool)
    probabilities = _smooth_unigrams(counts.orders[0], recipe.discounts[0])
    for n, these in enumerate(counts.orders, start=1):
        backoffs, children = np.zeros(0, np.float32), np.zeros(0, np.int32)
        tokens, chances = these.tokens[kept], probabilities[kept]
        if n < recipe.order:
            above = counts.orders[n]
            kept_above = above.raw > recipe.prune[n]
            left, probabilities = _interpolate(
                above, recipe.discounts[n], kept_above, len(these.raw), probabilities
            )
            backoffs = _log(left[kept])
            sizes = np.bincount(above.contexts[kept_above], minlength=len(these.raw))[kept]
            children = np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)
            kept = kept_above
        orders.append(Order(tokens, _log(chances), backoffs, children))
    return tuple(orders)


def _smooth_unigrams(counts: OrderCounts, discounts: Discounts) -> NDArray[np.float64]:
    """P (V,) of each token without context, interpolated with 1/V."""
    taken = _discount(counts.adjusted, discounts)
    total = counts.adjusted.sum()
    return (counts.adjusted - taken + taken.sum() / len(taken)) / total


def _interpolate(
    counts: OrderCounts,
    discounts: Discounts,
    kept: NDArray[np.bool_],
    contexts: int,
    lower: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """gamma of each context, and P of each n-gram (n,) from P of the order below (contexts,).

    Pruned n-grams get a number too, but no kept n-gram is built on it: what is a part of a kept
    n-gram was seen at least as often, and is kept.
    """
    taken = _discount(counts.adjusted, discounts)
    totals = np.bincount(counts.contexts, counts.adjusted, minlength=contexts)
    left = np.bincount(counts.contexts, np.where(kept, taken, counts.adjusted), minlength=contexts)
    gamma = np.divide(left, totals, out=np.ones(contexts), where=totals > 0)
    own = (counts.adjusted - taken) / totals[counts.contexts]
    return gamma, own + gamma[counts.contexts] * lower[counts.suffixes]


def _discount(counts: NDArray[np.int64], discounts: Discounts) -> NDArray[np.float64]:
    """D(c) for each count c (n,)."""
    return np.array((0.0, *discounts))[np.minimum(counts, 3)]


def _log(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """ln, at most 0. KenLM's discounts may be 0 and leave nothing, hence minus infinity."""
    with np.errstate(divide="ignore"):
        return np.minimum(np.log(probabilities), 0.0).astype(np.float32)
