"""Do our n-gram probabilities equal KenLM's, token by token, and how far apart are the two modes?

Reads golden files that `lmplz` and `query` made once; runs no KenLM.
"""

from __future__ import annotations

import gzip
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import find_folder
from foretell.interop.arpa import read_arpa
from foretell.models.ngram import NGram
from foretell.models.ngram.lines import estimate_lines, stream_of
from foretell.models.ngram.smoothing import Compat
from foretell.tokenizers.whitespace import Whitespace

LN10 = float(np.log(10.0))

RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "o3": ("train.txt", {"order": 3}),
    "o5": ("train.txt", {"order": 5}),
    "o5_prune001": ("train.txt", {"order": 5, "prune": (0, 0, 1)}),
    "o4_nointerp": ("train.txt", {"order": 4, "interpolate_unigrams": False}),
    "chars_fallback": ("chars.txt", {"order": 3}),
}


def golden_folder() -> Path | None:
    """Where the golden files are, if they are; FORETELL_GOLDEN names the folder or the one
    above."""
    folder = find_folder("FORETELL_GOLDEN", "golden/kenlm")
    if folder is not None and (folder / "kenlm").is_dir():
        folder = folder / "kenlm"
    return folder if folder is not None and (folder / "o3.arpa.gz").exists() else None


@dataclass(frozen=True)
class Query:
    """What `query -v word` said, for all tokens (T,) of the held-out text, `</s>` included."""

    tokens: NDArray[np.int32]
    orders: NDArray[np.int32]
    log10: NDArray[np.float64]


def read_query(path: Path) -> Query:
    """Items `word=number order log10`; numbers 0, 1, 2 are `<unk>`, `<s>`, `</s>`."""
    with gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape") as file:
        found = re.findall(r"=(\d+) (\d+) (-?[\d.e+-]+)(?=[\t\n]|$)", file.read())
    kenlm = np.array([int(number) for number, _, _ in found], np.int32)
    tokens = np.where(kenlm == Whitespace.unknown, kenlm, kenlm - 1).astype(np.int32)
    orders = np.array([int(order) for _, order, _ in found], np.int32)
    return Query(tokens, orders, np.array([float(value) for _, _, value in found]))


def compare_models(ours: NGram, theirs: NGram) -> dict[str, Any]:
    """Every n-gram of their model against ours: those we lack, and the largest differences."""
    missing, probability, backoff = 0, 0.0, 0.0
    same_words = list(ours.tokenizer.words()) == list(theirs.tokenizer.words())
    for n, order in enumerate(theirs.trie.orders, start=1):
        found = ours.trie.find(theirs.trie.grams(n))
        missing += int((~found.there).sum())
        mine, rows = ours.trie.orders[n - 1], found.rows[found.there]
        off = mine.logprobs[rows] - order.logprobs[found.there]
        # Without interpolation, what was never seen has P 0, which files write as -99.
        off = off[np.isfinite(off)]
        probability = max(probability, float(np.abs(off).max()) / LN10)
        if n < ours.order:
            off = mine.backoffs[rows] - order.backoffs[found.there]
            backoff = max(backoff, float(np.abs(off).max()) / LN10)
    return {
        "same_words": same_words,
        "missing": missing,
        "largest_difference_log10": probability,
        "largest_difference_of_backoffs_log10": backoff,
    }


def perplexities(tokens: NDArray[np.int32], log10: NDArray[np.float64]) -> tuple[float, float]:
    """With unknown tokens, and without."""
    known = tokens != Whitespace.unknown
    return float(10 ** -log10.mean()), float(10 ** -log10[known].mean())


def compare_with_golden(folder: Path) -> dict[str, dict[str, Any]]:
    """For each golden model: largest differences, counts, discounts, perplexities, seconds."""
    report: dict[str, dict[str, Any]] = {}
    for name, (text, recipe) in RECIPES.items():
        arpa = read_arpa(folder / f"{name}.arpa.gz")
        result: dict[str, Any] = {"kenlm_counts": [len(order) for order in arpa.trie.orders]}
        words = folder / f"{name}.words.gz"
        if words.exists():
            result["arpa"] = {"query": compare_with_query(arpa, folder / "heldout.txt", words)}
        modes: tuple[Compat, ...] = ("kenlm", "exact")
        for compat in modes:
            started = time.perf_counter()
            model = estimate_lines(folder / text, compat=compat, **recipe)
            result[compat] = {
                "seconds": round(time.perf_counter() - started, 3),
                "counts": [len(order) for order in model.trie.orders],
                "discounts": model.trie.recipe.discounts,
                "notices": model.trie.recipe.notices,
                "arpa": compare_models(model, arpa),
            }
            if words.exists():
                query = compare_with_query(model, folder / "heldout.txt", words)
                result[compat]["query"] = query
        report[name] = result
    return report


def compare_with_query(model: NGram, text: Path, path: Path) -> dict[str, Any]:
    """Every token of the held-out sentences against what KenLM's `query` said."""
    query = read_query(path)
    stream = stream_of(model.tokenizer, text)
    scores = model.trie.score_stream(stream)
    tokens, orders = stream[1:], scores.orders[1:]
    log10 = scores.logprobs[1:].astype(np.float64) / LN10
    return {
        "same_tokens": bool(np.array_equal(tokens, query.tokens)),
        "tokens": len(tokens),
        "largest_difference_log10": float(np.abs(log10 - query.log10).max()),
        "different_orders": int((orders != query.orders).sum()),
        "different_unknowns": int(((tokens == 0) != (query.tokens == 0)).sum()),
        "perplexity": perplexities(tokens, log10),
    }
