"""Floor 4: what language models are used for. `load` opens what `foretell task` wrote."""

from __future__ import annotations

from pathlib import Path

from foretell.contracts.errors import DamagedModel
from foretell.contracts.predictor import LabelPredictor
from foretell.storage import check_seal

__all__ = ["load"]


def load(folder: str | Path) -> LabelPredictor:
    """A predictor from its folder. Raises DamagedModel."""
    from foretell.tasks.weighed_counts import WeighedCounts

    facts = check_seal(Path(folder))
    if facts.get("rung") != WeighedCounts.rung:
        raise DamagedModel(
            f"{folder} holds no predictor of a kind known here; give a folder that `foretell task` "
            "wrote"
        )
    return WeighedCounts.load(Path(folder), facts)
