"""What a user watches: bars with bits per byte, a tiny curve, time left; and a clean Ctrl-C.

Progress goes to stderr, results to stdout. Where stderr is no terminal, a line a rung.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from foretell.corpus.source import LoadedCorpus
from foretell.evaluation.forecast import ScaledRun
from foretell.footprint import peak_memory
from foretell.ladder.plans import PlannedRung
from foretell.ladder.running import Finished, Watch
from foretell.ladder.streamed import StreamedText
from foretell.training.fit import LOOKS, Glance

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: list[float], width: int = LOOKS) -> str:
    """The latest values as blocks, the highest full."""
    values = values[-width:]
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    steps = [round((v - low) / (high - low or 1) * (len(BLOCKS) - 1)) for v in values]
    return "".join(BLOCKS[step] for step in steps)


class Display:
    """A Spectator that draws with rich."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.out = Console(highlight=False)
        self.progress = Progress(
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task: TaskID | None = None
        self._name = ""

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def say(self, line: str) -> None:
        self.console.print(Text(line, style="dim"))

    def reading(self, done: int, total: int) -> None:
        """Bytes of the text that are read."""
        if self._task is None:
            self._start("reading", total)
        self._update(completed=done)

    def tokenising(self, done: int, total: int) -> None:
        """Bytes of the text whose tokens are written."""
        if self._name != "tokenising":
            self._start("tokenising", total)
        self._update(completed=done)

    def fetching(self, done: int, total: int) -> None:
        """Bytes of a model that are here."""
        if self._name != "fetching":
            self._start("fetching", total)
        self._update(completed=done)

    def streamed(self, text: StreamedText) -> None:
        self._stop()
        parts = text.parts
        kept = sum(len(each.encode()) for each in (*parts.stopping, *parts.held_out))
        noun = "passages" if parts.passages else "documents"
        self.say(
            f"{text.documents:,} {noun}, {text.bytes / 1e6:,.1f} MB, {text.languages}; "
            f"{kept / 1e3:.0f} kB kept back"
        )
        self.say("read from the disk: copies and leaks are not looked for")

    def corpus(self, corpus: LoadedCorpus) -> None:
        self._stop()
        if self.console.is_terminal:
            self.say(
                f"{corpus.documents:,} documents, {corpus.bytes / 1e6:.1f} MB, {corpus.languages}"
            )

    def begin(self, name: str, seconds: float | None) -> Watch:
        self._start(name, 1.0)
        return self._watch

    def end(self, finished: Finished, *, again: bool) -> None:
        self._stop()
        said = "from before" if again else f"{finished.train_seconds:.0f} s"
        failed = finished.laws_checked - finished.laws_passed
        laws = f", {failed} laws broken" if failed else ""
        curve = sparkline([point.bits_per_byte for point in finished.curve])
        self.say(
            f"{finished.name:<34} {finished.stopping_bits:.3f} bits/byte  {said}{laws}  {curve}"
        )
        for notice in finished.notices[:1]:
            self.say(f"    {notice}")

    def scaled(self, run: ScaledRun, *, again: bool) -> None:
        self._stop()
        said = "from before" if again else f"{run.seconds:.0f} s"
        name = f"{run.parameters / 1e3:,.0f}k parameters, {run.tokens / 1e3:,.0f}k tokens"
        self.say(f"{name:<34} {run.bits_per_byte:.3f} bits/byte  {said}")

    def learning(self, name: str) -> Watch:
        """For one model alone."""
        return self.begin(name, None)

    def teaching(self, name: str) -> Watch:
        """For one of the networks of an application, which reads examples."""
        self._start(name, 1.0)
        return self._watch_examples

    def show(self, what: RenderableType) -> None:
        self.out.print(what)

    def show_next(self, out: Path, prompt: str) -> None:
        """Where things are, and what to type next."""
        quoted = prompt.replace('"', "'")
        self.show_commands(
            (
                ("Report", str(out / "report.html")),
                ("Again", f"foretell compare --config {out / 'compare.yaml'} --out NEW"),
                ("Next", f'foretell generate {out / "best"} "{quoted}"'),
                ("", f"foretell verify {out / 'best'}"),
            )
        )

    def show_commands(self, lines: Sequence[tuple[str, str]]) -> None:
        """One line each, however narrow the terminal: these are made to be copied."""
        for word, text in lines:
            self.out.print(Text(f"{word:<8}{text}"), soft_wrap=True)

    def show_plan(self, plan: list[PlannedRung]) -> None:
        table = Table(box=None, pad_edge=False)
        for heading in ("rung", "parameters", "time", "memory"):
            table.add_column(heading, justify="left" if heading == "rung" else "right")
        for step in plan:
            table.add_row(*step.as_row())
        self.out.print(table)

    def _watch(self, glance: Glance) -> None:
        curve = [point.bits_per_byte for point in glance.curve]
        # Until the held-out text is first read, what the training text says; counting says nothing.
        nats = f"{glance.nats_per_token:.2f} nats/token" if glance.nats_per_token else ""
        loss = f"{curve[-1]:.3f} bits/byte" if curve else nats
        rate, memory = glance.tokens_per_second, peak_memory()
        said = f"{loss} {sparkline(curve):<{LOOKS}} {rate / 1e3:.1f}k tok/s {memory / 1e9:.1f} GB"
        self._update(completed=glance.spent, said=said)

    def _watch_examples(self, glance: Glance) -> None:
        curve = [point.bits_per_byte for point in glance.curve]
        loss = f"{curve[-1] if curve else glance.nats_per_token:.3f} nats an example"
        said = f"{loss} {sparkline(curve):<{LOOKS}} {glance.tokens_per_second:,.0f} examples/s"
        self._update(completed=glance.spent, said=said)

    def _start(self, name: str, total: float) -> None:
        self._stop()
        self._task = self.progress.add_task(name, total=total, said="")
        self._name = name

    def _update(self, **fields: Any) -> None:
        if self._task is not None:
            self.progress.update(self._task, **fields)

    def _stop(self) -> None:
        if self._task is not None:
            self.progress.remove_task(self._task)
            self._task = None


class Stop:
    """Ctrl-C once ends cleanly after the update in progress; twice ends at once.

    with Stop(display) as stop:  ...  stop() says whether somebody asked.
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self.asked = False
        self._before: Any = None

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.display.say("stopping as soon as the work so far is saved; Ctrl-C again ends at once")
        sys.stderr.flush()
