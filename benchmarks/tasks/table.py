"""A row of the table, for people: ours by rung, published, time, size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.result import say


def say_table(
    title: str,
    rungs: Mapping[str, str],
    published: Any,
    runs: Sequence[Mapping[str, Any]],
) -> None:
    """rungs: what each reaches, as it is shown. runs: each with `learning_seconds` and `bytes` by
    rung."""
    lines = [("", title, "seconds", "MB")]
    for rung, reached in rungs.items():
        seconds = [run["learning_seconds"].get(rung) for run in runs]
        sizes = [run["bytes"].get(rung) for run in runs]
        lines.append((rung, reached, _mean(seconds, 1), _mean(sizes, 1e6)))
    lines.append(("published", str(published), "", ""))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def by_rung(run: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Seconds and bytes by rung, of a run that has them by rung."""
    return {
        what: {rung: found[what] for rung, found in run["rungs"].items() if what in found}
        for what in ("learning_seconds", "bytes")
    }


def shown(spread: Mapping[str, Any], digits: int = 1) -> str:
    """Mean, and range over seeds or folds."""
    low, high = spread["range"]
    return f"{spread['mean']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _mean(values: Sequence[float | None], unit: float) -> str:
    there = [value for value in values if value is not None]
    return f"{sum(there) / len(there) / unit:,.1f}" if there else ""
