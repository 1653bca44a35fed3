"""Floor 4: what language models are used for. `load` opens what `foretell task` wrote.

models/mood/
  manifest.json       labels, which kind was chosen, weights of all together
  task.json           how each kind did, for people
  count/ recurrent/   the kinds that were tried, each sealed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from foretell.contracts.errors import DamagedModel
from foretell.contracts.predictor import LabelPredictor, LearnedPredictor
from foretell.storage import check_seal, seal
from foretell.tasks.folders import opening, refuse_missing, rungs_in, write_rungs

__all__ = ["TOGETHER", "load", "rungs_of", "write"]

TOGETHER = "together"
"""The kind that all others are."""


def write(
    folder: Path,
    parts: Sequence[LearnedPredictor],
    weights: Mapping[str, float],
    chosen: str,
    **more: Any,
) -> None:
    """Write and seal predictors of the same labels in a folder that exists. weights: of the parts
    when they answer together, if they can; chosen: the one that `load` gives; more: facts for who
    reads the folder otherwise."""
    labels = list(parts[0].labels)
    write_rungs(folder, parts, labels=labels)
    seal(folder, {"chosen": chosen, "labels": labels, "weights": dict(weights), **more})


def rungs_of(folder: str | Path) -> list[str]:
    """The kinds that a folder holds, from the quickest; `load` takes them. Raises DamagedModel."""
    facts = _facts(Path(folder))
    return [*rungs_in(Path(folder)), *([TOGETHER] if facts["weights"] else [])]


def load(folder: str | Path, rung: str | None = None) -> LabelPredictor:
    """A predictor from its folder; rung: another kind than the one that was chosen.

    Raises DamagedModel, MissingExtra for a network where PyTorch is not installed, ForetellError
    for a kind that is not there.
    """
    folder = Path(folder)
    facts, there = _facts(folder), rungs_of(folder)
    rung = rung or facts["chosen"]
    refuse_missing(folder, rung, there)
    if rung != TOGETHER:
        return _load(folder / rung)
    from foretell.tasks.together import Together

    weights = facts["weights"]
    return Together(tuple(_load(folder / name) for name in weights), tuple(weights.values()))


def _facts(folder: Path) -> dict[str, Any]:
    facts = check_seal(folder)
    if "chosen" not in facts or "weights" not in facts:
        raise DamagedModel(f"{folder} holds no predictor; give a folder that `foretell task` wrote")
    return facts


def _load(folder: Path) -> LabelPredictor:
    with opening(folder) as facts:
        if facts["rung"] == "count":
            from foretell.tasks.counts.weighed_counts import WeighedCounts

            return WeighedCounts.load(folder, facts)
        if facts["rung"] == "prompted":
            from foretell.tasks import prompted

            return prompted.load(facts)
        from foretell.tasks.networks import labels

        return labels.load(folder, facts)
