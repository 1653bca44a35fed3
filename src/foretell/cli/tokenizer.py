"""`foretell tokenizer train|compare|apply`: what a token is, before any model."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from foretell.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

HELP = "train a tokenizer, compare what tokenizers make of a text, or apply one to a large text"
Kind = Literal["bytes", "characters", "words", "bpe", "unigram"]


def add(parser: ArgumentParser) -> None:
    subcommands = parser.add_subcommands(required=True, dest="action", metavar="ACTION")
    train = Parser(prog="foretell tokenizer train", description="train one and save it")
    subcommands.add_subcommand("train", train, help="train one and save it")
    train.add_argument("text", type=str, help="file or folder")
    train.add_argument("--kind", type=Kind, default="bpe", help="what a token is")
    train.add_argument("--size", type=int, help="vocabulary, for bpe and unigram")
    train.add_argument("--out", type=str, required=True, help="folder to write")
    train.add_argument("--field", type=str, help="column or key that holds the text")
    add_json(train)
    compare = Parser(prog="foretell tokenizer compare", description="all kinds on one text")
    subcommands.add_subcommand("compare", compare, help="all kinds on one text")
    compare.add_argument("text", type=str, help="file or folder")
    compare.add_argument("--size", type=int, help="vocabulary, for bpe and unigram")
    compare.add_argument("--field", type=str, help="column or key that holds the text")
    add_json(compare)
    said = "write the tokens of a large text, for `foretell train` to learn from"
    apply = Parser(prog="foretell tokenizer apply", description=said)
    subcommands.add_subcommand("apply", apply, help=said)
    apply.add_argument("text", type=str, help="file or folder, which may be larger than memory")
    apply.add_argument("--out", type=str, required=True, help="folder to write")
    apply.add_argument("--kind", type=Kind, default="bpe", help="what a token is")
    apply.add_argument("--size", type=int, help="vocabulary, for bpe and unigram")
    apply.add_argument("--tokenizer", type=str, help="folder of a tokenizer or model, to take its")
    apply.add_argument("--field", type=str, help="column or key that holds the text")
    apply.add_argument("--seed", type=int, default=0, help="decides what is kept back")
    add_json(apply)


def run(arguments: Namespace) -> int:
    actions = {"train": _train, "compare": _compare, "apply": _apply}
    return actions[arguments.action](arguments[arguments.action])


def _train(arguments: Namespace) -> int:
    from foretell.corpus.source import load_texts
    from foretell.storage import new_folder, refuse_existing
    from foretell.tokenizers import train_tokenizer
    from foretell.tokenizers.fertility import measure_fertility

    out = Path(arguments.out)
    refuse_existing(out)
    texts = load_texts(Path(arguments.text), field=arguments.field)
    tokenizer = train_tokenizer(arguments.kind, texts, size=_size(arguments, texts))
    with new_folder(out) as folder:
        tokenizer.save(folder)
    found = measure_fertility(tokenizer, texts)
    if arguments.json:
        sys.stdout.write(json.dumps({"out": str(out), **asdict(found)}) + "\n")
    else:
        sys.stdout.write(
            f"{out}: {found.name}, {found.vocabulary_size:,} tokens, "
            f"{found.bytes_per_token:.2f} bytes a token on the text it learned from\n"
        )
    return 0


def _compare(arguments: Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from foretell.contracts.errors import TextError
    from foretell.corpus.source import load_corpus
    from foretell.tokenizers import train_tokenizer
    from foretell.tokenizers.fertility import measure_fertility

    split = load_corpus(Path(arguments.text), field=arguments.field).split
    texts = [document.text for document in split.train]
    held_out = [document.text for document in split.held_out]
    rows, refused = [], []
    for kind in get_args(Kind):
        try:
            tokenizer = train_tokenizer(kind, texts, size=_size(arguments, texts))
        except TextError as problem:
            refused.append(f"{kind}: {problem}")
            continue
        rows.append(measure_fertility(tokenizer, held_out))
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], ensure_ascii=False) + "\n")
        return 0
    table = Table(box=None, pad_edge=False)
    for heading in ("tokenizer", "vocabulary", "tokens", "bytes/token", "unknown", "bits/byte*"):
        table.add_column(heading, justify="left" if heading == "tokenizer" else "right")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.vocabulary_size:,}",
            f"{row.tokens:,}",
            f"{row.bytes_per_token:.2f}",
            f"{row.unknown / max(1, row.tokens):.2%}",
            f"{row.unigram_bits_per_byte:.3f}",
        )
    Console(highlight=False).print(table)
    for line in [
        f"On {len(held_out)} held-out documents. *of token frequencies alone, without any context;",
        "unknown words are not charged for their spelling here, which flatters words.",
        *refused,
    ]:
        sys.stdout.write(line + "\n")
    return 0


def _apply(arguments: Namespace) -> int:
    from time import monotonic

    from foretell.cli.progress import Display, Stop
    from foretell.ladder.options import TrainOptions
    from foretell.ladder.streamed import tokenise
    from foretell.storage import size_of
    from foretell.tokenizers import load_tokenizer

    out, began = Path(arguments.out), monotonic()
    given = None if arguments.tokenizer is None else load_tokenizer(Path(arguments.tokenizer))
    options = TrainOptions(
        tokenizer=arguments.kind, size=arguments.size, field=arguments.field, seed=arguments.seed
    )
    with Display() as display, Stop(display) as stop:
        text = tokenise(
            Path(arguments.text), out, options, tokenizer=given, audience=display, stop=stop
        )
        display.streamed(text)
    size, seconds = size_of(out), monotonic() - began
    facts = {
        "out": str(out),
        "tokenizer": text.tokenizer.name,
        "tokens": text.tokens,
        "documents": text.documents,
        "text_bytes": text.bytes,
        "bytes": size,
        "seconds": seconds,
    }
    if arguments.json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
        return 0
    display.show(
        f"{out}: {text.tokens:,} tokens ({text.tokenizer.name}) of {text.bytes / 1e6:,.1f} MB of "
        f"text in {size / 1e6:,.1f} MB, {seconds:.0f} s"
    )
    display.show_commands((("Next", f"foretell train {out}"),))
    return 0


def _size(arguments: Namespace, texts: list[str]) -> int:
    from foretell.ladder.rungs import subword_size

    size: int | None = arguments.size
    return size or subword_size(sum(len(text.encode()) for text in texts))
