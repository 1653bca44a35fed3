"""Do our n-gram probabilities equal KenLM's, token by token, and how far apart are the two modes?

Reads golden files that `lmplz` and `query` made once; runs no KenLM. Prints one JSON line last.

    python -m benchmarks.kenlm_golden ../shared/golden/kenlm
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.models.ngram.smoothing import Compat, estimate
from foretell.models.ngram.trie import Trie

UNKNOWN = 0
BOUNDARY = 1
LN10 = float(np.log(10.0))

RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "o3": ("train.txt", {"order": 3}),
    "o5": ("train.txt", {"order": 5}),
    "o5_prune001": ("train.txt", {"order": 5, "prune": (0, 0, 1)}),
    "chars_fallback": ("chars.txt", {"order": 3}),
}


@dataclass(frozen=True)
class Query:
    """What `query -v word` said, for all tokens (T,) of the held-out text, `</s>` included."""

    tokens: NDArray[np.int32]
    orders: NDArray[np.int32]
    log10: NDArray[np.float64]


def read_sentences(path: Path) -> list[list[bytes]]:
    """Lines of space-separated tokens, as bytes."""
    return [line.split() for line in path.read_bytes().splitlines()]


def number_types(text: Sequence[Sequence[bytes]]) -> dict[bytes, int]:
    """The number of each type, by first appearance after UNKNOWN and BOUNDARY."""
    numbers = {b"<unk>": UNKNOWN, b"<s>": BOUNDARY}
    for sentence in text:
        for word in sentence:
            numbers.setdefault(word, len(numbers))
    numbers[b"</s>"] = BOUNDARY
    return numbers


def encode(text: Sequence[Sequence[bytes]], numbers: dict[bytes, int]) -> list[NDArray[np.int32]]:
    """Tokens (T,) of each sentence."""
    return [np.array([numbers.get(w, UNKNOWN) for w in words], np.int32) for words in text]


def read_query(path: Path) -> Query:
    """Items `word=number order log10`; numbers 0, 1, 2 are `<unk>`, `<s>`, `</s>`."""
    with gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape") as file:
        found = re.findall(r"=(\d+) (\d+) (-?[\d.e+-]+)(?=[\t\n]|$)", file.read())
    kenlm = np.array([int(number) for number, _, _ in found], np.int32)
    tokens = np.where(kenlm == UNKNOWN, UNKNOWN, kenlm - 1).astype(np.int32)
    orders = np.array([int(order) for _, order, _ in found], np.int32)
    return Query(tokens, orders, np.array([float(value) for _, _, value in found]))


@dataclass(frozen=True)
class ArpaOrder:
    """The n-grams (n,) of one order of an ARPA file; all but words in log10."""

    words: list[list[bytes]]
    logprobs: NDArray[np.float64]
    backoffs: NDArray[np.float64]
    """0 where none is written."""


def read_arpa(path: Path) -> list[ArpaOrder]:
    """Every order of a file, as written by `lmplz`."""
    sections: list[list[list[bytes]]] = []
    with gzip.open(path, "rb") as file:
        for line in file:
            if line.endswith(b"-grams:\n"):
                sections.append([])
            elif sections and b"\t" in line:
                sections[-1].append(line.rstrip(b"\n").split(b"\t"))
    return [
        ArpaOrder(
            words=[fields[1].split(b" ") for fields in section],
            logprobs=np.array([float(fields[0]) for fields in section]),
            backoffs=np.array([float(f[2]) if len(f) > 2 else 0.0 for f in section]),
        )
        for section in sections
    ]


def compare_with_arpa(
    trie: Trie, numbers: dict[bytes, int], arpa: Sequence[ArpaOrder]
) -> dict[str, Any]:
    """Every n-gram of an ARPA file against ours: those we lack, and the largest differences."""
    missing, probability, backoff = 0, 0.0, 0.0
    for n, theirs in enumerate(arpa, start=1):
        tokens = np.array([[numbers[word] for word in words] for words in theirs.words], np.int32)
        place, there = trie.find(tokens)
        missing += int((~there).sum())
        order = trie.orders[n - 1]
        # One token is both boundaries: its unigram has the P of `</s>` and the back-off of `<s>`.
        is_target = there & np.array([words != [b"<s>"] for words in theirs.words])
        is_context = there & np.array([words[-1] != b"</s>" for words in theirs.words])
        off = np.abs(order.logprobs[place] / LN10 - theirs.logprobs)
        probability = max(probability, float(off[is_target].max()))
        if n < trie.recipe.order:
            off = np.abs(order.backoffs[place] / LN10 - theirs.backoffs)
            backoff = max(backoff, float(off[is_context].max()))
    return {
        "missing": missing,
        "largest_difference_log10": probability,
        "largest_difference_of_backoffs_log10": backoff,
    }


def score_sentences(
    trie: Trie, sentences: Sequence[NDArray[np.int32]]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Tokens, deciding orders and log10 P (T,) of all sentences, each with its `</s>`."""
    stream = np.concatenate([np.append([BOUNDARY], s) for s in sentences] + [[BOUNDARY]])
    stream = stream.astype(np.int32)
    scores = trie.score(stream[None], np.ones((1, len(stream)), bool))
    log10 = scores.logprobs[0, 1:].astype(np.float64) / LN10
    return stream[1:], scores.orders[0, 1:], log10


def perplexities(tokens: NDArray[np.int32], log10: NDArray[np.float64]) -> tuple[float, float]:
    """With unknown tokens, and without."""
    known = tokens != UNKNOWN
    return float(10 ** -log10.mean()), float(10 ** -log10[known].mean())


def compare_with_golden(folder: Path) -> dict[str, dict[str, Any]]:
    """For each golden model: largest differences, counts, discounts, perplexities, seconds."""
    report: dict[str, dict[str, Any]] = {}
    for name, (text, recipe) in RECIPES.items():
        sentences = read_sentences(folder / text)
        numbers = number_types(sentences)
        train = encode(sentences, numbers)
        arpa = read_arpa(folder / f"{name}.arpa.gz")
        result: dict[str, Any] = {"kenlm_counts": [len(order.words) for order in arpa]}
        modes: tuple[Compat, ...] = ("kenlm", "exact")
        for compat in modes:
            started = time.perf_counter()
            trie = estimate(
                train,
                vocabulary_size=max(numbers.values()) + 1,
                boundary=BOUNDARY,
                compat=compat,
                **recipe,
            )
            result[compat] = {
                "seconds": round(time.perf_counter() - started, 3),
                "counts": [len(order.tokens) for order in trie.orders],
                "discounts": trie.recipe.discounts,
                "notices": trie.recipe.notices,
                "arpa": compare_with_arpa(trie, numbers, arpa),
            }
            words = folder / f"{name}.words.gz"
            if words.exists():
                held_out = encode(read_sentences(folder / "heldout.txt"), numbers)
                result[compat]["query"] = compare_with_query(trie, held_out, words)
        report[name] = result
    return report


def compare_with_query(
    trie: Trie, sentences: Sequence[NDArray[np.int32]], path: Path
) -> dict[str, Any]:
    """Every token of the held-out sentences against what KenLM's `query` said."""
    query = read_query(path)
    tokens, orders, log10 = score_sentences(trie, sentences)
    return {
        "same_tokens": bool(np.array_equal(tokens, query.tokens)),
        "tokens": len(tokens),
        "largest_difference_log10": float(np.abs(log10 - query.log10).max()),
        "different_orders": int((orders != query.orders).sum()),
        "perplexity": perplexities(tokens, log10),
    }


if __name__ == "__main__":
    print(json.dumps(compare_with_golden(Path(sys.argv[1]))))
