"""`foretell generate`: let a model write on."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_json, options_of
from foretell.ladder.options import GenerateOptions

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = "continue a prompt, as a stream"


def add(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder or file of a model")
    parser.add_argument(
        "prompt", nargs="?", type=str, default="", help="text to continue; begins one if not given"
    )
    parser.add_class_arguments(GenerateOptions)
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.contracts.errors import ForetellError
    from foretell.decoding.generate import DecodingSettings, generate, stream
    from foretell.interop.doors import open_model

    options = asdict(options_of(GenerateOptions, arguments))
    if options["stop"] == "":
        raise ForetellError("--stop is empty; give the text to stop before, or leave it out")
    options["stop"] = () if options["stop"] is None else (options["stop"],)
    settings = DecodingSettings(**options)
    model = open_model(arguments.model)
    if arguments.json:
        (done,) = generate(model, [arguments.prompt], settings=settings)
        sys.stdout.write(json.dumps(asdict(done), ensure_ascii=False) + "\n")
        return 0
    sys.stdout.write(arguments.prompt)
    for piece in stream(model, arguments.prompt, settings=settings):
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return 0
