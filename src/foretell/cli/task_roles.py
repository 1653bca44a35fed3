"""`foretell task roles`: who did what to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import options_of
from foretell.cli.task_tags import refuse_why
from foretell.tasks.options import LabelOptions

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from rich.table import Table

    from foretell.tasks.measures.roles import BothMeasures
    from foretell.tasks.roles import TriedRoles


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.cli.task_common import places, say_lines, say_next, say_record
    from foretell.tasks.roles import train_into

    data, out = places(name, arguments)
    options = options_of(LabelOptions, arguments)
    with Display() as display, Stop(display) as stop:
        found = train_into(out, data, options, begin=display.teaching, stop=stop)
    if arguments.json:
        say_record(out)
        return 0
    say_lines(
        display,
        f"{out}: {found.rung}, {len(found.roles)} roles from {found.predicates:,} predicates of "
        f"{found.sentences:,} sentences",
        "On the part kept back, by which it was chosen:",
    )
    display.show(table(found.tried))
    say_lines(display, *_lines(found.measures))
    say_next(display, name, out, options)
    return 0


def evaluate(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.cli.task_common import say_json, say_lines
    from foretell.tasks import roles

    labeller = roles.load(Path(arguments.model), arguments.rung)
    found = roles.evaluate(labeller, Path(arguments.data))
    if arguments.json:
        say_json(asdict(found))
        return 0
    say_lines(Display(), *_lines(found))
    return 0


def compare(name: str, arguments: Namespace) -> int:
    from foretell.cli.task_common import hold_all
    from foretell.tasks import roles

    return hold_all(arguments, lambda *given, progress: roles.compare(*given), table)


def predict(name: str, arguments: Namespace) -> int:
    from foretell.cli.task_common import say_answers
    from foretell.tasks import roles, scope

    refuse_why(arguments)
    model, rung = Path(arguments.model), arguments.rung
    scope.load(model, reject=arguments.reject)
    if str(arguments.out or "").endswith(".html"):
        return _draw(arguments)
    return say_answers(arguments, lambda: roles.load(model, rung), roles.answer)


def _draw(arguments: Namespace) -> int:
    """A page, for who would rather look."""
    from foretell.cli.progress import Display
    from foretell.cli.task_common import options_to_read
    from foretell.report.arcs import render
    from foretell.storage import refuse_existing, write_text
    from foretell.tasks import roles

    out, data = Path(arguments.out), Path(arguments.data)
    refuse_existing(out)
    with Display() as display:
        labeller = roles.load(Path(arguments.model), arguments.rung)
        options = options_to_read(arguments)
        answers = roles.answer(labeller, data, options, progress=display.reading)
        write_text(out, render(data.name, answers))
        display.say(f"{out}: a page of what was found")
    return 0


def table(tried: Sequence[TriedRoles]) -> Table:
    """A line each, and by how much each differs from the best over the same sentences."""
    from foretell.cli.task_common import behind, table_of

    headings = ("F1, given", "F1, found", "all right against the best", "seconds")
    lines = table_of(headings)
    for each in tried:
        f1s = [part.f1 for part in (each.measures.given, each.measures.found)]
        lines.add_row(
            each.rung,
            *(f"{f1.value:.3f}" for f1 in f1s),
            behind(each.behind),
            f"{each.seconds:.0f}" if each.seconds else "",
        )
    return lines


def _lines(both: BothMeasures) -> list[str]:
    lines = [
        f"span F1, {said}  {each.f1.value:.3f} [{each.f1.low:.3f}, {each.f1.high:.3f}] over "
        f"{each.sentences:,} sentences; precision {each.precision:.3f}, recall {each.recall:.3f}"
        for said, each in (("predicates given", both.given), ("predicates found", both.found))
    ]
    if both.given.sense_accuracy is not None:
        lines.append(f"sense of a predicate  {both.given.sense_accuracy:.3f}")
    return lines
