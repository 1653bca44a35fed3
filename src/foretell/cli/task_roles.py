"""`foretell task roles`: who did what to whom."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import options_of
from foretell.cli.task_tags import refuse_why, table
from foretell.tasks.options import LabelOptions

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from foretell.tasks.roles import RoleMeasures


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
    say_lines(display, f"{out}: on the part kept back, by which it was chosen")
    for said, learned in (("predicates", found.finder), ("roles of a predicate", found.roles)):
        say_lines(display, f"{said}, {learned.examples:,} examples")
        display.show(table(learned.tried))
    say_lines(display, *_lines(found.given, found.found))
    say_next(display, name, out, options, fields="")
    return 0


def evaluate(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.cli.task_common import say_json, say_lines
    from foretell.tasks import roles

    labeller = roles.load(Path(arguments.model), arguments.rung)
    given, found = roles.evaluate(labeller, Path(arguments.data))
    if arguments.json:
        say_json({"given": asdict(given), "found": asdict(found)})
        return 0
    say_lines(Display(), *_lines(given, found))
    return 0


def compare(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.cli.task_common import say_json, table_of
    from foretell.tasks import roles, tagging

    model = Path(arguments.model)
    rungs = tagging.rungs_of(model / roles.ROLES)
    found = [roles.evaluate(roles.load(model, rung), Path(arguments.data)) for rung in rungs]
    if arguments.json:
        say_json(
            [
                {"rung": rung, "given": asdict(given), "found": asdict(own)}
                for rung, (given, own) in zip(rungs, found, strict=True)
            ]
        )
        return 0
    lines = table_of(("F1, predicates given", "F1, predicates found"))
    for rung, pair in zip(rungs, found, strict=True):
        cells = [f"{m.f1.value:.3f} [{m.f1.low:.3f}, {m.f1.high:.3f}]" for m in pair]
        lines.add_row(rung, *cells)
    Display().show(lines)
    return 0


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


def _lines(given: RoleMeasures, found: RoleMeasures) -> list[str]:
    lines = [
        f"span F1, {said}  {each.f1.value:.3f} [{each.f1.low:.3f}, {each.f1.high:.3f}] over "
        f"{each.sentences:,} sentences; precision {each.precision:.3f}, recall {each.recall:.3f}"
        for said, each in (("predicates given", given), ("predicates found", found))
    ]
    if given.sense_accuracy is not None:
        lines.append(f"sense of a predicate  {given.sense_accuracy:.3f}")
    return lines
