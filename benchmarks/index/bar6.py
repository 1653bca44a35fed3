"""The index: time and memory to build it, and what a look into a large one takes."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.index.measured import run
from benchmarks.index.text import TokenSource, tokens_of
from benchmarks.result import Result, say
from foretell.audit.indexed import IndexedText
from foretell.audit.trace import trace
from foretell.corpus.index import Index, build_index, open_index
from foretell.footprint import peak_memory
from foretell.tokenizers.whitespace import Whitespace
from foretell.tokenizers.word_table import FIRST_WORD

TOKENS, LARGE = 10_000_000, 100_000_000
QUICK, QUICK_LARGE = 1_000_000, 10_000_000
MOST_SECONDS, MOST_BYTES = 6.0, 16.0
MOST_COUNT, MOST_NEXT, MOST_TRACE = 50e-6, 1e-3, 100e-3
PHRASES, TEXTS, TEXT_TOKENS, DOCUMENT = 2_000, 20, 1_000, 1_000
PHRASE_LENGTHS, CONTEXT_LENGTHS = (1, 2, 3, 5, 8), (1, 2, 3, 4)
PIECES = (1, 40)
"""Tokens in the pieces that a traced text is put together from."""


def measure(*, quick: bool) -> Result:
    small, large = (tokens_of(n) for n in ((QUICK, QUICK_LARGE) if quick else (TOKENS, LARGE)))
    with tempfile.TemporaryDirectory() as scratch:
        say(f"an index of {small.tokens:,} tokens")
        built = _in_child("build", small.path, Path(scratch) / "small")
        say(f"an index of {large.tokens:,} tokens")
        built_large = _in_child("build", large.path, Path(scratch) / "large")
        say("looking into it")
        looked = _in_child("look", large.path, Path(scratch) / "large")
    figures: dict[str, Any] = {
        "built": {**small.facts, **built},
        "built_large": {**large.facts, **built_large},
        **looked,
        "memory": "VmHWM of a process that builds and saves, its tokens included, less the same "
        "after its imports and a small index",
        "times": "median; of counts and continuations, that of the worst length",
    }
    met = (
        built["seconds"] <= MOST_SECONDS
        and built_large["bytes_a_token"] <= MOST_BYTES
        and looked["count_seconds"] <= MOST_COUNT
        and looked["next_seconds"] <= MOST_NEXT
        and looked["trace_seconds"] <= MOST_TRACE
    )
    return Result(met, figures)


def _in_child(action: str, tokens: Path, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.index.bar6", action, str(tokens), str(folder)]
    found: dict[str, Any] = json.loads(run(command).out.splitlines()[-1])
    return found


def build(tokens: Path, folder: Path) -> dict[str, Any]:
    """Index the tokens of a file, as documents of a thousand, and save the folder."""
    # Compiled code is there, and its memory counted, before anything is measured.
    _index([np.arange(2, 9000, dtype=np.uint16)])
    before = peak_memory()
    stream = np.fromfile(tokens, "<u2")
    stream = stream[stream != TokenSource.boundary]
    texts = np.split(stream, range(DOCUMENT, len(stream), DOCUMENT))
    folder.mkdir()
    began = time.perf_counter()
    index = _index(texts)
    built = time.perf_counter()
    index.save(folder)
    return {
        "seconds": time.perf_counter() - began,
        "seconds_to_save": time.perf_counter() - built,
        "tokens_a_document": DOCUMENT,
        "bytes_a_token": (peak_memory() - before) / len(stream),
        "bytes_a_token_on_disk": sum(f.stat().st_size for f in folder.iterdir()) / len(stream),
    }


def _index(texts: list[NDArray[np.uint16]]) -> Index:
    return build_index(
        texts,
        names=["line"] * len(texts),
        vocabulary_size=TokenSource.vocabulary_size,
        boundary=TokenSource.boundary,
    )


def look(tokens: Path, folder: Path) -> dict[str, Any]:
    """Times of look-ups in an index that is mapped into memory, phrases drawn from its text."""
    index = open_index(folder)
    rng = np.random.default_rng(0)
    counts = {n: _clock(index.count, _pieces(index, rng, n)) for n in PHRASE_LENGTHS}
    following = {n: _clock(index.continuations, _pieces(index, rng, n)) for n in CONTEXT_LENGTHS}
    words = [b"w%d" % token for token in range(FIRST_WORD, index.vocabulary_size)]
    indexed = IndexedText(index, Whitespace.of(words))
    texts = [_text(index, rng) for _ in range(TEXTS)]
    traces = _clock(lambda text: trace(indexed, text), texts)
    passages = sum(len(trace(indexed, text).passages) for text in texts) / len(texts)
    return {
        "count_seconds": max(t["median"] for t in counts.values()),
        "next_seconds": max(t["median"] for t in following.values()),
        "trace_seconds": traces["median"],
        "passages_a_text": passages,
        "count_by_length": counts,
        "next_by_length": following,
        "traces": traces,
    }


def _clock(action: Callable[[Any], object], given: Iterable[Any]) -> dict[str, float]:
    given = list(given)
    action(given[0])
    took = []
    for each in given:
        began = time.perf_counter()
        action(each)
        took.append(time.perf_counter() - began)
    return {"median": median(took), "p99": float(np.quantile(took, 0.99)), "most": max(took)}


def _pieces(index: Index, rng: np.random.Generator, length: int) -> list[NDArray[np.int32]]:
    starts = rng.integers(1, len(index.stream) - length, PHRASES).tolist()
    found = [index.stream[start : start + length].astype(np.int32) for start in starts]
    return [piece for piece in found if not (piece == index.boundary).any()]


def _text(index: Index, rng: np.random.Generator) -> str:
    """So many tokens, in pieces of the indexed text that do not follow each other there."""
    tokens: list[int] = []
    while len(tokens) < TEXT_TOKENS:
        length = int(rng.integers(*PIECES))
        start = int(rng.integers(1, len(index.stream) - length))
        piece = index.stream[start : start + length].tolist()
        tokens += [token for token in piece if token >= FIRST_WORD]
    return " ".join(f"w{token}" for token in tokens[:TEXT_TOKENS])


if __name__ == "__main__":
    action = {"build": build, "look": look}[sys.argv[1]]
    print(json.dumps(action(Path(sys.argv[2]), Path(sys.argv[3]))))
