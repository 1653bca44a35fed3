"""Weights & Biases and trackio: somebody else's page that shows a run while it goes on.

The two share their calls: init, log, finish. A run that is taken up again goes on in theirs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4
from warnings import warn

from foretell.contracts.errors import ForetellError, MissingExtra

PROJECT = "foretell"
NAME = "tracker.txt"
"""In the folder of the checkpoints: what the run is called there."""


def refuse_missing(tracker: str) -> None:
    """Raises MissingExtra if it is not installed; does not import it."""
    found = find_spec(tracker)
    # A folder of that name, as wandb leaves one behind, is found too, and has no origin.
    if found is None or found.origin is None:
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
        began = place.exists()
        name = place.read_text("utf-8").strip() if began else f"{self.title}-{uuid4().hex[:8]}"
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
                f"{self.kind} does not begin a run: {_first_line(problem)}; set it up, or leave "
                "--tracker out"
            ) from problem
        if not began:
            place.write_text(f"{name}\n", "utf-8")
        return TrackedRun(self.kind, module)


@dataclass
class TrackedRun:
    """A run that goes on there. What breaks there is said once, and does not end ours."""

    kind: str
    module: Any
    broken: bool = False

    def log(self, entry: Mapping[str, float], updates: int) -> None:
        if not self.broken:
            self._try(lambda: self.module.log(dict(entry), step=updates))

    def close(self, *, failed: bool = False) -> None:
        """failed: the run ended by an error, as far as the tracker can be told so."""
        told = {"exit_code": int(failed)} if self.kind == "wandb" else {}
        self._try(lambda: self.module.finish(**told))

    def _try(self, call: Callable[[], None]) -> None:
        try:
            # What they say is not the result of a command.
            with redirect_stdout(sys.stderr):
                call()
        # Their failures are of every kind; a run of hours is worth more than its page.
        except Exception as problem:
            self.broken = True
            warn(
                f"{self.kind} is told no more: {_first_line(problem)}; the run goes on, and so do "
                "its lines of JSON",
                stacklevel=2,
            )


def _first_line(problem: Exception) -> str:
    """What it says in one line; its kind, if it says nothing."""
    lines = str(problem).splitlines()
    return lines[0].rstrip(". ") if lines else type(problem).__name__
