"""`foretell task classify|sentiment`: labels for texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import options_of
from foretell.tasks.options import LabelOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from rich.table import Table

    from foretell.tasks.measures import LabelMeasures
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
        "--rung", type=str, help="another kind than was chosen: count, recurrent, adapted, together"
    )


def add_predict(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder that `train` wrote")
    parser.add_argument("data", type=str, help=DATA)
    parser.add_argument("--text", type=str, default="text", help="column that holds the text")
    parser.add_argument("--second", type=str, help="column that holds a second text, if any")
    _add_rung(parser)
    parser.add_argument("--why", action="store_true", help="also the words that decided")
    parser.add_argument(
        "--out", type=str, help="file for the answers; the same command goes on if it was stopped"
    )


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.storage import refuse_existing
    from foretell.tasks.labelling import RECORD, train_into

    data = Path(arguments.data)
    out = Path(arguments.out or Path("models") / f"{data.stem}-{name}")
    refuse_existing(out)
    with Display() as display, Stop(display) as stop:
        options = options_of(LabelOptions, arguments)
        found = train_into(
            out, data, options, progress=display.reading, begin=display.teaching, stop=stop
        )
    if arguments.json:
        sys.stdout.write(json.dumps(json.loads((out / RECORD).read_text("utf-8"))) + "\n")
        return 0
    display.show(
        f"{out}: {found.rung}, {len(found.labels)} labels from {found.examples:,} examples"
    )
    display.show("On the part kept back, by which it was chosen:")
    display.show(_table(found.tried))
    for line in _lines(found.dev):
        display.show(line)
    display.show_commands(
        (
            ("Next", f"foretell task {name} evaluate {out} TEST --text {options.text}"),
            ("", f"foretell task {name} predict {out} TEXTS --text {options.text}"),
        )
    )
    return 0


def _table(tried: Sequence[Tried]) -> Table:
    """A line each, and by how much each differs from the best over the same texts."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "accuracy", "nats", "calibration error", "against the best", "seconds"):
        table.add_column(heading, justify="right" if heading else "left")
    for each in tried:
        found, behind = each.measures, each.behind
        apart = "" if behind is None else f"[{behind.low:+.3f}, {behind.high:+.3f}]"
        table.add_row(
            each.rung,
            f"{found.accuracy.value:.3f}",
            f"{found.nats:.3f}",
            f"{found.calibration_error.value:.3f}",
            "best" if behind is None else f"{behind.value:+.3f} {apart}",
            f"{each.seconds:.0f}" if each.seconds else "",
        )
    return table


def compare(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.tasks.labelling import compare as hold

    options = LabelOptions(text=arguments.text, second=arguments.second, label=arguments.label)
    with Display() as display:
        found = hold(Path(arguments.model), Path(arguments.data), options, progress=display.reading)
    if arguments.json:
        said = [asdict(each) for each in found]
        sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    else:
        display.show(_table(found))
    return 0


def evaluate(name: str, arguments: Namespace) -> int:
    from foretell import tasks
    from foretell.cli.progress import Display
    from foretell.tasks.labelling import evaluate as hold

    predictor = tasks.load(arguments.model, arguments.rung)
    options = LabelOptions(text=arguments.text, second=arguments.second, label=arguments.label)
    with Display() as display:
        found = hold(predictor, Path(arguments.data), options, progress=display.reading)
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(found), ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(found)) + "\n")
    return 0


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
    from foretell.cli.progress import Display
    from foretell.tasks.labelling import answer, answer_into

    model, data = Path(arguments.model), Path(arguments.data)
    options = LabelOptions(text=arguments.text, second=arguments.second)
    with Display() as display:
        if arguments.out is not None:
            count = answer_into(
                Path(arguments.out),
                model,
                data,
                options,
                as_json=arguments.json,
                rung=arguments.rung,
                why=arguments.why,
                progress=display.reading,
            )
            display.say(f"{arguments.out}: {count:,} answers")
            return 0
        predictor = tasks.load(model, arguments.rung)
        for each in answer(predictor, data, options, why=arguments.why, progress=display.reading):
            sys.stdout.write((each.json if arguments.json else each.line) + "\n")
    return 0
