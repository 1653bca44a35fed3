"""`foretell task translate|summarize|answer`: texts made of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli import task_choices
from foretell.cli.parsing import options_of
from foretell.tasks.options import Held, TextOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from rich.table import Table

    from foretell.tasks.measures.texts import TextMeasures
    from foretell.tasks.writing import TriedWriter

DATA = "csv, tsv, jsonl, json or parquet with a row a text, or two files of lines: a.en,a.de"
TEXTS = "csv, tsv, jsonl, json or parquet with a row a text, or a file of lines"


def add_train(parser: ArgumentParser) -> None:
    parser.add_argument("data", type=str, help=DATA)
    parser.add_argument("--out", type=str, help="folder for the writer; models/DATA-NAME")
    parser.add_class_arguments(TextOptions)


def add_evaluate(parser: ArgumentParser) -> None:
    add_compare(parser)
    _add_rung(parser)


def add_compare(parser: ArgumentParser) -> None:
    _add_model(parser, DATA)
    parser.add_argument("--target", type=str, default="target", help="column of what is right")
    parser.add_class_arguments(Held)


def _add_model(parser: ArgumentParser, data: str) -> None:
    parser.add_argument("model", type=str, help="folder that `train` wrote")
    parser.add_argument("data", type=str, help=data)
    parser.add_argument("--text", type=str, default="text", help="column that holds the text")
    parser.add_argument("--second", type=str, help="column that holds a second text, if any")
    parser.add_argument("--choices", type=str, help="column of answers that are chosen from")


def _add_rung(parser: ArgumentParser) -> None:
    kinds = "lead, count, recurrent, transformer, adapted"
    parser.add_argument("--rung", type=str, help=f"another kind than was chosen: {kinds}")


def add_predict(parser: ArgumentParser) -> None:
    _add_model(parser, TEXTS)
    _add_rung(parser)
    parser.add_argument("--alternatives", type=int, default=1, help="texts for each, at most")
    parser.add_class_arguments(Held)
    parser.add_argument(
        "--out", type=str, help="file for the answers; the same command goes on if it was stopped"
    )


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.cli.task_common import places, say_lines, say_next, say_record
    from foretell.tasks.writing import train_into

    if arguments.choices is not None:
        return task_choices.train(name, arguments)
    data, out = places(name, arguments)
    options = options_of(TextOptions, arguments)
    with Display() as display, Stop(display) as stop:
        found = train_into(
            out, data, name, options, progress=display.reading, begin=display.learning, stop=stop
        )
    if arguments.json:
        say_record(out)
        return 0
    say_lines(
        display,
        f"{out}: {found.rung}, from {found.examples:,} examples"
        + (f", {found.unanswered:,} of them without an answer" if found.unanswered else ""),
        "On the part kept back, by which it was chosen:",
    )
    display.show(_table(found.tried))
    say_lines(display, found.dev.signature)
    say_next(display, name, out, options, f"--target {options.target}")
    return 0


def _table(tried: Sequence[TriedWriter]) -> Table:
    """A line each, and by how much each differs from the best over the same texts."""
    from foretell.cli.task_common import behind, table_of

    first = tried[0].measures
    table = table_of((first.name, *first.others, "against the best", "seconds"))
    for each in tried:
        found = each.measures
        table.add_row(
            each.rung,
            f"{found.score.value:.1f}",
            *(f"{value:.1f}" for value in found.others.values()),
            behind(each.behind),
            f"{each.seconds:.0f}" if each.seconds else "",
        )
    return table


def compare(name: str, arguments: Namespace) -> int:
    from foretell.cli.task_common import hold_all
    from foretell.tasks.writing import compare as hold

    if _has_choices(arguments):
        return task_choices.compare(arguments)
    return hold_all(arguments, hold, _table, _read_options(arguments))


def evaluate(name: str, arguments: Namespace) -> int:
    from foretell.cli.task_common import hold_one
    from foretell.tasks.writing import evaluate as hold

    if _has_choices(arguments):
        return task_choices.evaluate(arguments)
    return hold_one(arguments, hold, _lines, _read_options(arguments), arguments.rung)


def _has_choices(arguments: Namespace) -> bool:
    """Whether the model chooses its answers. Raises ForetellError if it is told to and cannot."""
    from foretell.contracts.errors import ForetellError
    from foretell.storage import check_seal

    chooses = "choices" in check_seal(Path(arguments.model))
    if arguments.choices is not None and not chooses:
        raise ForetellError(f"{arguments.model} writes its answers; leave --choices out")
    return chooses


def _read_options(arguments: Namespace) -> TextOptions:
    return TextOptions(
        text=arguments.text,
        second=arguments.second,
        target=arguments.get("target", "target"),
        **vars(options_of(Held, arguments)),
    )


def _lines(found: TextMeasures) -> list[str]:
    score = found.score
    return [
        f"{found.name}  {score.value:.1f} [{score.low:.1f}, {score.high:.1f}] over "
        f"{found.texts:,} texts",
        *(f"{name}  {value:.1f}" for name, value in found.others.items()),
        found.signature,
    ]


def predict(name: str, arguments: Namespace) -> int:
    from foretell.cli.task_common import say_answers
    from foretell.contracts.errors import ForetellError
    from foretell.tasks.writing import answer, load

    if _has_choices(arguments):
        return task_choices.predict(arguments)
    if arguments.alternatives < 1:
        raise ForetellError(f"--alternatives must be 1 or more, not {arguments.alternatives}")
    model, rung, options = Path(arguments.model), arguments.rung, _read_options(arguments)
    return say_answers(
        arguments,
        lambda: load(model, rung, options),
        answer,
        options,
        alternatives=arguments.alternatives,
    )
