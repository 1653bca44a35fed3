"""`foretell task understand`: what a request is about, and its slots. What two sentences say of
each other is a label, so that is left to `task_labels`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli import task_labels
from foretell.cli.parsing import options_of
from foretell.contracts.errors import ForetellError
from foretell.tasks.options import LabelOptions

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from rich.table import Table

    from foretell.tasks.measures.tags import TagMeasures
    from foretell.tasks.tagging import TriedTags

WORST = 5
"""Names that are told of."""


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.cli.task_common import places, say_lines, say_next, say_record
    from foretell.tasks.tagging import train_into

    if arguments.second is not None:
        return task_labels.train(name, arguments)
    data, out = places(name, arguments)
    options = options_of(LabelOptions, arguments)
    with Display() as display, Stop(display) as stop:
        found = train_into(out, data, options, begin=display.teaching, stop=stop)
    if arguments.json:
        say_record(out)
        return 0
    kinds = (len(found.names.tags) - 1) // 2
    say_lines(
        display,
        f"{out}: {found.rung}, {kinds} kinds of spans and {len(found.names.labels)} labels from "
        f"{found.examples:,} examples",
        "On the part kept back, by which it was chosen:",
    )
    display.show(table(found.tried))
    best = next(each for each in found.tried if each.rung == found.rung)
    say_lines(display, *_lines(best.measures))
    say_next(display, name, out, options)
    return 0


def evaluate(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.cli.task_common import say_json, say_lines
    from foretell.tasks import tagging

    if not _has_spans(arguments.model):
        return task_labels.evaluate(name, arguments)
    predictor = tagging.load(Path(arguments.model), arguments.rung)
    found = tagging.evaluate(predictor, Path(arguments.data))
    if arguments.json:
        say_json(asdict(found))
        return 0
    say_lines(Display(), *_lines(found))
    return 0


def compare(name: str, arguments: Namespace) -> int:
    from foretell.cli.task_common import hold_all
    from foretell.tasks import tagging

    if not _has_spans(arguments.model):
        return task_labels.compare(name, arguments)
    return hold_all(arguments, lambda *given, progress: tagging.compare(*given), table)


def predict(name: str, arguments: Namespace) -> int:
    from foretell.cli.task_common import say_answers
    from foretell.tasks import scope, tagging

    if not _has_spans(arguments.model):
        return task_labels.predict(name, arguments)
    refuse_why(arguments)
    model, rung, reject = Path(arguments.model), arguments.rung, arguments.reject
    known = scope.load(model, reject=reject, told=arguments.json)
    return say_answers(
        arguments,
        lambda: tagging.load(model, rung),
        lambda *given, **named: tagging.answer(*given, known=known, **named),
        reject=reject,
    )


def refuse_why(arguments: Namespace) -> None:
    """Raise ForetellError if it is asked which words decided."""
    if arguments.why:
        raise ForetellError("which words decided is told of labels, not of spans; leave --why out")


def _has_spans(model: str) -> bool:
    from foretell.storage import check_seal

    return "tags" in check_seal(Path(model))


def table(tried: Sequence[TriedTags]) -> Table:
    """A line each, and by how much each differs from the best over the same texts."""
    from foretell.cli.task_common import behind, table_of

    lines = table_of(
        ("span F1", "label", "calibration error", "all right", "against the best", "seconds")
    )
    for each in tried:
        found = each.measures
        apart = found.calibration_error or found.span_calibration_error
        lines.add_row(
            each.rung,
            f"{found.f1.value:.3f}",
            "" if found.label_accuracy is None else f"{found.label_accuracy.value:.3f}",
            "" if apart is None else f"{apart.value:.3f}",
            f"{found.exact.value:.3f}",
            behind(each.behind),
            f"{each.seconds:.0f}" if each.seconds else "",
        )
    return lines


def _lines(found: TagMeasures) -> list[str]:
    f1, exact, label = found.f1, found.exact, found.label_accuracy
    lines = [
        f"span F1    {f1.value:.3f} [{f1.low:.3f}, {f1.high:.3f}] over {found.texts:,} texts; "
        f"precision {found.precision:.3f}, recall {found.recall:.3f}",
        f"all right  {exact.value:.3f} [{exact.low:.3f}, {exact.high:.3f}]",
    ]
    if label is not None:
        lines.insert(1, f"label      {label.value:.3f} [{label.low:.3f}, {label.high:.3f}]")
    for of, apart in (
        ("labels", found.calibration_error),
        ("spans", found.span_calibration_error),
    ):
        if apart is not None:
            lines.append(
                f"calibration error of {of}  {apart.value:.3f} [{apart.low:.3f}, {apart.high:.3f}]"
            )
    if found.strange:
        lines.append(f"{found.strange:>6,} texts have a name that was not learned, so are wrong")
    wrong = sorted(
        (said + there - 2 * right, name, right, said, there)
        for name, (right, said, there) in found.names.items()
    )
    for count, name, right, said, there in reversed(wrong[-WORST:]):
        if count:
            lines.append(f"{right:>6,} right of {said:,} said and {there:,} there: {name}")
    return lines
