"""`foretell train`: one model from one text, which for a network may be larger than memory."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_dry_run, add_json, add_text, options_of, text_of
from foretell.ladder.options import TrainOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = "train one model on a text"


def add(parser: ArgumentParser) -> None:
    add_text(parser, "; or a folder that `foretell tokenizer apply` wrote")
    parser.add_argument("--out", type=str, help="folder for the model; models/FAMILY if not given")
    parser.add_class_arguments(TrainOptions)
    add_dry_run(parser)
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.cli.progress import Display, Stop
    from foretell.corpus.source import load_corpus
    from foretell.ladder import single, streamed
    from foretell.ladder.laws import check_trained
    from foretell.report.scaling import check_line
    from foretell.report.training import draw_beside
    from foretell.storage import refuse_existing

    options = options_of(TrainOptions, arguments)
    path = text_of(arguments)
    out = Path(arguments.out or Path("models") / options.model)
    refuse_existing(out)
    large = streamed.streams(path, options)
    with Display() as display, Stop(display) as stop:
        if path is not None and large and arguments.dry_run:
            plan = [streamed.plan(path, options, progress=display.reading)]
        elif path is not None and large:
            trained = streamed.train_into(out, path, options, audience=display, stop=stop)
        else:
            corpus = load_corpus(
                path, field=options.field, seed=options.seed, progress=display.reading
            )
            display.corpus(corpus)
            if arguments.dry_run:
                plan = [single.plan(corpus, options)]
            else:
                watch = display.learning(options.model)
                trained = single.train_into(out, corpus, options, watch=watch, stop=stop)
    if arguments.dry_run:
        if arguments.json:
            sys.stdout.write(json.dumps([step.as_dict() for step in plan]) + "\n")
        else:
            display.show_plan(plan)
        return 0
    if not trained.first:
        return 0
    check = None if large else check_trained(path, out, trained)
    bits, total, run = trained.score.bits_per_byte, trained.score.total, trained.run
    if arguments.json:
        found = {
            "model": str(out),
            "bits_per_byte": bits.value,
            "interval": [bits.low, bits.high],
            "perplexity": total.perplexity,
            "signature": str(trained.score.signature),
            "seconds": run.seconds,
            "tokens": run.tokens,
            "ended": run.ended,
            "from_disk": large,
            "predicted": None if check is None else asdict(check.predicted),
        }
        sys.stdout.write(json.dumps(found) + "\n")
        draw_beside(out)
        return 0
    display.show(
        f"{out}: {bits.value:.3f} bits per byte [{bits.low:.3f}, {bits.high:.3f}] on "
        f"{total.documents} held-out documents, after {run.seconds:.0f} s and {run.tokens:,} tokens"
    )
    if check is not None:
        display.show(check_line(check))
    drawn = draw_beside(out)
    picture = [("Picture", str(drawn))] if drawn else []
    then = (("Next", f'foretell generate {out} ""'), ("", f"foretell verify {out}"))
    display.show_commands((*picture, *then))
    return 0
