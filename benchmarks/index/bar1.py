"""Parity with KenLM: golden files, its wheel on our files, its binaries in ours, states, and our
estimates against those of `lmplz`."""

from __future__ import annotations

from typing import Any

from benchmarks.index.kenlm_peer import WALKS, compare_with_peer
from benchmarks.index.lmplz_peer import compare_with_lmplz
from benchmarks.kenlm_golden import compare_with_golden, golden_folder
from benchmarks.result import Result

MOST_APART = 1e-4
"""In log10 P of a token."""


def measure(*, quick: bool) -> Result:
    folder = golden_folder()
    if folder is None:
        return Result(None, {"reason": "no golden files; give their folder in FORETELL_GOLDEN"})
    golden: dict[str, Any] = {}
    met = True
    for name, report in compare_with_golden(folder).items():
        found = report["kenlm"]
        query = found.get("query")
        same = found["arpa"]["missing"] == 0 and found["arpa"]["same_words"]
        same &= found["arpa"]["largest_difference_log10"] <= MOST_APART
        if query is not None:
            same &= query["same_tokens"] and query["largest_difference_log10"] <= MOST_APART
            same &= query["different_orders"] == query["different_unknowns"] == 0
        golden[name] = {"same": same, "arpa": found["arpa"], "query": query}
        met = met and same
    peer = compare_with_peer(walks=WALKS // 100 if quick else WALKS)
    lmplz = compare_with_lmplz(quick=quick)
    figures = {"golden": golden, "peer": peer.figures, "lmplz": lmplz.figures}
    parts = (met, peer.agrees, lmplz.agrees)
    if False in parts:
        return Result(False, figures)
    if None in parts:
        reasons = [
            reason
            for part in (peer, lmplz)
            if part.agrees is None
            for reason in part.missing.values()
        ]
        return Result(None, {**figures, "reason": "; ".join(reasons)})
    return Result(True, figures)
