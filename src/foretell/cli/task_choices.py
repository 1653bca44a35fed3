"""`foretell task answer --choices COLUMN`: questions with a few answers to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import options_of
from foretell.contracts.errors import ForetellError
from foretell.tasks.options import TextOptions

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from rich.table import Table

    from foretell.tasks.multiple_choice import ChoiceMeasures, TriedChoices


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.cli.task_common import places, say_lines, say_next, say_record
    from foretell.tasks.multiple_choice import train_into

    if name != "answer":
        raise ForetellError(f"--choices is for `foretell task answer`; {name} writes its texts")
    _refuse(arguments, "longest", "least")
    data, out = places(name, arguments)
    options = options_of(TextOptions, arguments)
    with Display() as display, Stop(display) as stop:
        found = train_into(
            out, data, options, progress=display.reading, begin=display.teaching, stop=stop
        )
    if arguments.json:
        say_record(out)
        return 0
    say_lines(
        display,
        f"{out}: {found.rung}, from {found.examples:,} questions with {found.choices:.1f} choices",
        "On the part kept back, by which it was chosen:",
    )
    display.show(_table(found.tried))
    say_lines(display, *_lines(found.dev))
    say_next(display, name, out, options, f"--target {options.target}")
    return 0


def _refuse(arguments: Namespace, *names: str) -> None:
    """Raise ForetellError if something is asked that choosing knows nothing of."""
    for name in names:
        if arguments[name] is not None:
            raise ForetellError(f"answers that are chosen have no --{name}; leave it out")


def _table(tried: Sequence[TriedChoices]) -> Table:
    """A line each, and by how much each differs from the best over the same questions."""
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


def _lines(found: ChoiceMeasures) -> list[str]:
    accuracy, apart = found.accuracy, found.calibration_error
    return [
        f"accuracy  {accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}] over "
        f"{found.texts:,} questions; blindly {found.floor:.3f}",
        f"calibration error  {apart.value:.3f} [{apart.low:.3f}, {apart.high:.3f}], by chance "
        f"alone {found.chance_error:.3f}; {found.nats:.3f} nats a question",
    ]


def compare(arguments: Namespace) -> int:
    from foretell.cli.task_common import hold_all
    from foretell.tasks.multiple_choice import compare as hold

    _refuse(arguments, "longest", "least")
    return hold_all(arguments, hold, _table, _options(arguments))


def evaluate(arguments: Namespace) -> int:
    from foretell.cli.task_common import hold_one
    from foretell.tasks.multiple_choice import evaluate as hold

    _refuse(arguments, "longest", "least")
    return hold_one(arguments, hold, _lines, _options(arguments), arguments.rung)


def predict(arguments: Namespace) -> int:
    from foretell.cli.task_common import say_answers
    from foretell.tasks.multiple_choice import answer, load

    _refuse(arguments, "longest")
    if arguments.alternatives != 1:
        raise ForetellError("--json tells how likely every choice is; leave --alternatives out")
    model, rung = Path(arguments.model), arguments.rung
    return say_answers(
        arguments, lambda: load(model, rung), answer, _options(arguments), least=arguments.least
    )


def _options(arguments: Namespace) -> TextOptions:
    """How rows are read. Raises ForetellError if it is not said where choices stand."""
    if arguments.choices is None:
        raise ForetellError(
            f"{arguments.model} chooses between answers; name their column with --choices"
        )
    target = arguments.get("target", "target")
    return TextOptions(
        text=arguments.text, second=arguments.second, choices=arguments.choices, target=target
    )
