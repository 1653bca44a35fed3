"""Size on disk of one model, ours and KenLM's, plain and quantised, and what quantising loses."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.index.bar2 import QUICK_WORDS, WORDS, text_to_arpa
from benchmarks.index.bar2 import estimate as estimate_ours
from benchmarks.index.kenlm_peer import build, find_tool
from benchmarks.index.measured import run
from benchmarks.index.text import text_of
from benchmarks.result import Result, foretell, say
from foretell import models
from foretell.models.ngram import NGram
from foretell.storage import size_of

EVERY, CONTEXTS = 20, 300
MOST_RATIO, MOST_QUANTISED, MOST_LOSS, MOST_OFF = 1.0, 1.2, 0.005, 1e-5
HELD_OUT = f"every {EVERY}th line of the text, no part of what the models learned from"
PEERS = {"probing": "probing", "quantised": "quantised array trie"}
"""The files of KenLM that the two forms of ours are held against, as `kenlm_peer` names them."""
PERPLEXITY = re.compile(r"Perplexity including OOVs:\s*([0-9.eE+-]+)")


def measure(*, quick: bool) -> Result:
    source = text_of(QUICK_WORDS if quick else WORDS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        split(source.path, folder)
        mine = measure_ours(folder)
        figures: dict[str, Any] = {**source.facts, "held_out": HELD_OUT, **mine}
        lmplz, build_binary = (find_tool(name) for name in ("LMPLZ", "BUILD_BINARY"))
        if lmplz.peer is None or build_binary.peer is None:
            reason = "no KenLM; give its tools in LMPLZ and BUILD_BINARY"
            return Result(None, {**figures, "reason": reason})
        peers = measure_kenlm(folder, lmplz.peer, build_binary.peer)
    ratio = mine["bytes"] / peers["kenlm_probing_bytes"]
    quantised = mine["quantised_bytes"] / peers["kenlm_quantised_bytes"]
    figures |= {**peers, "ratio": ratio, "quantised_ratio": quantised}
    met = (
        ratio <= MOST_RATIO
        and quantised <= MOST_QUANTISED
        and mine["loss"] <= MOST_LOSS
        and mine["largest_off_one"] <= MOST_OFF
    )
    return Result(met, figures)


def split(text: Path, folder: Path) -> None:
    """`train.txt` and `held_out.txt` of the lines of a text."""
    lines = text.read_bytes().splitlines(keepends=True)
    (folder / "held_out.txt").write_bytes(b"".join(lines[EVERY - 1 :: EVERY]))
    del lines[EVERY - 1 :: EVERY]
    (folder / "train.txt").write_bytes(b"".join(lines))


def measure_ours(folder: Path) -> dict[str, Any]:
    say("estimating")
    estimate_ours(folder / "train.txt", folder / "plain")
    say("quantising")
    began = time.perf_counter()
    ended = foretell(["ngram", "quantize", "plain", "--out", "quantised"], folder=folder)
    seconds = time.perf_counter() - began
    if ended.code:
        raise RuntimeError(f"foretell ngram quantize: {ended.err[-300:]}")
    plain, quantised = (query(folder / name) for name in ("plain", "quantised"))
    model = models.load(folder / "quantised")
    assert isinstance(model, NGram)
    words = sum(file.stat().st_size for file in (folder / "quantised").glob("vocabulary.*"))
    return {
        "ngrams": list(model.trie.sizes),
        "bytes": size_of(folder / "plain"),
        "quantised_bytes": size_of(folder / "quantised"),
        "bytes_of_words": words,
        "seconds_to_quantise": seconds,
        "perplexity": plain,
        "quantised_perplexity": quantised,
        "loss": quantised / plain - 1,
        "contexts": CONTEXTS,
        "largest_off_one": farthest_from_one(model, folder / "held_out.txt"),
    }


def query(model: Path) -> float:
    """Perplexity of the held-out text beside a model, unknown words included."""
    command = ["ngram", "query", model.name, "held_out.txt", "--json"]
    ended = foretell(command, folder=model.parent)
    found = re.search(r'"perplexity": ([0-9.eE+-]+)', ended.out)
    if ended.code or found is None:
        raise RuntimeError(f"foretell ngram query: {ended.err[-300:]}")
    return float(found[1])


def farthest_from_one(model: NGram, text: Path) -> float:
    """How far the sum of a distribution is from one, at most, over contexts of a text and some of
    words drawn at random."""
    data = text.read_bytes()[: 1 << 22]
    stream = model.tokenizer.encode_many([data.decode("utf-8", "replace")])[0].tokens
    rng = np.random.default_rng(0)
    off = 0.0
    for at in range(CONTEXTS):
        start = int(rng.integers(0, len(stream) - 4))
        context = stream[start : start + 4].copy()
        if at % 3 == 0:
            context[: rng.integers(1, 5)] = rng.integers(2, model.tokenizer.vocabulary_size)
        state = model.begin(mid_text=True).state
        logprobs = model.advance(state, context[None]).logprobs[0, 0]
        off = max(off, abs(float(np.exp(logprobs.astype(np.float64)).sum()) - 1))
    return off


def measure_kenlm(folder: Path, lmplz: Path, build_binary: Path) -> dict[str, Any]:
    say("KenLM: lmplz")
    arpa = folder / "kenlm.arpa"
    text = text_to_arpa(folder / "train.txt", arpa)
    run([str(lmplz), "-o", "5", "-S", "4G", "-T", str(folder), *text])
    found: dict[str, Any] = {}
    tool = find_tool("QUERY").peer
    for name, kind in PEERS.items():
        say(f"KenLM: {kind}")
        binary = folder / f"kenlm.{name}"
        build(build_binary, arpa, binary, kind)
        found[f"kenlm_{name}_bytes"] = binary.stat().st_size
        if tool is not None:
            command = [str(tool), "-v", "summary", str(binary)]
            said = PERPLEXITY.search(run(command, stdin=folder / "held_out.txt").out)
            found[f"kenlm_{name}_perplexity"] = float(said[1]) if said else None
    before, after = (found.get(f"kenlm_{name}_perplexity") for name in PEERS)
    if before and after:
        found["kenlm_loss"] = after / before - 1
    return found
