"""Resume and equality: a run killed at 25 moments ends in the same bytes; a batch at once and in
pieces, and one process and two, have the same losses.

Kills are those of the spine: at random moments of learning, before the first update, inside of
writing a checkpoint or the model. The proofs are those of `foretell verify`, on the same models.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.result import Result, foretell, say
from benchmarks.spine.bar7 import kill_training

KILLS, QUICK_KILLS = {"gpt": 13, "lstm": 12}, {"gpt": 3, "lstm": 3}
BUDGET, QUICK_BUDGET = "250k tokens", "60k tokens"
OTHERS = ("gpt2", "llama")
"""Not killed, but held to the two equalities."""
PROOFS = ("accumulation", "ranks")


def measure(*, quick: bool) -> Result:
    budget, kills = (QUICK_BUDGET, QUICK_KILLS) if quick else (BUDGET, KILLS)
    figures: dict[str, Any] = {}
    for family, count in kills.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            found = kill_training(family, folder, budget=budget, kills=count)
            figures[family] = found | _prove(folder / "whole", folder)
    for family in () if quick else OTHERS:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            command = ["train", "--model", family, "--budget", "20k tokens", "--out", "model"]
            assert foretell(command, folder=folder).code == 0
            figures[family] = _prove(folder / "model", folder)
    met = all(figures[family]["same"] for family in kills) and all(
        found[proof]["passed"] for found in figures.values() for proof in PROOFS
    )
    figures["kills"] = sum(figures[family]["kills"] for family in kills)
    return Result(met and figures["kills"] >= sum(kills.values()), figures)


def _prove(model: Path, folder: Path) -> dict[str, Any]:
    proofs = {}
    for proof in PROOFS:
        ended = foretell(["verify", proof, str(model), "--json"], folder=folder)
        (proofs[proof],) = json.loads(ended.out)
        say(proofs[proof]["message"])
    return proofs
