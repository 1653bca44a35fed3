"""A text larger than memory should be: how fast it becomes tokens, what learning from it takes."""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.index.measured import run
from benchmarks.result import Result, find_folder, say
from foretell.footprint import peak_memory

TEXT_BYTES, QUICK_BYTES = 2_000_000_000, 80_000_000
PART_BYTES, QUICK_PART_BYTES = 50_000_000, 10_000_000
"""What is tokenised in turn with the peer."""
TURNS, QUICK_TURNS = 5, 3
BUDGET = "100k tokens"
FAMILY = "gpt"
MOST_BYTES = 1_000_000_000
"""Beside the model."""
MOST_SECONDS = 5.0
LEAST_RATE = 0.8
BYTES_A_PARAMETER = 16
"""Weight, gradient, and two means of AdamW, in float32."""
BATCH = 1000
"""Documents that the peer is given at once."""


def measure(*, quick: bool) -> Result:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        size, part = (QUICK_BYTES, QUICK_PART_BYTES) if quick else (TEXT_BYTES, PART_BYTES)
        say(f"a text of {size:,} bytes")
        make_text(folder / "text.txt", size)
        make_text(folder / "part.txt", part)
        say("tokenising it and learning from it, in one process")
        whole = _in_child("whole", folder)
        say("opening its tokens in another, to the first batch")
        first = _in_child("first", folder)
        say("a part of it, in turn with the tokenizers library alone")
        turns = _in_child("turns", folder, str(QUICK_TURNS if quick else TURNS))
    model = BYTES_A_PARAMETER * whole["parameters"]
    figures = {
        "text_bytes": size,
        **whole,
        "model_bytes": model,
        "first_batch_seconds": first["seconds"],
        "first_batch": first,
        "in_turn": {"text_bytes": part, **turns},
        "rate_against_tokenizers": turns["ratio"],
        "memory": "VmHWM of a process that does all, libraries included",
    }
    met = (
        whole["peak_bytes"] - model < MOST_BYTES
        and first["seconds"] < MOST_SECONDS
        and turns["ratio"] >= LEAST_RATE
    )
    return Result(met, figures)


def make_text(path: Path, size: int) -> None:
    """Paragraphs of Python's documentation, and of the texts beside the repository if there are
    any, again and again, each time in another order. The peer gains more than we do from words
    that come again: the library remembers how it cut them."""
    from foretell.corpus.builtin import builtin_documents

    texts = [document.text for document in builtin_documents()]
    beside = find_folder("FORETELL_DATA", "data/lm")
    if beside is not None:
        texts += [file.read_text("utf-8") for file in sorted(beside.rglob("*/*.txt"))]
    paragraphs = [each for text in texts for each in text.split("\n\n") if not each.isspace()]
    chance, left = random.Random(0), size
    with path.open("w", encoding="utf-8") as file:
        while left > 0:
            chance.shuffle(paragraphs)
            for paragraph in paragraphs:
                file.write(paragraph + "\n\n")
                left -= len(paragraph.encode()) + 2
                if left <= 0:
                    break


