"""Slow twins: the obvious way to compute what foretell computes cleverly. For tests only.

Each is written from its paper's definitions, with dictionaries and recursion, and shares no code
with what it checks.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence


class KneserNey:
    """Interpolated modified Kneser-Ney, as defined, for corpora of a few hundred tokens.

    texts: tokens without boundaries. An n-gram is a tuple; the boundary is "start" where it
    stands first in a text and the token `boundary` where it stands last.

    Source: Chen & Goodman 1998, section 4.1.6; pruning as in Heafield et al. 2013, section 3.
    """

    def __init__(
        self,
        texts: Sequence[Sequence[int]],
        *,
        vocabulary_size: int,
        boundary: int,
        order: int,
        prune: Sequence[int],
    ) -> None:
        """prune: one threshold for each order."""
        self.vocabulary_size = vocabulary_size
        self.boundary = boundary
        self.order = order
        raw: Counter[tuple[object, ...]] = Counter()
        before: defaultdict[tuple[object, ...], set[object]] = defaultdict(set)
        for text in texts:
            line: list[object] = ["start", *text, boundary]
            for n in range(1, order + 1):
                for first in range(len(line) - n + 1):
                    gram = tuple(line[first : first + n])
                    if gram != ("start",):
                        raw[gram] += 1
                    if first > 0:
                        before[gram].add(line[first - 1])
        self.raw = raw
        self.counts = {
            gram: count if len(gram) == order or gram[0] == "start" else len(before[gram])
            for gram, count in raw.items()
        }
        self.kept = {gram for gram, count in raw.items() if count > prune[len(gram) - 1]}
        self.discounts = [self._estimate_discounts(n) for n in range(1, order + 1)]
        self.extensions: defaultdict[tuple[object, ...], list[tuple[object, ...]]]
        self.extensions = defaultdict(list)
        for gram in self.counts:
            self.extensions[gram[:-1]].append(gram)

    def _estimate_discounts(self, n: int) -> tuple[float, float, float]:
        """D1, D2, D3+ of order n; 0.5, 1, 1.5 where the formula gives nothing usable."""
        of = Counter(count for gram, count in self.counts.items() if len(gram) == n)
        if of[1] and of[2] and of[3]:
            y = of[1] / (of[1] + 2 * of[2])
            found = [k - (k + 1) * y * of[k + 1] / of[k] for k in (1, 2, 3)]
            if all(1e-9 < d <= k for k, d in enumerate(found, start=1)):
                return found[0], found[1], found[2]
        return 0.5, 1.0, 1.5

    def _taken(self, gram: tuple[object, ...]) -> float:
        """What is taken off the count of an n-gram."""
        return self.discounts[len(gram) - 1][min(self.counts[gram], 3) - 1]

    def probability(self, context: Sequence[int], token: int, *, at_start: bool = True) -> float:
        """P(token | context of any length). at_start: the context begins where a text begins."""
        full: list[object] = ["start", *context] if at_start else list(context)
        last = full[max(0, len(full) - self.order + 1) :]
        return self._interpolate(tuple(last), token)

    def _interpolate(self, context: tuple[object, ...], token: int) -> float:
        lower = self._interpolate(context[1:], token) if context else 1 / self.vocabulary_size
        grams = self.extensions[context]
        if not grams:
            return lower
        total = sum(self.counts[gram] for gram in grams)
        left = sum(self._taken(gram) if gram in self.kept else self.counts[gram] for gram in grams)
        gram = (*context, token)
        own = self.counts[gram] - self._taken(gram) if gram in self.kept else 0.0
        return own / total + left / total * lower

    def matched_order(self, context: Sequence[int], token: int) -> int:
        """Length of the longest kept n-gram that ends in the token; 1 for a token never seen."""
        line: list[object] = ["start", *context, token]
        for n in range(min(self.order, len(line)), 1, -1):
            if tuple(line[-n:]) in self.kept:
                return n
        return 1

    def score(self, text: Sequence[int]) -> list[float]:
        """ln P of each token of a text, read from its beginning."""
        return [math.log(self.probability(text[:i], token)) for i, token in enumerate(text)]
