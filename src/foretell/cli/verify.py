"""`foretell verify`: the eleven laws, on any saved model."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_json

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = "check a model against the eleven laws; exit code 1 if it breaks one"


def add(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder of a model")
    parser.add_argument("--seed", type=int, default=0, help="which random texts to try")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell import models
    from foretell.testing.laws import check_laws

    results = check_laws(models.load(Path(arguments.model)), seed=arguments.seed)
    broken = [result for result in results if not result.passed]
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(result) for result in results]) + "\n")
    else:
        for result in results:
            mark = "✓" if result.passed else "✗"
            note = f"  {result.message}" if result.message else ""
            sys.stdout.write(f" {mark} {result.law:<12}{note}\n")
    return 1 if broken else 0
