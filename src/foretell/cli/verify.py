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
    parser.add_argument(
        "--causal",
        action="store_true",
        help="of a Keras model that reads in both directions, check the twin that reads in one",
    )
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
    turns: list[str] = []
    if len(words) == 2:
        results = _prove(words[0], words[1], arguments)
    else:
        results, turns = _check_laws(words[0], arguments)
    if arguments.json:
        sys.stdout.write(json.dumps(results) + "\n")
    else:
        for result in results:
            mark = "✓" if result["passed"] else "✗"
            name = str(result.get("law") or result.get("name"))
            note = f"  {result['message']}" if result["message"] else ""
            sys.stdout.write(f" {mark} {name:<12}{note}\n")
        sys.stdout.write("".join(f"   {line}\n" for line in turns))
    return 0 if all(result["passed"] for result in results) else 1


def _check_laws(name: str, arguments: Namespace) -> tuple[list[dict[str, object]], list[str]]:
    """What each law found, and, of a network that looks ahead, what to do instead."""
    from foretell.interop import keras
    from foretell.interop.doors import open_model
    from foretell.testing.laws import TEXTS, check_laws
    from foretell.tokenizers import Numbered

    model = open_model(name)
    turns = keras.describe_turns(model)
    if arguments.causal:
        model = keras.twin_of(model)
    # A network that came without a tokenizer has no texts to give back.
    texts = () if isinstance(model.tokenizer, Numbered) else TEXTS
    results = check_laws(model, texts=texts, seed=arguments.seed)
    if turns and not arguments.causal:
        turns += [
            "An accuracy that it reports is the answer read out, not foretold. Its causal twin, "
            f"to be fitted anew: foretell verify {name} --causal"
        ]
    return [asdict(result) for result in results], turns


def _prove(kind: str, model: str, arguments: Namespace) -> list[dict[str, object]]:
    from foretell.ladder import proofs

    prove = {
        "resume": proofs.prove_resume,
        "accumulation": proofs.prove_accumulation,
        "ranks": proofs.prove_ranks,
    }[kind]
    text = None if arguments.text is None else Path(arguments.text)
    return [asdict(prove(Path(model), text=text))]
