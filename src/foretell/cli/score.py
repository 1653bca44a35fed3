"""`foretell score`: what a text costs a model, and against another model."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from foretell.cli.parsing import add_json

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from foretell.evaluation.comparing import Score

HELP = "bits per byte of a text under a model, with its interval; or against another model"


def add(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder or file of a model")
    parser.add_argument("text", type=str, help="file or folder")
    parser.add_argument("--against", type=str, help="another model to compare with")
    parser.add_argument("--field", type=str, help="column or key that holds the text")
    parser.add_argument(
        "--end-of-text",
        type=Literal["yes", "no"],
        default="no",
        help="charge for foretelling where a document ends",
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    from foretell.cli.progress import Display
    from foretell.corpus.source import load_texts
    from foretell.evaluation.comparing import measure
    from foretell.interop.doors import open_model

    model = open_model(arguments.model)
    other = None if arguments.against is None else open_model(arguments.against)
    with Display() as display:
        texts = load_texts(Path(arguments.text), field=arguments.field, progress=display.reading)
    end_of_text = arguments.end_of_text == "yes"
    score = measure(model, texts, end_of_text=end_of_text)
    found = _describe(arguments.model, score)
    lines = _lines(score)
    if other is not None:
        second = measure(other, texts, end_of_text=end_of_text)
        difference = score.against(second)
        found["against"] = _describe(arguments.against, second)
        found["difference"] = {**asdict(difference.interval), "p_value": difference.p_value}
        at = difference.interval
        lines += [
            f"{arguments.against}  {second.total.bits_per_byte:.4f} bits per byte",
            f"difference  {at.value:+.4f} [{at.low:+.4f}, {at.high:+.4f}], "
            f"p = {difference.p_value:.2g}, paired over {len(texts)} documents",
        ]
    if arguments.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")
    return 0


def _describe(name: str, score: Score) -> dict[str, Any]:
    total = score.total
    interval = asdict(score.bits_per_byte) if len(score.evidence) > 1 else None
    return {
        "model": name,
        "bits_per_byte": total.bits_per_byte,
        "bits_per_byte_unspelled": total.bits_per_byte_unspelled,
        "interval": interval,
        "bits_per_character": total.bits_per_character,
        "perplexity": total.perplexity,
        "evidence": asdict(total),
        "signature": str(score.signature),
    }


def _lines(score: Score) -> list[str]:
    total = score.total
    if len(score.evidence) > 1:
        at = score.bits_per_byte
        spread = f"[{at.low:.4f}, {at.high:.4f}] over {total.documents} documents"
    else:
        spread = "(one document: no interval)"
    lines = [
        f"{total.bits_per_byte:.4f} bits per byte {spread}",
        f"{total.bits_per_character:.4f} bits per character, perplexity {total.perplexity:.2f} "
        f"over {total.tokens:,} tokens",
    ]
    if total.unknown:
        lines.append(
            f"{total.unknown:,} tokens are unknown; without the charge for spelling them "
            f"{total.bits_per_byte_unspelled:.4f} bits per byte"
        )
    lines.append(f"signature {score.signature}")
    return lines
