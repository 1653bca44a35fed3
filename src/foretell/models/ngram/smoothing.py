"""Modified Kneser-Ney smoothing, interpolated: from counts to the probabilities of a trie.

    p(w | h) = (c(h w) - D(c(h w))) / sum of c(h .)  +  gamma(h) p(w | h without its first token)

c are adjusted counts; D takes off D1, D2 or D3+; gamma(h) is what was taken off, and what was
pruned, over the same sum; below the unigrams stands 1/V. Sources: Chen & Goodman 1998, section
4.1.6 and equation 26; Heafield et al. 2013, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.corpus.suffixes import lay_out
from foretell.models.ngram.counts import Counts, OrderCounts, count_stream
from foretell.models.ngram.trie import Builder, Ids, Mask, Recipe, Trie
from foretell.threads import cut, in_threads

Compat = Literal["exact", "kenlm"]
DiscountPolicy = Literal["auto", "strict"]
Discounts = tuple[float, float, float]

FALLBACK: Discounts = (0.5, 1.0, 1.5)
"""For counts that give no discounts; those of KenLM's `--discount_fallback`."""
ROUNDING = 1e-9


@dataclass(frozen=True)
class Smoothing:
    """How to come from counts to probabilities."""

    order: int = 5
    prune: tuple[int, ...] = (0,)
    """For each order, n-grams seen this often or less are dropped; the last number repeats.
    Unigrams are never dropped, and discounts are those of the whole counts."""
    discounts: DiscountPolicy = "auto"
    """Where the counts are too few or too regular for the formula (common for characters and
    subwords), "auto" takes `fallback` for that order and says so in the recipe's notices;
    "strict" raises."""
    fallback: Discounts = FALLBACK
    compat: Compat = "exact"
    """"kenlm" repeats a slip of KenLM's `lmplz` (its issues 405 and 427), which files one n-gram
    of each lower order under the wrong count while it estimates discounts."""
    unseen: int | None = None
    """A token that alone gets what is taken off the unigrams, as SRILM does with `<unk>` (KenLM:
    `--interpolate_unigrams 0`). None: all tokens of the vocabulary share it."""
    vocabulary_pad: int = 0
    """Share it as if the vocabulary had this many tokens, if it has fewer."""


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

    order, prune, discounts, compat: as in Smoothing.

    Good: estimate(texts, vocabulary_size=256, boundary=0, order=5, prune=(0, 0, 1))
    Bad:  estimate(texts, vocabulary_size=256, boundary=0, order=5, prune=(1,))

    Raises ForetellError for settings or texts that cannot be used.
    """
    smoothing = Smoothing(order=order, prune=tuple(prune), discounts=discounts, compat=compat)
    check_settings(smoothing)
    stream = lay_out(list(texts), vocabulary_size=vocabulary_size, boundary=boundary)
    return estimate_stream(
        stream, vocabulary_size=vocabulary_size, boundary=boundary, smoothing=smoothing
    )


def estimate_stream(
    stream: NDArray[np.int32],
    *,
    vocabulary_size: int,
    boundary: int,
    smoothing: Smoothing,
    keep: Mask | None = None,
) -> Trie:
    """A smoothed trie from a stream (S,) of texts, as `lay_out` makes it.

    keep (V,): tokens that stay in the vocabulary, the boundary among them. n-grams with others are
    pruned, and what stays is numbered anew, from 0 up.

    Raises ForetellError for settings that cannot be used.
    """
    check_settings(smoothing)
    counts = count_stream(
        stream, vocabulary_size=vocabulary_size, boundary=boundary, order=smoothing.order
    )
    tallies = [_count_counts(counts, n, smoothing.compat) for n in range(1, smoothing.order + 1)]
    recipe, numbers = write_recipe(
        tallies, smoothing, vocabulary_size=vocabulary_size, boundary=boundary, keep=keep
    )
    return _smooth(counts, recipe, smoothing, keep, numbers)


def write_recipe(
    tallies: Sequence[Sequence[int]],
    smoothing: Smoothing,
    *,
    vocabulary_size: int,
    boundary: int,
    keep: Mask | None,
) -> tuple[Recipe, Ids]:
    """The recipe of a trie, and what each token (V,) of the counts is called there.

    tallies: for each order, how many n-grams have a count of 1, 2, 3 and 4. keep (V,): tokens that
    stay. Raises ForetellError where the counts give no discounts and settings are strict.
    """
    chosen, notices = [], []
    for n, counts_of_counts in enumerate(tallies, start=1):
        estimated = discounts_from(counts_of_counts, allow_zero=smoothing.compat == "kenlm")
        if estimated is None:
            problem = _describe_failure(n, counts_of_counts)
            if smoothing.discounts == "strict":
                raise ForetellError(f'{problem}; give more text, or use discounts="auto"')
            notices.append(
                f"{problem}; used {', '.join(f'{d:g}' for d in smoothing.fallback)} instead"
            )
        chosen.append(estimated or smoothing.fallback)
    every = np.ones(vocabulary_size, bool) if keep is None else keep
    numbers = (np.cumsum(every) - 1).astype(np.int32)
    recipe = Recipe(
        order=smoothing.order,
        vocabulary_size=int(numbers[-1]) + 1,
        boundary=int(numbers[boundary]),
        discounts=tuple(chosen),
        prune=check_settings(smoothing),
        compat=smoothing.compat,
        notices=tuple(notices),
    )
    return recipe, numbers


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


def check_settings(smoothing: Smoothing) -> tuple[int, ...]:
    """The pruning threshold of each order (N,). Raises ForetellError for what cannot be used."""
    order, given = smoothing.order, tuple(int(threshold) for threshold in smoothing.prune)
    if order < 1:
        raise ForetellError(f"order {order} is no order; give 1 or more")
    for name, value, allowed in (
        ("discounts", smoothing.discounts, get_args(DiscountPolicy)),
        ("compat", smoothing.compat, get_args(Compat)),
    ):
        if value not in allowed:
            raise ForetellError(f"{name} is {value!r}; give one of {', '.join(allowed)}")
    if not 1 <= len(given) <= order:
        raise ForetellError(f"prune has {len(given)} numbers for order {order}; give 1 to {order}")
    if given[0] != 0:
        raise ForetellError(f"prune begins with {given[0]}, but unigrams stay; begin with 0")
    if any(not 0 <= off <= k for k, off in enumerate(smoothing.fallback, start=1)):
        raise ForetellError(
            f"discounts {smoothing.fallback} cannot be taken off counts of 1, 2 and 3; give three "
            "numbers from 0 to 1, 2 and 3"
        )
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


def _smooth(
    counts: Counts, recipe: Recipe, smoothing: Smoothing, keep: Mask | None, numbers: Ids
) -> Trie:
    """The trie: the probabilities, back-offs and children of each order. numbers (V,): what each
    token is called there."""
    builder = Builder(recipe)
    kept = keep
    """Of the order at hand (n,); None for all of them."""
    probabilities = smooth_unigrams(counts.orders[0], recipe.discounts[0], smoothing, keep)
    children: NDArray[np.integer] | None = None
    rows: Ids | None = None
    """Of the order below, what each n-gram is called there; None for the same."""
    for n, these in enumerate(counts.orders, start=1):
        tokens = take(these.tokens, kept) if keep is None else numbers[take(these.tokens, kept)]
        logprobs = log_of(take(probabilities, kept))
        # What is a part of a kept n-gram is kept, see `interpolate`.
        links = None if n < 3 else take(these.suffixes, kept)
        if links is not None and rows is not None:
            links = rows[links]
        if n == recipe.order:
            builder.add(tokens, logprobs, None, children, links)
            break
        above = counts.orders[n]
        kept_above = choose_kept(above, recipe.prune[n], keep, kept)
        left, probabilities = interpolate(above, recipe.discounts[n], kept_above, probabilities)
        builder.add(tokens, logprobs, log_of(take(left, kept)), children, links)
        rows = None if kept is None else (np.cumsum(kept) - 1).astype(np.int32)
        children = above.children
        if kept_above is not None:
            before = np.concatenate(([0], np.cumsum(kept_above)))
            sizes = np.diff(before[above.children])
            children = np.concatenate(([0], np.cumsum(take(sizes, kept))))
            kept = kept_above
    return builder.finish()


def choose_kept(
    counts: OrderCounts, threshold: int, keep: Mask | None, below: Mask | None
) -> Mask | None:
    """Which n-grams (n,) stay, from those of the order below (contexts,); None for all of them.

    keep (V,): tokens that stay."""
    kept = None if threshold == 0 and below is None else counts.raw > threshold
    if keep is None or kept is None or below is None:
        return kept
    return kept & keep[counts.tokens] & np.repeat(below, np.diff(counts.children))


def take(values: NDArray[Any], kept: Mask | None) -> NDArray[Any]:
    """Those of values (n,) that are kept (n,); None for all of them."""
    return values if kept is None else values[kept]


def smooth_unigrams(
    counts: OrderCounts, discounts: Discounts, smoothing: Smoothing, keep: Mask | None
) -> NDArray[np.float64]:
    """P (V,) of each token without context, if the tokens `keep` (V,) stay."""
    taken = np.array((0.0, *discounts))[np.minimum(counts.adjusted, 3)]
    total = counts.adjusted.sum(dtype=np.int64)
    own = counts.adjusted - taken
    left, size = taken.sum(), len(taken)
    if keep is not None:
        left, size = left + own[~keep].sum(), int(keep.sum())
    if smoothing.unseen is None:
        return (own + left / max(size, smoothing.vocabulary_pad)) / total
    own[smoothing.unseen] += left
    return own / total


def interpolate(
    counts: OrderCounts, discounts: Discounts, kept: Mask | None, lower: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """gamma of each context, and P of each n-gram (n,) from P of the order below (contexts,).

    Pruned n-grams get a number too, but no kept n-gram is built on it: what is a part of a kept
    n-gram was seen at least as often, and is kept.
    """
    gamma = np.empty(len(counts.children) - 1)
    out = np.empty(len(counts.tokens))
    discount = np.array((0.0, *discounts))
    mask = np.zeros(0, np.bool_) if kept is None else kept

    def work(first: int, last: int) -> None:
        _interpolate_contexts(
            first, last, counts.children, counts.suffixes, counts.adjusted, mask, discount, lower,
            gamma, out,
        )  # fmt: skip

    in_threads(work, cut(counts.children))
    return gamma, out


@njit(nogil=True, cache=True)
def _interpolate_contexts(  # type: ignore[no-untyped-def]
    first, last, children, suffixes, adjusted, kept, discounts, lower, gamma, out
):
    for context in range(first, last):
        begin, end = children[context], children[context + 1]
        gamma[context] = 1.0
        if begin == end:
            continue
        total, left = np.int64(0), 0.0
        for k in range(begin, end):
            count = adjusted[k]
            total += count
            left += discounts[min(count, 3)] if len(kept) == 0 or kept[k] else count
        rest = left / total
        gamma[context] = rest
        for k in range(begin, end):
            own = (adjusted[k] - discounts[min(adjusted[k], 3)]) / total
            out[k] = own + rest * lower[suffixes[k]]


def log_of(probabilities: NDArray[np.float64]) -> NDArray[np.float32]:
    """ln of probabilities (n,), at most 0.

    KenLM's discounts may be 0 and leave nothing, hence minus infinity."""
    with np.errstate(divide="ignore"):
        return np.minimum(np.log(probabilities), 0.0).astype(np.float32)
