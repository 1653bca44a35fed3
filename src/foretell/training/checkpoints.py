"""Where a run stands, on disk, so that a kill at any moment loses seconds and changes nothing.

checkpoints/
  000001840/     after update 1840; written beside and renamed, so never half there
    position.json   pass, batch, seconds, tokens, curve
    learner/        weights, optimiser, memory
  best-000001750/   the model that did best on the held-out text so far
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.learner import Learner
from foretell.evaluation.results import CurvePoint
from foretell.storage import check_seal, new_folder, seal


@dataclass
class Position:
    """All of a run that is not in the learner."""

    passes: int = 0
    batches: int = 0
    """Batches of the current pass that are done."""
    updates: int = 0
    tokens: int = 0
    seconds: float = 0.0
    looks: int = 0
    best: int = 0
    """The update after which the model did best on the held-out text."""
    ended: str = ""
    curve: list[CurvePoint] = field(default_factory=list)


class Checkpoints:
    """The checkpoints of one run in one folder."""

    def __init__(self, folder: Path, recipe: str) -> None:
        """recipe: what a run must agree in to go on, such as text and budget."""
        self.folder = folder
        self.recipe = recipe

    def save(self, learner: Learner, position: Position) -> None:
        """Write where the run stands, and only then remove what is older."""
        older = self._all()
        with new_folder(self.folder / f"{position.updates:09d}", replace=True) as folder:
            (folder / "learner").mkdir()
            learner.save(folder / "learner")
            (folder / "position.json").write_text(json.dumps(asdict(position)))
            seal(folder, {"recipe": self.recipe})
        for folder in older:
            if folder.name != f"{position.updates:09d}":
                shutil.rmtree(folder)
        for folder in self.folder.glob("best-*"):
            if folder.name != _best(position):
                shutil.rmtree(folder)

    def restore(self, learner: Learner) -> Position:
        """Put the learner where the newest checkpoint stands; a new position if there is none.

        Raises ForetellError if it belongs to another run.
        """
        for folder in reversed(self._all()):
            try:
                facts = check_seal(folder)
            except DamagedModel:
                continue
            if facts["recipe"] != self.recipe:
                raise ForetellError(
                    f"{self.folder} belongs to a run on another text or with other settings; "
                    "give another output, or remove it"
                )
            learner.restore(folder / "learner")
            content = json.loads((folder / "position.json").read_text("utf-8"))
            content["curve"] = [CurvePoint(**point) for point in content["curve"]]
            return Position(**content)
        return Position()

    def keep_best(self, learner: Learner, position: Position) -> None:
        """Write this model, which `position` calls the best so far. The one before it stays until
        the next checkpoint, since a kill before that goes back to where it was the best."""
        with new_folder(self.folder / _best(position), replace=True) as folder:
            learner.save(folder)

    def restore_best(self, learner: Learner, position: Position) -> None:
        learner.restore(self.folder / _best(position))

    def tidy(self) -> None:
        """Remove what is of no use without a checkpoint to go back to."""
        if not self._all():
            for folder in self.folder.glob("best-*"):
                shutil.rmtree(folder, ignore_errors=True)

    def _all(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(each for each in self.folder.iterdir() if each.name.isdigit())


def _best(position: Position) -> str:
    return f"best-{position.best:09d}"
