"""`foretell verify`: the eleven laws on any saved model, and proofs of how it was trained."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.cli.parsing import add_json

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = "check a model against the eleven laws, or prove how it was trained; exit code 1 if it fails"
PROOFS = ("resume", "accumulation", "ranks")


def add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="+",
        type=str,
        metavar="model",
        help="folder or file of a model. Before it may stand `resume`: train on its text for a "
        "moment, killed and taken up again, and compare the weights bit for bit; `accumulation`: "
        "compare whole batches with batches in pieces; or `ranks`: one process with two",
    )
    parser.add_argument("--text", type=str, help="where the text of `resume` is, if it has moved")
    parser.add_argument("--seed", type=int, default=0, help="which random texts to try")
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.contracts.errors import ForetellError

    words: list[str] = arguments.what
    if len(words) > 2 or (len(words) == 2 and words[0] not in PROOFS):
        raise ForetellError(
            f"cannot verify {' '.join(words)}; write verify MODEL, or one of {', '.join(PROOFS)} "
            "before MODEL"
        )
    if len(words) == 2:
        results = _prove(words[0], words[1], arguments)
    else:
        results = _check_laws(words[0], arguments)
    if arguments.json:
        sys.stdout.write(json.dumps(results) + "\n")
    else:
        for result in results:
            mark = "✓" if result["passed"] else "✗"
            name = str(result.get("law") or result.get("name"))
            note = f"  {result['message']}" if result["message"] else ""
            sys.stdout.write(f" {mark} {name:<12}{note}\n")
    return 0 if all(result["passed"] for result in results) else 1


def _check_laws(model: str, arguments: Namespace) -> list[dict[str, object]]:
    from foretell.interop.doors import open_model
    from foretell.testing.laws import check_laws

    results = check_laws(open_model(model), seed=arguments.seed)
    return [asdict(result) for result in results]


def _prove(kind: str, model: str, arguments: Namespace) -> list[dict[str, object]]:
    from foretell.ladder import proofs

    prove = {
        "resume": proofs.prove_resume,
        "accumulation": proofs.prove_accumulation,
        "ranks": proofs.prove_ranks,
    }[kind]
    text = None if arguments.text is None else Path(arguments.text)
    return [asdict(prove(Path(model), text=text))]
