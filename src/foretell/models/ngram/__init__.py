"""Floor 2: n-gram models. `estimate` counts and smooths, `NGram` foretells, `quantize` makes it
small, `load` reads back."""

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
    "quantize",
]


def quantize(model: NGram) -> NGram:
    """The same model in about a third of the space; see `quantizing`."""
    # Its compiled code takes a moment to open, and few programs want it.
    from foretell.models.ngram import quantizing

    return quantizing.quantize(model)
