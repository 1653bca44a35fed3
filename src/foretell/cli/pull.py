"""`foretell pull`: a real pretrained model in one command."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_json

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = "fetch a pretrained model, check it, and keep it for every other verb"


def add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "name",
        nargs="?",
        type=str,
        help="smollm2-135m, or a Hugging Face repository such as owner/name; says what there is "
        "if not given",
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.interop import pretrained

    if arguments.name is None:
        known = {name: wheel.about for name, wheel in pretrained.WHEELS.items()}
        if arguments.json:
            sys.stdout.write(json.dumps(known) + "\n")
        else:
            sys.stdout.writelines(f"{name:<16}{about}\n" for name, about in known.items())
        return 0
    from foretell.cli.progress import Display

    name: str = arguments.name
    with Display() as display:
        kept = pretrained.pull(name, progress=display.fetching)
    if arguments.json:
        sys.stdout.write(json.dumps({"model": name, "path": str(kept)}) + "\n")
        return 0
    display.show(f"{name} is at {kept}")
    display.show_commands(
        (("Next", f'foretell generate {name} "The sea"'), ("", f"foretell score {name} TEXT"))
    )
    return 0
