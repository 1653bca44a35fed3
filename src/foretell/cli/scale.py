"""`foretell scale`: what more text or a larger model would buy, from a handful of tiny ones."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_dry_run, add_json, add_text, options_of, text_of
from foretell.ladder.options import ScaleOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = "fit a scaling law on small models: what would more text or more parameters buy?"


def add(parser: ArgumentParser) -> None:
    add_text(parser)
    parser.add_class_arguments(ScaleOptions)
    parser.add_argument(
        "--check",
        type=str,
        metavar="MODEL",
        help="train nothing: hold a model that `foretell train` made of this text against the law",
    )
    add_dry_run(parser)
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.evaluation.forecast import MORE_PARAMETERS, write_count, write_passes
    from foretell.ladder import scaling as ladder
    from foretell.ladder.laws import check_model, output_folder
    from foretell.report.scaling import check_line, draw, show

    options = options_of(ScaleOptions, arguments)
    path = text_of(arguments)
    out = output_folder(path, options.out)
    display = Display()
    if arguments.check is not None:
        check = check_model(out, Path(arguments.check))
        if arguments.json:
            sys.stdout.write(json.dumps(asdict(check) | {"error": check.error}) + "\n")
        else:
            display.show(check_line(check))
        return 0
    with display, Stop(display) as stop:
        if arguments.dry_run:
            plan = ladder.plan(path, options, progress=display.reading)
        else:
            found = ladder.scale(
                path, options, spectator=display, progress=display.reading, stop=stop
            )
    if arguments.dry_run:
        if arguments.json:
            sys.stdout.write(json.dumps([step.as_dict() for step in plan]) + "\n")
        else:
            display.show_plan(plan)
        return 0
    draw(found, out / "scale.png")
    if arguments.json:
        sys.stdout.write(json.dumps(found.as_dict(), ensure_ascii=False) + "\n")
        return 0
    display.show(show(found))
    text = "" if path is None else f"{path} "
    more = write_count(MORE_PARAMETERS * max(run.parameters for run in found.runs))
    budget = f"'{write_passes(found.passes)}'"
    name = Path("models") / f"{found.family}-{more}"
    command = f"foretell train {text}--model {found.family} --parameters {more} --budget {budget}"
    display.show_commands(
        (
            ("Picture", str(out / "scale.png")),
            ("Next", f"{command} --out {name}"),
            ("Then", f"foretell scale {text}--out {out} --check {name}"),
        )
    )
    return 0
