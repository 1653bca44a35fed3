"""Floor 2: n-gram models. `estimate` counts and smooths, `NGram` foretells, `load` reads back."""

from foretell.models.ngram.model import NGram, NGramState, load
from foretell.models.ngram.smoothing import Smoothing, estimate, estimate_stream
from foretell.models.ngram.trie import Recipe, Trie

__all__ = [
    "NGram",
    "NGramState",
    "Recipe",
    "Smoothing",
    "Trie",
    "estimate",
    "estimate_stream",
    "load",
]
