"""Our n-gram probabilities are KenLM's, token by token; golden files made by `lmplz`, `query`."""

from __future__ import annotations

from typing import Any

from benchmarks.kenlm_golden import compare_with_golden, golden_folder
from benchmarks.result import Result, say

GOLDEN = ("o3", "o5", "o5_prune001", "o4_nointerp")
MOST_APART = 1e-4
"""In log10 P of a token."""


def measure(*, quick: bool) -> Result:
    del quick  # It takes seconds.
    folder = golden_folder()
    if folder is None:
        return Result(None, {"reason": "no golden files; give their folder in FORETELL_GOLDEN"})
    report = compare_with_golden(folder)
    met, figures = True, {}
    for name in GOLDEN:
        kenlm = report[name]["kenlm"]
        query = kenlm["query"]
        same = (
            query["same_tokens"]
            and query["largest_difference_log10"] <= MOST_APART
            and query["different_orders"] == 0
            and kenlm["arpa"]["missing"] == 0
        )
        met = met and same
        figures[name] = {"same": same, **{mode: _short(report[name][mode]) for mode in _MODES}}
        say(
            f"{name}: {query['tokens']} tokens, largest difference "
            f"{query['largest_difference_log10']:.2g}, {query['different_orders']} other orders; "
            f"exact mode {figures[name]['exact']['largest_difference_log10']:.2g}"
        )
    return Result(met, figures)


_MODES = ("kenlm", "exact")


def _short(found: dict[str, Any]) -> dict[str, Any]:
    return {**found["query"], "arpa": found["arpa"], "seconds": found["seconds"]}
