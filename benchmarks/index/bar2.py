"""Text in to queryable model out, order 5: ours against `lmplz` and `build_binary probing`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.index.kenlm_peer import find_tool
from benchmarks.index.measured import Ran, in_turn, run
from benchmarks.index.text import text_of
from benchmarks.result import Result, say

WORDS, QUICK_WORDS = 10_000_000, 1_000_000
MOST_RATIO, MOST_PEAK, MOST_GROWTH = 0.5, 2e9, 12.0
TURNS, GROWTH = 3, 10


def estimate(text: Path, out: Path) -> Ran:
    """`foretell ngram estimate` as a user gives it, start of the interpreter included."""
    shutil.rmtree(out, ignore_errors=True)
    return run(
        [sys.executable, "-m", "foretell", "ngram", "estimate", str(text), "--out", str(out)]
    )


def text_to_arpa(text: Path, arpa: Path) -> list[str]:
    return ["--text", str(text), "--arpa", str(arpa)]


def estimate_by_kenlm(lmplz: Path, build_binary: Path, text: Path, folder: Path) -> Ran:
    arpa, binary = folder / "kenlm.arpa", folder / "kenlm.probing"
    counted = run([str(lmplz), "-o", "5", "-S", "4G", "-T", str(folder), *text_to_arpa(text, arpa)])
    return counted.followed_by(run([str(build_binary), "probing", str(arpa), str(binary)]))


def measure(*, quick: bool) -> Result:
    lmplz, build_binary = (find_tool(name).peer for name in ("LMPLZ", "BUILD_BINARY"))
    source = text_of(QUICK_WORDS if quick else WORDS)
    figures: dict[str, Any] = {**source.facts}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        say("once to warm up: compiled code is kept from then on")
        estimate(text_of(QUICK_WORDS).path, folder / "warm")
        if lmplz is None or build_binary is None:
            mine = estimate(source.path, folder / "ours")
            reason = "no KenLM; give its tools in LMPLZ and BUILD_BINARY"
            return Result(None, {**figures, "seconds": mine.seconds, "reason": reason})
        turns = in_turn(
            lambda: estimate(source.path, folder / "ours"),
            lambda: estimate_by_kenlm(lmplz, build_binary, source.path, folder),
            1 if quick else TURNS,
        )
        peak = max(each.peak_bytes for each in turns.ours)
        figures |= {
            "seconds": turns.seconds[0],
            "kenlm_seconds": turns.seconds[1],
            "ratio": turns.ratio,
            "peak_bytes": peak,
            "kenlm_peak_bytes": max(each.peak_bytes for each in turns.peers),
            "bytes_on_disk": sum(f.stat().st_size for f in (folder / "ours").rglob("*.bin")),
            "kenlm_bytes_on_disk": (folder / "kenlm.probing").stat().st_size,
        }
        (folder / "kenlm.arpa").unlink()
        large = text_of(GROWTH * source.words if quick else GROWTH * WORDS)
        say(f"{large.words:,} words")
        longest = estimate(large.path, folder / "large")
        growth = longest.seconds / turns.seconds[0] * (GROWTH * source.words / large.words)
        figures |= {
            "words_of_large": large.words,
            "real_words_of_large": large.real,
            "seconds_of_large": longest.seconds,
            "peak_bytes_of_large": longest.peak_bytes,
            "growth": growth,
        }
    met = turns.ratio <= MOST_RATIO and peak <= MOST_PEAK and growth <= MOST_GROWTH
    return Result(met, figures)
