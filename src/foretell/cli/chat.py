"""`foretell chat`: talk to a model that was taught conversations."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonargparse import ArgumentParser, Namespace

HELP = "talk to a model that was taught conversations; a line is a turn, an empty one ends"


def add(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder, file or name of a model")
    parser.add_argument("--system", type=str, help="what the model is told first")
    parser.add_argument("--max_tokens", type=int, default=400, help="most tokens of an answer")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 is the likeliest answer")
    parser.add_argument("--seed", type=int, default=0, help="decides what is drawn")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.decoding.chat import Message, encode_chat
    from foretell.decoding.generate import DecodingSettings, stream
    from foretell.interop.doors import open_model

    settings = DecodingSettings(
        max_tokens=arguments.max_tokens, temperature=arguments.temperature, seed=arguments.seed
    )
    model = open_model(arguments.model)
    said = [] if arguments.system is None else [Message("system", arguments.system)]
    # A model without conversations says so before anybody types.
    encode_chat(model.tokenizer, [*said, Message("user", "")])
    for line in _lines():
        said.append(Message("user", line))
        pieces = []
        for piece in stream(model, encode_chat(model.tokenizer, said), settings=settings):
            pieces.append(piece)
            if not arguments.json:
                sys.stdout.write(piece)
                sys.stdout.flush()
        said.append(Message("assistant", "".join(pieces)))
        if not arguments.json:
            sys.stdout.write("\n")
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(each) for each in said], ensure_ascii=False) + "\n")
    return 0


def _lines() -> Iterator[str]:
    """What is typed, up to an empty line or the end."""
    while True:
        if sys.stdin.isatty():
            sys.stderr.write("> ")
            sys.stderr.flush()
        line = sys.stdin.readline().strip()
        if not line:
            return
        yield line
