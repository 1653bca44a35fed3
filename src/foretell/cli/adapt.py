"""`foretell adapt`: teach a model that exists a text, and see what it gained and forgot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_json, options_of
from foretell.ladder.options import AdaptOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from foretell.ladder.adapting import Change

HELP = "teach a pretrained model your text: before and after, there and on a general text"


def add(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder, file or name of a model")
    parser.add_argument("text", type=str, help="file or folder to learn from")
    parser.add_argument(
        "--out", type=str, help="folder for the model; models/MODEL-TEXT if not given"
    )
    parser.add_class_arguments(AdaptOptions)
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.ladder.adapting import RECORD, adapt_into, load_adapting
    from foretell.report.training import draw_beside
    from foretell.storage import refuse_existing

    options = options_of(AdaptOptions, arguments)
    text = Path(arguments.text)
    named = f"{Path(arguments.model).stem}-{text.resolve().stem}"
    out = Path(arguments.out or Path("models") / named)
    refuse_existing(out)
    with Display() as display, Stop(display) as stop:
        corpus = load_adapting(text, options, progress=display.reading)
        display.corpus(corpus)
        watch = display.learning("adapting")
        adapted = adapt_into(out, arguments.model, corpus, options, watch=watch, stop=stop)
    if arguments.json:
        sys.stdout.write((out / RECORD).read_text("utf-8").replace("\n", "") + "\n")
        draw_beside(out)
        return 0
    display.show(
        f"{out}: {adapted.learned:,} of {adapted.parameters:,} parameters learned from "
        f"{adapted.run.tokens:,} tokens in {adapted.run.seconds:.0f} s"
    )
    if adapted.left_out:
        display.show(f"{adapted.left_out:,} pairs were too long for a row, and were left out")
    display.show(_line("your answers" if options.answer else "your text", adapted.held_out))
    display.show(_line(adapted.general_title, adapted.general))
    drawn = draw_beside(out)
    display.show_commands(
        (
            *([("Picture", str(drawn))] if drawn else []),
            ("Next", f'foretell generate {out} ""'),
            ("", f"foretell score {out} TEXT --against {arguments.model}"),
        )
    )
    return 0


def _line(title: str, change: Change) -> str:
    before, after = change.before.total.bits_per_byte, change.after.total.bits_per_byte
    at = change.difference.interval
    return (
        f"{title:<28} {before:.3f} -> {after:.3f} bits per byte, {at.value:+.3f} "
        f"[{at.low:+.3f}, {at.high:+.3f}] over {len(change.after.evidence)} documents"
    )
