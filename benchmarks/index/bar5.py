"""Whole distributions over 50,000 words, and opening a large model that is not in memory."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.index.bar2 import QUICK_WORDS, WORDS, estimate
from benchmarks.index.measured import run
from benchmarks.index.text import text_of
from benchmarks.result import Result
from foretell import models
from foretell.models.ngram.lines import estimate_lines

MOST_MICROSECONDS, MOST_SECONDS = 100.0, 0.2
VOCABULARY, CONTEXTS, OPENINGS = 50_000, 2_000, 5
OPEN = """
import json, sys, time
from foretell import models
import foretell.models.ngram.model
import foretell.tokenizers.whitespace
from pathlib import Path
began = time.perf_counter()
model = models.load(Path(sys.argv[1]))
opened = time.perf_counter() - began
model.begin()
print(json.dumps([opened, time.perf_counter() - began]))
"""
"""Imports are not part of opening a model, and are outside of the time."""


def measure(*, quick: bool) -> Result:
    source = text_of(QUICK_WORDS if quick else WORDS)
    microseconds = time_distributions(source.path)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        estimate(source.path, folder)
        loaded = models.load(folder)
        ngrams = sum(len(order) for order in loaded.trie.orders)
        del loaded
        opened = []
        for _ in range(OPENINGS):
            forget(folder)
            opened.append(json.loads(run([sys.executable, "-c", OPEN, str(folder)]).out)[0])
    seconds = statistics.median(opened)
    figures = {
        **source.facts,
        "microseconds": microseconds,
        "vocabulary": VOCABULARY,
        "ngrams": ngrams,
        "seconds_to_open": seconds,
        "all_openings": opened,
    }
    return Result(microseconds <= MOST_MICROSECONDS and seconds <= MOST_SECONDS, figures)


def time_distributions(path: Path) -> float:
    """Median time of one distribution, over contexts of the text itself, in a loop of Python."""
    head = b"\n".join(path.read_bytes().split(b"\n")[:200_000]) + b"\n"
    counts: dict[bytes, int] = {}
    for word in head.split():
        counts[word] = counts.get(word, 0) + 1
    common = sorted(counts, key=lambda word: -counts[word])[: VOCABULARY - 2]
    model = estimate_lines(head, order=5, vocabulary=common)
    stream = model.tokenizer.encode_lines(np.frombuffer(head, np.uint8))
    rng = np.random.default_rng(0)
    step = model.begin()
    took = []
    for start in rng.integers(0, len(stream) - 8, CONTEXTS).tolist():
        words = stream[start : start + 6]
        words = words[words != model.tokenizer.boundary]
        if not len(words):
            continue
        state = model.advance(step.state, words[None], keep=0).state
        began = time.perf_counter()
        model.distributions(state)
        took.append(time.perf_counter() - began)
    return 1e6 * statistics.median(took)


def forget(folder: Path) -> None:
    """Ask the system to drop a folder's files from memory."""
    for file in folder.rglob("*"):
        if file.is_file():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())
                os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
