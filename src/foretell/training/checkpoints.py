"""Where a run stands, on disk, so that a kill at any moment loses seconds and changes nothing.

checkpoints/
  000001840/     after update 1840; written beside and renamed, so never half there
    position.json   pass, batch, seconds, tokens, curve
    learner/        weights, optimiser, memory; of a sharded network a file a process
  best-000001750/   the model that did best on the held-out text so far
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.learner import Learner
from foretell.evaluation.results import CurvePoint
from foretell.storage import check_seal, new_folder, seal
from foretell.training.ranks import ALONE, Ranks


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
    """The checkpoints of one run in one folder, which all processes of the run can read."""

    def __init__(self, folder: Path, recipe: str, ranks: Ranks = ALONE) -> None:
        """recipe: what a run must agree in to go on, such as text and budget; on how many
        processes it runs is no part of it. ranks: they all make each call but `tidy`."""
        self.folder = folder
        self.recipe = recipe
        self.ranks = ranks

    def save(self, learner: Learner, position: Position) -> None:
        """Write where the run stands, and only then remove what is older."""
        older = self._all()
        with self._new_folder(f"{position.updates:09d}") as folder:
            (folder / "learner").mkdir(exist_ok=True)
            learner.save(folder / "learner")
            self.ranks.wait()
            if self.ranks.first:
                (folder / "position.json").write_text(json.dumps(asdict(position)))
                seal(folder, {"recipe": self.recipe})
        # It stands there by now.
        self.ranks.wait()
        if self.ranks.first:
            self._remove_older(older, position)

    def _remove_older(self, older: list[Path], position: Position) -> None:
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
        with self._new_folder(_best(position)) as folder:
            learner.save(folder)
            self.ranks.wait()

    def restore_best(self, learner: Learner, position: Position) -> None:
        learner.restore(self.folder / _best(position))

    def tidy(self) -> None:
        """Remove what is of no use without a checkpoint to go back to."""
        if not self._all():
            for folder in self.folder.glob("best-*"):
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _new_folder(self, name: str) -> Iterator[Path]:
        """One draft for all, which the first one makes, and renames when it is done."""
        if self.ranks.first:
            with new_folder(self.folder / name, replace=True) as folder:
                self.ranks.tell(folder.name)
                yield folder
        else:
            yield self.folder / self.ranks.tell("")

    def _all(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(each for each in self.folder.iterdir() if each.name.isdigit())


def _best(position: Position) -> str:
    return f"best-{position.best:09d}"
