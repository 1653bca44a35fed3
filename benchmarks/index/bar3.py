"""Scoring text: ours against KenLM's `query` on its probing model, both from the text."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.index.bar2 import QUICK_WORDS, WORDS, estimate_by_kenlm
from benchmarks.index.kenlm_peer import find_tool
from benchmarks.index.measured import in_turn, run
from benchmarks.index.text import text_of
from benchmarks.result import Result

LEAST_RATIO = 2.0
TURNS = 5
MOST_APART = 1e-4
"""Relative, of the perplexity; one model is in exact mode, so both read one ARPA file."""


def measure(*, quick: bool) -> Result:
    tools = [find_tool(name).peer for name in ("LMPLZ", "BUILD_BINARY", "QUERY")]
    if None in tools:
        return Result(None, {"reason": "no KenLM; give its tools in LMPLZ, BUILD_BINARY, QUERY"})
    lmplz, build_binary, query = tools
    source = text_of(QUICK_WORDS if quick else WORDS)
    figures: dict[str, Any] = {**source.facts}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        estimate_by_kenlm(lmplz, build_binary, source.path, folder)
        ours = folder / "ours"
        command = [sys.executable, "-m", "foretell", "ngram"]
        run([*command, "convert", str(folder / "kenlm.arpa"), "--out", str(ours)])
        (folder / "kenlm.arpa").unlink()
        asked = [*command, "query", str(ours), str(source.path), "--json"]
        run(asked)
        turns = in_turn(
            lambda: run(asked),
            lambda: run(
                [str(query), "-v", "summary", str(folder / "kenlm.probing")], stdin=source.path
            ),
            1 if quick else TURNS,
        )
        said = json.loads(turns.ours[-1].out)
        theirs = float(re.findall(r"including OOVs:\s*([\d.e+]+)", turns.peers[-1].out)[0])
        apart = abs(said["perplexity"] / theirs - 1)
        figures |= {
            "tokens": said["tokens"],
            "tokens_per_second": said["tokens"] / turns.seconds[0],
            "kenlm_tokens_per_second": said["tokens"] / turns.seconds[1],
            "ratio": 1 / turns.ratio,
            "seconds": turns.seconds[0],
            "seconds_without_start": median(json.loads(ran.out)["seconds"] for ran in turns.ours),
            "kenlm_seconds": turns.seconds[1],
            "perplexity": said["perplexity"],
            "kenlm_perplexity": theirs,
        }
    return Result(1 / turns.ratio >= LEAST_RATIO and apart <= MOST_APART, figures)
