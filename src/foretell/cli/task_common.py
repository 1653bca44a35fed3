"""What all of `foretell task` does alike: where things go, and how answers come out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from foretell.cli.progress import Display
from foretell.evaluation.results import Interval
from foretell.report.task_pages import write_beside
from foretell.tasks.answering import Answer, write_answers
from foretell.tasks.options import LabelOptions, ReadOptions

if TYPE_CHECKING:
    from jsonargparse import Namespace


def places(name: str, arguments: Namespace) -> tuple[Path, Path]:
    """Of the examples, and of what is to be written. Raises OutputExists."""
    from foretell.storage import refuse_existing

    data = Path(arguments.data)
    stem = Path(arguments.data.partition(",")[0]).stem
    out = Path(arguments.out or Path("models") / f"{stem}-{name}")
    refuse_existing(out)
    return data, out


def options_to_read(arguments: Namespace) -> LabelOptions:
    """Of `evaluate`, `compare` and `predict`."""
    label = getattr(arguments, "label", "label")
    return LabelOptions(text=arguments.text, second=arguments.second, label=label)


def say_record(out: Path) -> None:
    """What training found, on one line; the page stands beside."""
    from foretell.tasks.teaching import record_of

    write_beside(out)
    say_json(record_of(out))


def say_json(content: Any) -> None:
    """On one line."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")


def hold_all(
    arguments: Namespace, hold: Callable[..., Any], table: Callable[[Any], Table], *given: Any
) -> int:
    """Every kind of a model against what is known. hold: takes model, data, what is given, and as
    `progress` whom to tell how much is read."""
    with Display() as display:
        found = hold(Path(arguments.model), Path(arguments.data), *given, progress=display.reading)
    if arguments.json:
        say_json([asdict(each) for each in found])
    else:
        display.show(table(found))
    return 0


def hold_one(
    arguments: Namespace,
    hold: Callable[..., Any],
    lines: Callable[[Any], list[str]],
    *given: Any,
) -> int:
    """One kind of a model, as `hold_all`."""
    with Display() as display:
        found = hold(Path(arguments.model), Path(arguments.data), *given, progress=display.reading)
    if arguments.json:
        say_json(asdict(found))
    else:
        say_lines(display, *lines(found))
    return 0


def say_answers(
    arguments: Namespace,
    load: Callable[[], Any],
    answer: Callable[..., Iterable[Answer]],
    options: ReadOptions | None = None,
    **named: Any,
) -> int:
    """To a file, or a line at a time. load: opens what answers; options: how rows are read, if not
    as the arguments say; named: what else `answer` takes."""
    model, data = Path(arguments.model), Path(arguments.data)
    options = options or options_to_read(arguments)
    asked = [asdict(options), arguments.rung, dict(named)]
    with Display() as display:
        named["progress"] = display.reading
        opened = load()
        if arguments.out is None:
            for each in answer(opened, data, options, **named):
                sys.stdout.write((each.json if arguments.json else each.line) + "\n")
            return 0
        count = write_answers(
            Path(arguments.out),
            model,
            data,
            asked,
            lambda after: answer(opened, data, options, after=after, **named),
            as_json=arguments.json,
        )
        display.say(f"{arguments.out}: {count:,} answers")
    return 0


def say_next(display: Display, name: str, out: Path, options: ReadOptions, right: str = "") -> None:
    """What to look at after training, and what to type. right: option that says where the right
    answers stand; none if examples are not read by columns."""
    columns = {each: getattr(options, each, None) for each in ("text", "second", "choices")}
    asked = "".join(f" --{each} {column}" for each, column in columns.items() if column)
    show_written(
        display,
        out,
        f"foretell task {name} evaluate {out} TEST" + (f"{asked} {right}" if right else ""),
        f"foretell task {name} predict {out} TEXTS{asked}",
    )


def show_written(display: Display, out: Path, first: str, second: str) -> None:
    """The page of what was written, and two commands."""
    page = write_beside(out)
    display.show_commands(
        (*([("Report", str(page))] if page else []), ("Next", first), ("", second))
    )


def say_lines(display: Display, *lines: str) -> None:
    """As they are: labels and paths may hold what rich would take for markup."""
    for line in lines:
        display.out.print(Text(line), soft_wrap=True)


def table_of(headings: Iterable[str]) -> Table:
    """A line a kind of model, numbers on the right."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def behind(interval: Interval | None) -> str:
    """How far one lies behind the best."""
    if interval is None:
        return "best"
    return f"{interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