def _in_child(action: str, folder: Path, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.networks.bar6", action, str(folder), *more]
    found: dict[str, Any] = json.loads(run(command).out.splitlines()[-1])
    return found


class Clock:
    """An audience that notes when it is told what for the first time."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.at: dict[str, float] = {}
        self.peaks: dict[str, int] = {}

    def note(self, what: str) -> None:
        if what not in self.at:
            self.at[what] = time.perf_counter() - self.began
            self.peaks[what] = peak_memory()

    def reading(self, done: int, total: int) -> None:
        if done == total:
            self.note("surveyed")

    def tokenising(self, done: int, total: int) -> None:
        self.note("tokenising")

    def streamed(self, text: Any) -> None:
        self.note("tokens ready")

    def learning(self, name: str) -> Callable[[Any], None]:
        return lambda glance: self.note("first update")


def whole(folder: Path) -> dict[str, Any]:
    """The text to tokens and a model, as `foretell tokenizer apply` and `foretell train` do."""
    from foretell.contracts.language_model import Parametric
    from foretell.ladder.options import TrainOptions
    from foretell.ladder.streamed import tokenise, train_into

    clock = Clock()
    options = TrainOptions(model=FAMILY, budget=BUDGET)
    text = tokenise(folder / "text.txt", folder / "tokens", options, audience=clock)
    ended, after = time.perf_counter() - clock.began, peak_memory()
    trained = train_into(folder / "model", folder / "tokens", options, audience=clock)
    assert isinstance(trained.model, Parametric)
    return {
        "survey_seconds": clock.at["surveyed"],
        "tokenizer_seconds": clock.at["tokenising"] - clock.at["surveyed"],
        "tokenise_seconds": ended - clock.at["tokenising"],
        "tokenise_bytes_a_second": text.bytes / (ended - clock.at["tokenising"]),
        "tokens": text.tokens,
        "first_update_seconds": clock.at["first update"] - clock.at["tokens ready"],
        "learned_tokens": trained.run.tokens,
        "parameters": trained.model.parameters,
        "peak_bytes_surveyed": clock.peaks["surveyed"],
        "peak_bytes_tokenised": after,
        "peak_bytes": peak_memory(),
    }


def first(folder: Path) -> dict[str, Any]:
    """Seconds from opening the tokens, seal checked, to the first batch and the count of a pass;
    and the most memory once all batches of a pass have been made."""
    from foretell.corpus.batches import pack
    from foretell.corpus.passes import Pass
    from foretell.ladder.streamed import open_streamed

    began = time.perf_counter()
    text = open_streamed(folder / "tokens")
    opened = time.perf_counter()
    made = Pass(text.parts.train, pack, rows=16, width=64, key=(0, 0))  # type: ignore[arg-type]
    batches = iter(made)
    next(batches)
    seconds = time.perf_counter() - began
    said = {"seconds": seconds, "seconds_to_open": opened - began, "batches": len(made)}
    began = time.perf_counter()
    rest = sum(1 for _ in batches)
    middle = time.perf_counter()
    next(made.since(len(made) // 2))
    return {
        **said,
        "seconds_a_pass": middle - began,
        "seconds_to_resume_in_the_middle": time.perf_counter() - middle,
        "batches_read": rest + 1,
        "peak_bytes": peak_memory(),
    }


def turns(folder: Path, count: str) -> dict[str, Any]:
    """Bytes a second: ours reads, cuts, cleans, tokenises and writes a file; the peer has the same
    documents in memory and only tokenises."""
    from tokenizers import Tokenizer

    from foretell.corpus.streaming import read_stream
    from foretell.corpus.token_shards import write_tokens
    from foretell.tokenizers import load_tokenizer

    path = folder / "part.txt"
    tokenizer = load_tokenizer(folder / "tokens")
    backend = Tokenizer.from_file(str(folder / "tokens" / "tokenizer.json"))
    texts = list(read_stream(path))
    size = path.stat().st_size
    ours, peers = [], []
    for turn in range(int(count)):
        out = folder / f"turn{turn}"
        out.mkdir()
        began = time.perf_counter()
        write_tokens(read_stream(path), tokenizer, out)
        ours.append(size / (time.perf_counter() - began))
        began = time.perf_counter()
        for start in range(0, len(texts), BATCH):
            backend.encode_batch_fast(texts[start : start + BATCH], add_special_tokens=False)
        peers.append(size / (time.perf_counter() - began))
    return {
        "ours": ours,
        "tokenizers": peers,
        "ratio": median(a / b for a, b in zip(ours, peers, strict=True)),
    }


if __name__ == "__main__":
    action: Callable[..., dict[str, Any]] = {"whole": whole, "first": first, "turns": turns}[
        sys.argv[1]
    ]
    print(json.dumps(action(Path(sys.argv[2]), *sys.argv[3:])))
