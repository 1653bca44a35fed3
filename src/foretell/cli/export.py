"""`foretell export`: a model for another tool, with the proof that it is the same model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from foretell.cli.parsing import add_json

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = "write a model for another tool, and prove on your text that it is still the same"

Layout = Literal[
    "huggingface",
    "gguf-f32",
    "gguf-f16",
    "gguf-q8_0",
    "gguf-q4_0",
    "keras",
    "savedmodel",
]
"""Those of `interop.exports`, written out, since `--help` imports nothing."""


def add(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=str, help="folder, file or name of a model")
    parser.add_argument(
        "text", type=str, help="file or folder by which the two are held against each other"
    )
    parser.add_argument(
        "--to",
        type=Literal[
            "huggingface", "gguf-f32", "gguf-f16", "gguf-q8_0", "gguf-q4_0", "keras", "savedmodel"
        ],
        required=True,
        help="layout of the files",
    )
    parser.add_argument(
        "--out", type=str, help="folder for them; exports/MODEL-LAYOUT if not given"
    )
    parser.add_argument(
        "--field", type=str, help="column or key that holds the text, for csv, jsonl and parquet"
    )
    add_json(parser)


def run(arguments: Namespace) -> int:
    from dataclasses import asdict

    from foretell.ladder.exporting import CARD, export

    named = f"{Path(arguments.model).stem}-{arguments.to}"
    out = Path(arguments.out or Path("exports") / named)
    found = export(arguments.model, arguments.to, Path(arguments.text), out, field=arguments.field)
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
        return 0
    one, other = found.bits_per_byte
    sys.stdout.write(
        f"{out}: the same model on {found.tokens:,} tokens: log-probabilities within "
        f"{found.largest:.2g} nats, {found.equal_choices:.2%} equal greedy choices, {one:.4f} and "
        f"{other:.4f} bits per byte. Card: {out / CARD}\n"
    )
    return 0
