"""`foretell compare`: the main job, with its table and its report."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_dry_run, add_json, add_text, options_of, text_of
from foretell.ladder.options import CompareOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

BESIDE = "beside"
HELP = "train the whole ladder on a text and say which model to use, and why"


def add(parser: ArgumentParser) -> None:
    add_text(parser)
    # The natural word is no name of a field in Python.
    parser.add_class_arguments(CompareOptions, skip={BESIDE})
    parser.add_argument(
        "--with",
        type=str,
        help="models from elsewhere to measure beside the ladder, as they are: names, folders or "
        "files, with commas between, such as smollm2-135m,models/mine",
    )
    add_dry_run(parser)
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.ladder import comparison as ladder
    from foretell.report.page import write_page
    from foretell.report.tables import comparison_json, comparison_table

    options = options_of(CompareOptions, arguments, renamed={BESIDE: "with"})
    path = text_of(arguments)
    with Display() as display, Stop(display) as stop:
        if arguments.dry_run:
            plan = ladder.plan(path, options, progress=display.reading)
        else:
            result = ladder.compare(
                path, options, spectator=display, progress=display.reading, stop=stop
            )
    if arguments.dry_run:
        if arguments.json:
            sys.stdout.write(json.dumps([step.as_dict() for step in plan]) + "\n")
        else:
            display.show_plan(plan)
        return 0
    out = ladder.output_folder(path, options)
    write_page(result, out / "report.html", options.language)
    if arguments.json:
        sys.stdout.write(json.dumps(comparison_json(result), ensure_ascii=False) + "\n")
        return 0
    display.show(comparison_table(result, options.language))
    display.show_next(out, result.prompts[0] if result.prompts else "")
    return 0
