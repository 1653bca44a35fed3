"""`foretell task classify|sentiment`: labels for texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foretell.cli.parsing import options_of
from foretell.tasks.options import LabelOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from rich.table import Table

    from foretell.tasks.measures.labels import LabelMeasures
    from foretell.tasks.rungs import Tried

DATA = "csv, tsv, jsonl, json or parquet with a row a text"


def add_train(parser: ArgumentParser) -> None:
    parser.add_argument("data", type=str, help=DATA)
    parser.add_argument("--out", type=str, help="folder for the predictor; models/DATA-NAME")
    parser.add_class_arguments(LabelOptions)


def add_evaluate(parser: ArgumentParser) -> None:
    add_compare(parser)
    _add_rung(parser)


def add_compare(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder that `train` wrote")
    parser.add_argument("data", type=str, help=DATA)
    parser.add_argument("--text", type=str, default="text", help="column that holds the text")
    parser.add_argument("--second", type=str, help="column that holds a second text, if any")
    parser.add_argument("--label", type=str, default="label", help="column that holds the label")


def _add_rung(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--rung",
        type=str,
        help="another kind than was chosen: count, recurrent, prompted, adapted, together",
    )


def add_predict(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder that `train` wrote")
    parser.add_argument("data", type=str, help=DATA)
    parser.add_argument("--text", type=str, default="text", help="column that holds the text")
    parser.add_argument("--second", type=str, help="column that holds a second text, if any")
    _add_rung(parser)
    parser.add_argument("--why", action="store_true", help="also the words that decided")
    parser.add_argument(
        "--reject", type=float, help="share of usual texts that may go without label as too unusual"
    )
    parser.add_argument(
        "--out", type=str, help="file for the answers; the same command goes on if it was stopped"
    )


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.cli.task_common import places, say_lines, say_next, say_record
    from foretell.tasks.labelling import train_into

    data, out = places(name, arguments)
    options = options_of(LabelOptions, arguments)
    with Display() as display, Stop(display) as stop:
        found = train_into(
            out, data, options, progress=display.reading, begin=display.teaching, stop=stop
        )
    if arguments.json:
        say_record(out)
        return 0
    say_lines(
        display,
        f"{out}: {found.rung}, {len(found.labels)} labels from {found.examples:,} examples",
        "On the part kept back, by which it was chosen:",
    )
    display.show(_table(found.tried))
    say_lines(display, *_lines(found.dev))
    say_next(display, name, out, options, f"--label {options.label}")
    return 0


def _table(tried: Sequence[Tried]) -> Table:
    """A line each, and by how much each differs from the best over the same texts."""
    from foretell.cli.task_common import behind, table_of

    table = table_of(("accuracy", "nats", "calibration error", "against the best", "seconds"))
    for each in tried:
        found = each.measures
        table.add_row(
            each.rung,
            f"{found.accuracy.value:.3f}",
            f"{found.nats:.3f}",
            f"{found.calibration_error.value:.3f}",
            behind(each.behind),
            f"{each.seconds:.0f}" if each.seconds else "",
        )
    return table


def compare(name: str, arguments: Namespace) -> int:
    from foretell.cli.task_common import hold_all, options_to_read
    from foretell.tasks.labelling import compare as hold

    return hold_all(arguments, hold, _table, options_to_read(arguments))


def evaluate(name: str, arguments: Namespace) -> int:
    from foretell import tasks
    from foretell.cli.task_common import hold_one, options_to_read
    from foretell.tasks.labelling import evaluate as hold

    def measure(model: Path, *given: Any, **named: Any) -> LabelMeasures:
        return hold(tasks.load(model, arguments.rung), *given, **named)

    return hold_one(arguments, measure, _lines, options_to_read(arguments))


def _lines(found: LabelMeasures) -> list[str]:
    accuracy, apart = found.accuracy, found.calibration_error
    lines = [
        f"accuracy  {accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}] over "
        f"{found.texts:,} texts; always the commonest label {found.floor:.3f}",
        f"macro F1  {found.macro_f1:.3f}",
        f"calibration error  {apart.value:.3f} [{apart.low:.3f}, {apart.high:.3f}], by chance "
        f"alone {found.chance_error:.3f}; {found.nats:.3f} nats a text",
    ]
    mistakes = sorted(
        (count, right, said)
        for right, row in found.confusion.items()
        for said, count in row.items()
        if said != right
    )
    for count, right, said in reversed(mistakes[-5:]):
        lines.append(f"{count:>6,} of {right} taken for {said}")
    return lines


def predict(name: str, arguments: Namespace) -> int:
    from foretell import tasks
    from foretell.cli.task_common import say_answers
    from foretell.tasks import scope
    from foretell.tasks.labelling import answer

    model, rung, reject = arguments.model, arguments.rung, arguments.reject
    known = scope.load(Path(model), reject=reject, told=arguments.json)
    return say_answers(
        arguments,
        lambda: tasks.load(model, rung),
        lambda *given, **named: answer(*given, known=known, **named),
        why=arguments.why,
        reject=reject,
    )
