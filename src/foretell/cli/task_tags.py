"""`foretell task understand`: what a request is about, and its slots. What two sentences say of
each other is a label, so that is left to `task_labels`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli import task_labels
from foretell.cli.parsing import options_of
from foretell.tasks.options import LabelOptions

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from rich.table import Table

    from foretell.tasks.tag_measures import TagMeasures
    from foretell.tasks.tagging import TriedTags

WORST = 5
"""Names that are told of."""


def train(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.storage import refuse_existing
    from foretell.tasks.tagging import RECORD, train_into

    if arguments.second is not None:
        return task_labels.train(name, arguments)
    data = Path(arguments.data)
    out = Path(arguments.out or Path("models") / f"{data.stem}-{name}")
    refuse_existing(out)
    with Display() as display, Stop(display) as stop:
        options = options_of(LabelOptions, arguments)
        found = train_into(out, data, options, begin=display.teaching, stop=stop)
    if arguments.json:
        sys.stdout.write(json.dumps(json.loads((out / RECORD).read_text("utf-8"))) + "\n")
        return 0
    kinds = (len(found.names.tags) - 1) // 2
    display.show(
        f"{out}: {found.rung}, {kinds} kinds of spans and {len(found.names.labels)} labels from "
        f"{found.examples:,} examples"
    )
    display.show("On the part kept back, by which it was chosen:")
    display.show(table_of(found.tried))
    best = next(each for each in found.tried if each.rung == found.rung)
    for line in _lines(best.measures):
        display.show(line)
    display.show_commands(
        (
            ("Next", f"foretell task {name} evaluate {out} TEST"),
            ("", f"foretell task {name} predict {out} TEXTS --text {options.text}"),
        )
    )
    return 0


def evaluate(name: str, arguments: Namespace) -> int:
    from foretell.tasks import tagging

    if not _has_spans(arguments.model):
        return task_labels.evaluate(name, arguments)
    predictor = tagging.load(Path(arguments.model), arguments.rung)
    found = tagging.evaluate(predictor, Path(arguments.data))
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(found), ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(found)) + "\n")
    return 0


def compare(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.tasks import tagging

    if not _has_spans(arguments.model):
        return task_labels.compare(name, arguments)
    found = tagging.compare(Path(arguments.model), Path(arguments.data))
    if arguments.json:
        said = [asdict(each) for each in found]
        sys.stdout.write(json.dumps(said, ensure_ascii=False) + "\n")
    else:
        Display().show(table_of(found))
    return 0


def predict(name: str, arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.contracts.errors import ForetellError
    from foretell.tasks import tagging

    if not _has_spans(arguments.model):
        return task_labels.predict(name, arguments)
    if arguments.why:
        raise ForetellError("which words decided is told of labels, not of spans; leave --why out")
    model, data = Path(arguments.model), Path(arguments.data)
    with Display() as display:
        if arguments.out is not None:
            count = tagging.answer_into(
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
        predictor = tagging.load(model, arguments.rung)
        for each in tagging.answer(predictor, data, arguments.text, progress=display.reading):
            sys.stdout.write((each.json if arguments.json else each.line) + "\n")
    return 0


def _has_spans(model: str) -> bool:
    from foretell.storage import check_seal

    return "tags" in check_seal(Path(model))


def table_of(tried: Sequence[TriedTags]) -> Table:
    """A line each, and by how much each differs from the best over the same texts."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "span F1", "label", "all right", "against the best", "seconds"):
        table.add_column(heading, justify="right" if heading else "left")
    for each in tried:
        found, behind = each.measures, each.behind
        label = found.label_accuracy
        apart = "" if behind is None else f"[{behind.low:+.3f}, {behind.high:+.3f}]"
        table.add_row(
            each.rung,
            f"{found.f1.value:.3f}",
            "" if label is None else f"{label.value:.3f}",
            f"{found.exact.value:.3f}",
            "best" if behind is None else f"{behind.value:+.3f} {apart}",
            f"{each.seconds:.0f}" if each.seconds else "",
        )
    return table


def _lines(found: TagMeasures) -> list[str]:
    f1, exact, label = found.f1, found.exact, found.label_accuracy
    lines = [
        f"span F1    {f1.value:.3f} [{f1.low:.3f}, {f1.high:.3f}] over {found.texts:,} texts; "
        f"precision {found.precision:.3f}, recall {found.recall:.3f}",
        f"all right  {exact.value:.3f} [{exact.low:.3f}, {exact.high:.3f}]",
    ]
    if label is not None:
        lines.insert(1, f"label      {label.value:.3f} [{label.low:.3f}, {label.high:.3f}]")
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
