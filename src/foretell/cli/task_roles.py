"""`foretell task roles`: who did what to whom."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import options_of
from foretell.contracts.errors import ForetellError
from foretell.tasks.options import LabelOptions

if TYPE_CHECKING:
    from jsonargparse import Namespace

    from foretell.tasks.roles import RoleMeasures


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.cli.task_tags import table_of
    from foretell.storage import refuse_existing
    from foretell.tasks.roles import RECORD, train_into

    data = Path(arguments.data)
    out = Path(arguments.out or Path("models") / f"{data.stem}-{name}")
    refuse_existing(out)
    with Display() as display, Stop(display) as stop:
        options = options_of(LabelOptions, arguments)
        found = train_into(out, data, options, begin=display.teaching, stop=stop)
    if arguments.json:
        sys.stdout.write(json.dumps(json.loads((out / RECORD).read_text("utf-8"))) + "\n")
        return 0
    display.show(f"{out}: on the part kept back, by which it was chosen")
    for said, learned in (("predicates", found.finder), ("roles of a predicate", found.roles)):
        display.show(f"{said}, {learned.examples:,} examples")
        display.show(table_of(learned.tried))
    for line in _lines(found.given, found.found):
        display.show(line)
    display.show_commands(
        (
            ("Next", f"foretell task {name} evaluate {out} TEST"),
            ("", f"foretell task {name} predict {out} TEXTS --text {options.text}"),
        )
    )
    return 0


def evaluate(name: str, arguments: Namespace) -> int:
    from foretell.tasks import roles

    labeller = roles.load(Path(arguments.model), arguments.rung)
    given, found = roles.evaluate(labeller, Path(arguments.data))
    if arguments.json:
        content = {"given": asdict(given), "found": asdict(found)}
        sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(given, found)) + "\n")
    return 0


def compare(name: str, arguments: Namespace) -> int:
    from rich.table import Table

    from foretell.cli.progress import Display
    from foretell.tasks import roles, tagging

    model = Path(arguments.model)
    rungs = tagging.rungs_of(model / roles.ROLES)
    found = [roles.evaluate(roles.load(model, rung), Path(arguments.data)) for rung in rungs]
    if arguments.json:
        content = [
            {"rung": rung, "given": asdict(given), "found": asdict(own)}
            for rung, (given, own) in zip(rungs, found, strict=True)
        ]
        sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
        return 0
    table = Table(box=None, pad_edge=False)
    for heading in ("", "F1, predicates given", "F1, predicates found"):
        table.add_column(heading, justify="right" if heading else "left")
    for rung, pair in zip(rungs, found, strict=True):
        cells = [f"{m.f1.value:.3f} [{m.f1.low:.3f}, {m.f1.high:.3f}]" for m in pair]
        table.add_row(rung, *cells)
    Display().show(table)
    return 0


def predict(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.tasks import roles

    if arguments.why:
        raise ForetellError("which words decided is told of labels, not of roles; leave --why out")
    model, data = Path(arguments.model), Path(arguments.data)
    with Display() as display:
        if arguments.out is not None:
            count = roles.answer_into(
                Path(arguments.out),
                model,
                data,
                arguments.text,
                as_json=arguments.json,
                rung=arguments.rung,
                progress=display.reading,
            )
            display.say(f"{arguments.out}: {count:,} answers")
            return 0
        labeller = roles.load(model, arguments.rung)
        for each in roles.answer(labeller, data, arguments.text, progress=display.reading):
            sys.stdout.write((each.json if arguments.json else each.line) + "\n")
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
