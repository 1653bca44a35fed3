"""What a run was like while it went on: a line of JSON now and then, TensorBoard's files, and
what a tracker is told.

training.jsonl    {"updates": 120, "tokens": 491520, "seconds": 60.2, "train_nats_per_token": ...}

Lines are for whoever wants to plot, as `report.training` does. A run that is taken up again goes
on in the same file, from the checkpoint on.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from types import ModuleType, TracebackType
from typing import Any, Self

from foretell.footprint import peak_memory
from foretell.training.fit import Glance
from foretell.training.trackers import TrackedRun, Tracker

SECONDS = 1.0
"""Between lines."""
LINES = "training.jsonl"
EVENTS = "tensorboard"
WITHOUT = "tensorboard.compat.notf"


class Journal:
    """A watcher for `fit` that writes into a folder.

    with Journal(folder) as journal: fit(..., watch=journal)
    """

    def __init__(
        self, folder: Path, *, tensorboard: bool = True, tracker: Tracker | None = None
    ) -> None:
        """tensorboard: also write its event files, if it is installed."""
        self.folder = folder
        self.tensorboard = tensorboard and find_spec("tensorboard") is not None
        self._begun = False
        self._written = 0.0
        self._points = 0
        self._events: Any = None
        self.tracker = tracker
        self._tracked: TrackedRun | None = None

    def __enter__(self) -> Self:
        """Raises ForetellError if the tracker does not begin."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.tensorboard:
            # Seconds of import, which are not to be taken from the run's budget. By this name
            # TensorBoard asks whether it is to do without TensorFlow, which takes more of them.
            sys.modules.setdefault(WITHOUT, ModuleType(WITHOUT))
            import_module("torch.utils.tensorboard")
        if self.tracker is not None:
            self._tracked = self.tracker.start(self.folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._events is not None:
            self._events.close()
        if self._tracked is not None:
            self._tracked.close(failed=kind is not None)

    def __call__(self, glance: Glance) -> None:
        if not self._begun:
            self._begin(glance)
        looked = len(glance.curve) > self._points
        if not (looked or glance.spent >= 1 or monotonic() - self._written >= SECONDS):
            return
        self._written, self._points = monotonic(), len(glance.curve)
        entry = describe(glance)
        if not looked:
            entry.pop("held_out_bits_per_byte", None)
        with (self.folder / LINES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        if self._events is not None:
            for name, value in entry.items():
                self._events.add_scalar(name, value, glance.tokens)
        if self._tracked is not None:
            self._tracked.log(entry, glance.updates)

    def _begin(self, glance: Glance) -> None:
        """Drop the lines that a kill left beyond the checkpoint from which the run goes on."""
        self._begun = True
        path = self.folder / LINES
        if path.exists():
            lines = path.read_text("utf-8").splitlines(keepends=True)
            kept = [line for line in lines if _updates(line) < glance.updates]
            path.write_text("".join(kept), "utf-8")
            self._points = sum('"held_out_bits_per_byte"' in line for line in kept)
        if self.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            # Events after the checkpoint are hidden by TensorBoard itself.
            self._events = SummaryWriter(str(self.folder / EVENTS), purge_step=glance.tokens)


def describe(glance: Glance) -> dict[str, float]:
    """A glance as one flat entry."""
    entry = {
        "updates": glance.updates,
        "tokens": glance.tokens,
        "seconds": round(glance.seconds, 3),
        "spent": round(glance.spent, 5),
        "train_nats_per_token": round(glance.nats_per_token, 5),
        "tokens_per_second": round(glance.tokens_per_second, 1),
        "memory_bytes": peak_memory(),
    }
    if glance.curve:
        entry["held_out_bits_per_byte"] = round(glance.curve[-1].bits_per_byte, 5)
    return entry


def _updates(line: str) -> float:
    """Of a line; infinite for half a line, which a kill may leave."""
    try:
        return float(json.loads(line)["updates"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
