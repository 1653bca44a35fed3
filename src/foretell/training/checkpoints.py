"""Where a run stands, on disk, so that a kill at any moment loses seconds and changes nothing.

checkpoints/
  000001840/     after update 1840; written beside and renamed, so never half there
    position.json   pass, batch, seconds, tokens, curve
    learner/        weights, optimiser, memory; of a sharded network a file a process
  best-000001750/   the model that did best on the held-out text so far
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.learner import Teachable
from foretell.evaluation.results import CurvePoint
from foretell.storage import check_seal, new_folder, seal
from foretell.training.ranks import ALONE, Ranks

RECIPE = "recipe"
"""Name of the fact that spells out sizes and settings."""


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
    lowest: float | None = None
    """Of the means over latest batches, in nats a token."""
    ended: str = ""
    curve: list[CurvePoint] = field(default_factory=list)


class Checkpoints:
    """The checkpoints of one run in one folder, which all processes of the run can read."""

    def __init__(self, folder: Path, recipe: Mapping[str, str], ranks: Ranks = ALONE) -> None:
        """recipe: what a run must agree in to go on, such as text and budget, by name; on how many
        processes it runs is no part of it. ranks: they all make each call but `tidy`."""
        self.folder = folder
        self.recipe = dict(recipe)
        self.ranks = ranks

    def save(self, learner: Teachable, position: Position) -> None:
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

    def restore(self, learner: Teachable) -> Position:
        """Put the learner where the newest checkpoint stands; a new position if there is none.

        Raises ForetellError if it belongs to another run, and names what differs.
        """
        for folder in reversed(self._all()):
            try:
                facts = check_seal(folder)
            except DamagedModel:
                continue
            refuse_changes(self.folder, facts["recipe"], self.recipe)
            learner.restore(folder / "learner")
            content = json.loads((folder / "position.json").read_text("utf-8"))
            content["curve"] = [CurvePoint(**point) for point in content["curve"]]
            return Position(**content)
        return Position()

    def newest(self) -> Path | None:
        """The newest checkpoint, if there is one."""
        return next(reversed(self._all()), None)

    def keep_best(self, learner: Teachable, position: Position) -> None:
        """Write this model, which `position` calls the best so far. The one before it stays until
        the next checkpoint, since a kill before that goes back to where it was the best."""
        with self._new_folder(_best(position)) as folder:
            learner.save(folder)
            self.ranks.wait()

    def restore_best(self, learner: Teachable, position: Position) -> None:
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


def refuse_changes(folder: Path, before: Any, now: Mapping[str, str]) -> None:
    """Raises ForetellError if a run is taken up with anything but what it began with: facts by
    name, of which `before` are those in its folder."""
    then = before if isinstance(before, dict) else {}
    pairs = [(name, then.get(name, ""), value) for name, value in now.items()]
    changed = [_describe_change(*pair) for pair in pairs if pair[1] != pair[2]]
    if changed:
        raise ForetellError(
            f"{folder} belongs to a run with another {', another '.join(changed)}; "
            "go on with what it had, give another output, or remove it"
        )


def _describe_change(name: str, before: str, now: str) -> str:
    """The name; of a recipe the settings in it that differ, as `seed (1, not 2)`."""
    if name != RECIPE:
        return name
    settings = [dict(re.findall(r"(\w+)=([^,()]+)", spelled)) for spelled in (before, now)]
    told = [
        f"{key} ({settings[0][key]}, not {value})"
        for key, value in settings[1].items()
        if settings[0].get(key, value) != value
    ]
    return ", another ".join(told) or name
