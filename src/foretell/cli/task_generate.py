"""`foretell task generate`: texts like those of a collection."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import options_of
from foretell.tasks.options import GenerateOptions, ReadOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace
    from rich.table import Table

    from foretell.tasks.generating import TriedModel
    from foretell.tasks.measures.pieces import GenerationMeasures

DATA = "csv, tsv, jsonl, json or parquet with a row a text, a folder of them, or a file of lines"


def add_train(parser: ArgumentParser) -> None:
    parser.add_argument("data", type=str, help=DATA)
    parser.add_argument("--out", type=str, help="folder for the generator; models/DATA-generate")
    parser.add_class_arguments(GenerateOptions)


def add_evaluate(parser: ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("data", type=str, help=DATA)
    parser.add_argument("--text", type=str, default="text", help="column that holds the text")
    parser.add_argument("--topic", type=str, help="column that holds what it is about")


def add_compare(parser: ArgumentParser) -> None:
    add_evaluate(parser)


def _add_model(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder that `train` wrote")
    parser.add_argument("--rung", type=str, help="another kind than was chosen: count, transformer")
    parser.add_argument("--temperature", type=float, default=1.0, help="below 1 less daring")


def add_predict(parser: ArgumentParser) -> None:
    _add_model(parser)
    parser.add_argument("data", type=str, help="a topic, or a file with a row or line a topic")
    parser.add_argument("--text", type=str, default="text", help="column that holds the topic")
    parser.add_argument("--count", type=int, default=1, help="texts on a topic that is given alone")
    parser.add_argument("--seed", type=int, default=0, help="other texts")
    parser.add_argument(
        "--out", type=str, help="file for the texts; the same command goes on if it was stopped"
    )


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.cli.task_common import places, say_lines, say_record, show_written
    from foretell.tasks.generating import train_into

    data, out = places(name, arguments)
    options = options_of(GenerateOptions, arguments)
    with Display() as display, Stop(display) as stop:
        found = train_into(
            out, data, options, progress=display.reading, begin=display.learning, stop=stop
        )
    if arguments.json:
        say_record(out)
        return 0
    known = f", {found.forms:,} of {found.topics:,} topics have a form" if options.topic else ""
    say_lines(
        display,
        f"{out}: {found.rung}, from {found.texts:,} texts{known}",
        "On the part kept back, by which it was chosen:",
    )
    display.show(_table(found.generates))
    topic = f" --topic {options.topic}" if options.topic else ""
    show_written(
        display,
        out,
        f"foretell task {name} predict {out} " + ("TOPIC" if options.topic else '""'),
        f"foretell task {name} evaluate {out} TEST --text {options.text}{topic}",
    )
    return 0


def _table(tried: Sequence[TriedModel]) -> Table:
    from foretell.cli.task_common import behind, table_of

    table = table_of(("bits a byte", "against the best", "seconds"))
    for each in tried:
        bits = f"{each.bits_per_byte.value:.3f}"
        table.add_row(each.rung, bits, behind(each.behind), f"{each.seconds:.0f}")
    return table


def evaluate(name: str, arguments: Namespace) -> int:
    return _hold(arguments, [arguments.rung])


def compare(name: str, arguments: Namespace) -> int:
    from foretell.tasks.generating import rungs_of

    return _hold(arguments, rungs_of(Path(arguments.model)))


def _hold(arguments: Namespace, rungs: Sequence[str | None]) -> int:
    """What each kind writes, and what people wrote on the same topics."""
    from foretell.cli.progress import Display
    from foretell.cli.task_common import say_json
    from foretell.tasks.generating import evaluate as measure
    from foretell.tasks.generating import load

    options = GenerateOptions(text=arguments.text, topic=arguments.topic)
    found: dict[str, GenerationMeasures] = {}
    with Display() as display:
        for rung in rungs:
            generator = load(Path(arguments.model), rung)
            found[generator.rung], found["originals"] = measure(
                generator,
                Path(arguments.data),
                options,
                temperature=arguments.temperature,
                progress=display.reading,
            )
    theirs = found.pop("originals")
    found["originals"] = theirs
    if arguments.json:
        say_json({rung: asdict(each) for rung, each in found.items()})
    else:
        display.show(_measures(found))
    return 0


def _measures(found: dict[str, GenerationMeasures]) -> Table:
    from foretell.cli.task_common import table_of

    table = table_of(("texts", "length", "rhyme", "both", "copied", "distinct", "repeated"))
    for rung, each in found.items():
        kept = (each.right_length, each.rhymed, each.right)
        table.add_row(
            rung,
            f"{each.texts:,}",
            *("" if share is None else f"{100 * share.value:.1f}%" for share in kept),
            f"{100 * each.copied.value:.1f}%",
            f"{each.distinct_pairs:.2f}",
            f"{100 * each.repeated:.1f}%",
        )
    return table


def predict(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.cli.task_common import say_answers, say_lines
    from foretell.contracts.errors import ForetellError
    from foretell.tasks.generating import GeneratedText, answer, load

    if arguments.count < 1:
        raise ForetellError(f"--count must be 1 or more, not {arguments.count}")
    named = {"temperature": arguments.temperature, "seed": arguments.seed}
    # An empty topic is none, and no name of the folder that one stands in.
    if arguments.data and Path(arguments.data).exists():
        options = ReadOptions(text=arguments.text)
        return say_answers(
            arguments, lambda: load(Path(arguments.model), arguments.rung), answer, options, **named
        )
    if arguments.out is not None:
        raise ForetellError(f"{arguments.data} does not exist; --out is for a file of topics")
    generator = load(Path(arguments.model), arguments.rung)
    pieces = generator.write([arguments.data] * arguments.count, **named)
    if arguments.json:
        for number, piece in enumerate(pieces, 1):
            sys.stdout.write(GeneratedText(str(number), piece).json + "\n")
        return 0
    with Display() as display:
        for piece in pieces:
            say_lines(display, piece.text, "")
    return 0
