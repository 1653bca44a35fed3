"""Weights & Biases and trackio: somebody else's page that shows a run while it goes on.

The two share their calls: init, log, finish. A run that is taken up again goes on in theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from foretell.contracts.errors import ForetellError, MissingExtra

PROJECT = "foretell"
NAME = "tracker.txt"
"""In the folder of the checkpoints: what the run is called there."""


def refuse_missing(tracker: str) -> None:
    """Raises MissingExtra if it is not installed; does not import it."""
    if find_spec(tracker) is None:
        raise MissingExtra(f'--tracker {tracker} needs it: pip install "foretell[{tracker}]"')


@dataclass(frozen=True)
class Tracker:
    """One of the two, and what it is told of a run at its start."""

    kind: str
    """`wandb` or `trackio`."""
    title: str
    """Of the run; what makes it unique is added."""
    about: Mapping[str, Any]

    def start(self, folder: Path) -> TrackedRun:
        """Begin a run, or go on with the one that began from this folder.

        Raises MissingExtra, or ForetellError if the tracker refuses, as without an account.
        """
        refuse_missing(self.kind)
        place = folder / NAME
        if not place.exists():
            place.write_text(f"{self.title}-{uuid4().hex[:8]}\n", "utf-8")
        name = place.read_text("utf-8").strip()
        module = import_module(self.kind)
        more = {"id": name} if self.kind == "wandb" else {}
        try:
            # What they say is not the result of a command.
            with redirect_stdout(sys.stderr):
                module.init(
                    project=PROJECT, name=name, config=dict(self.about), resume="allow", **more
                )
        except Exception as problem:
            raise ForetellError(
                f"{self.kind} does not begin a run: {str(problem).splitlines()[0].rstrip('. ')}; "
                "set it up, or leave --tracker out"
            ) from problem
        return TrackedRun(module)


@dataclass(frozen=True)
class TrackedRun:
    module: Any

    def log(self, entry: Mapping[str, float], updates: int) -> None:
        self.module.log(dict(entry), step=updates)

    def close(self) -> None:
        with redirect_stdout(sys.stderr):
            self.module.finish()
