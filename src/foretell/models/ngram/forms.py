"""What an n-gram model asks of its n-grams, in whatever form they are held: `Trie` for speed,
`CompactTrie` for size."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from foretell.models.ngram.trie import Floats, Ids, Mask, Recipe, Scores, TokenArray, Trie


class NGrams(Protocol):
    """N-grams of order 1 to N that answer. What each method takes and gives, `Trie` says."""

    @property
    def recipe(self) -> Recipe: ...

    @property
    def unigrams(self) -> Floats:
        """(V,) ln P of each token without context."""
        ...

    @property
    def sizes(self) -> tuple[int, ...]:
        """N-grams of each order."""
        ...

    def score(self, tokens: TokenArray, known: Mask) -> Scores: ...

    def score_stream(self, stream: Ids) -> Scores: ...

    def distributions(self, tokens: TokenArray, known: Mask, keep: int) -> Floats: ...

    def unpack(self) -> Trie:
        """The same n-grams in the form that can be listed and changed."""
        ...

    def save(self, folder: Path) -> None: ...
