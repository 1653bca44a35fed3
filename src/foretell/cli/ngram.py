"""`foretell ngram`: models of words as KenLM and SRILM have them, in their files and ours."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from foretell.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser, Namespace

    from foretell.models.ngram import NGram
    from foretell.models.ngram.querying import LineScores

HELP = "n-gram models of words: estimate, convert (ARPA, KenLM), query, prune, merge, quantize"
OUT = "file if it ends in .arpa (or .arpa.gz, .bz2, .xz) or .bin (KenLM probing), else a folder"
IN = "ARPA file, KenLM trie file, or folder of a model"


def add(parser: ArgumentParser) -> None:
    subcommands = parser.add_subcommands(required=True, dest="action", metavar="ACTION")

    def verb(name: str, description: str) -> Parser:
        child = Parser(prog=f"foretell ngram {name}", description=description)
        subcommands.add_subcommand(name, child, help=description)
        return child

    estimate = verb("estimate", "a Kneser-Ney model from a file with a sentence a line")
    estimate.add_argument("text", type=str, help="file with a sentence a line")
    estimate.add_argument("--order", type=int, default=5, help="words in the longest n-gram")
    estimate.add_argument("--prune", type=str, default="0", help="counts, such as 0,0,1")
    estimate.add_argument(
        "--discounts",
        type=Literal["auto", "strict"],
        default="auto",
        help="where counts give no discounts: take fixed ones and say so, or refuse",
    )
    estimate.add_argument(
        "--compat",
        type=Literal["exact", "kenlm"],
        default="exact",
        help="kenlm repeats a slip of lmplz, to give its numbers to the last digit",
    )
    estimate.add_argument(
        "--skip-reserved",
        action="store_true",
        help="take <s>, </s> and <unk> in the text for white space",
    )
    estimate.add_argument(
        "--shards",
        type=int,
        help="work in so many parts, for a text larger than memory; the model is the same",
    )
    estimate.add_argument("--workers", type=int, help="processes that work on shards; default 1")
    estimate.add_argument(
        "--cluster",
        type=str,
        help="run them through Ray: address of a cluster that has this folder too, or local",
    )
    estimate.add_argument("--out", type=str, required=True, help=OUT)
    add_json(estimate)

    convert = verb("convert", "from one kind of file to another")
    convert.add_argument("model", type=str, help=IN)
    convert.add_argument("--out", type=str, required=True, help=OUT)
    add_json(convert)

    query = verb("query", "log10 P of each word of a text, and the order that decided it")
    query.add_argument("model", type=str, help=IN)
    query.add_argument("text", type=str, help="file with a sentence a line")
    query.add_argument("--words", action="store_true", help="a line a word, not the sums alone")
    add_json(query)

    prune = verb("prune", "drop what is worth least, by entropy")
    prune.add_argument("model", type=str, help=IN)
    prune.add_argument(
        "--entropy", type=float, required=True, help="share of perplexity, such as 1e-8"
    )
    prune.add_argument("--out", type=str, required=True, help=OUT)
    add_json(prune)

    quantize = verb("quantize", "about 0.3 of the size, at a small loss")
    quantize.add_argument("model", type=str, help=IN)
    quantize.add_argument("--out", type=str, required=True, help="folder")
    add_json(quantize)

    merge = verb("merge", "one model out of several, with given or tuned weights")
    merge.add_argument("models", type=str, nargs="+", help=IN)
    merge.add_argument("--kind", type=Literal["linear", "loglinear"], default="linear")
    merge.add_argument("--weights", type=str, help="numbers, such as 0.7,0.3")
    merge.add_argument("--tune", type=str, help="file with a sentence a line, to tune them on")
    merge.add_argument("--out", type=str, required=True, help=OUT)
    add_json(merge)


def run(arguments: Namespace) -> int:
    actions = {
        "estimate": _estimate,
        "convert": _convert,
        "query": _query,
        "prune": _prune,
        "merge": _merge,
        "quantize": _quantize,
    }
    asked = arguments[arguments.action]
    if getattr(asked, "out", None) is not None:
        from foretell.storage import refuse_existing

        refuse_existing(Path(asked.out))
    from foretell.cli.start import load_numba

    load_numba()
    return actions[arguments.action](asked)


def _estimate(arguments: Namespace) -> int:
    from foretell.ladder.single import read_numbers
    from foretell.models.ngram.lines import estimate_lines

    if arguments.shards is not None:
        return _estimate_in_shards(arguments)
    if arguments.workers is not None or arguments.cluster is not None:
        from foretell.contracts.errors import ForetellError

        raise ForetellError("workers and clusters work on shards; give --shards too")
    began = time.perf_counter()
    model = estimate_lines(
        Path(arguments.text),
        order=arguments.order,
        prune=read_numbers("--prune", arguments.prune, int),
        discounts=arguments.discounts,
        compat=arguments.compat,
        skip_reserved=arguments.skip_reserved,
    )
    return _finish(model, arguments, seconds=time.perf_counter() - began)


def _estimate_in_shards(arguments: Namespace) -> int:
    from tempfile import TemporaryDirectory

    from foretell.cli.progress import Display
    from foretell.corpus.sharding import Cluster, Processes
    from foretell.ladder.single import read_numbers
    from foretell.models.ngram.lines import Settings
    from foretell.models.ngram.sharded import estimate_in_shards
    from foretell.models.ngram.smoothing import Smoothing

    began = time.perf_counter()
    smoothing = Smoothing(
        order=arguments.order, discounts=arguments.discounts, compat=arguments.compat
    )
    settings = Settings(tuple(read_numbers("--prune", arguments.prune, int)), smoothing)
    out, workers, cluster = Path(arguments.out).resolve(), arguments.workers, arguments.cluster
    workers = 1 if workers is None else workers
    out.parent.mkdir(parents=True, exist_ok=True)
    # Beside what is written, where a cluster sees it and there is room for it.
    with TemporaryDirectory(prefix=f".{out.name}.shards.", dir=out.parent) as work:
        with (
            (
                Processes(workers)
                if cluster is None
                else Cluster(workers, None if cluster == "local" else cluster)
            ) as runner,
            Display() as display,
        ):
            bar = display.progress.add_task("words", said="")

            def progress(name: str, ended: int, total: int) -> None:
                said = f"{ended} of {total}"
                display.progress.update(
                    bar, description=name, completed=ended, total=total, said=said
                )

            model = estimate_in_shards(
                Path(arguments.text),
                Path(work),
                runner,
                shards=arguments.shards,
                settings=settings,
                skip_reserved=arguments.skip_reserved,
                progress=progress,
            )
        return _finish(model, arguments, seconds=time.perf_counter() - began)


def _convert(arguments: Namespace) -> int:
    return _finish(_load(arguments.model), arguments)


def _prune(arguments: Namespace) -> int:
    from foretell.models.ngram.pruning import prune

    model = _load(arguments.model)
    return _finish(prune(model, arguments.entropy), arguments, before=_count(model))


def _quantize(arguments: Namespace) -> int:
    from foretell import models
    from foretell.contracts.errors import ForetellError
    from foretell.models.ngram import quantize
    from foretell.storage import size_of

    source, out = Path(arguments.model), Path(arguments.out)
    if any(suffix in (".arpa", ".bin", ".probing") for suffix in out.suffixes):
        raise ForetellError(f"a quantised model is a folder, and {out} names a file; drop the end")
    model = quantize(_load(arguments.model))
    models.save(model, out)
    before = size_of(source) if source.is_dir() else source.stat().st_size
    return _tell(model, arguments, bytes_before=before, bytes=size_of(out))


def _merge(arguments: Namespace) -> int:
    from foretell.contracts.errors import ForetellError
    from foretell.ladder.single import read_numbers
    from foretell.models.ngram.lines import read_lines
    from foretell.models.ngram.merging import merge, tune

    if (arguments.weights is None) == (arguments.tune is None):
        raise ForetellError("give either --weights, or a text to --tune them on")
    models = [_load(name) for name in arguments.models]
    if arguments.weights is not None:
        weights = read_numbers("--weights", arguments.weights, float)
    else:
        weights = tune(models, read_lines(Path(arguments.tune)), kind=arguments.kind)
    merged = merge(models, weights, kind=arguments.kind)
    return _finish(merged, arguments, weights=[round(weight, 6) for weight in weights])


def _query(arguments: Namespace) -> int:
    import math

    from foretell.models.ngram.querying import score_lines

    began = time.perf_counter()
    model = _load(arguments.model)
    pieces = score_lines(model, Path(arguments.text), detail=arguments.words)
    total = math.fsum(piece.logprob for piece in pieces) / math.log(10.0)
    count = sum(piece.tokens for piece in pieces)
    found = {
        "sentences": sum(piece.sentences for piece in pieces),
        "tokens": count,
        "unknown": sum(piece.unknown for piece in pieces),
        "log10": total,
        "perplexity": 10 ** (-total / max(1, count)),
        "seconds": time.perf_counter() - began,
    }
    for piece in pieces if arguments.words else ():
        _show_words(model, piece)
    if arguments.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write(
            f"perplexity {found['perplexity']:.4f} over {count:,} tokens of "
            f"{found['sentences']:,} sentences, their ends included; {found['unknown']:,} unknown; "
            f"log10 P {total:.4f}\n"
        )
    return 0


def _show_words(model: NGram, piece: LineScores) -> None:
    import math

    import numpy as np

    assert piece.detail is not None
    names = {model.tokenizer.boundary: "</s>", model.tokenizer.unknown: "<unk>"}
    for token, score, order in zip(*(part.tolist() for part in piece.detail), strict=True):
        word = names.get(token) or model.tokenizer.decode(np.array([token], np.int32))
        sys.stdout.write(f"{word}\t{score / math.log(10.0):.6f}\t{order}\n")


def _load(name: str) -> NGram:
    from foretell.contracts.errors import ForetellError
    from foretell.interop.doors import open_model
    from foretell.models.ngram import NGram

    model = open_model(name)
    if not isinstance(model, NGram):
        raise ForetellError(f"{name} is a model of family {model.family}; give an n-gram model")
    return model


def _count(model: NGram) -> list[int]:
    return list(model.trie.sizes)


def _finish(model: NGram, arguments: Namespace, **facts: Any) -> int:
    out = Path(arguments.out)
    if ".arpa" in out.suffixes[-2:]:
        from foretell.interop.arpa import write_arpa

        write_arpa(model, out)
    elif out.suffix in (".bin", ".probing"):
        from foretell.interop.kenlm_binary import write_probing

        write_probing(model, out)
    else:
        from foretell import models

        models.save(model, out)
    return _tell(model, arguments, **facts)


def _tell(model: NGram, arguments: Namespace, **facts: Any) -> int:
    out = Path(arguments.out)
    counts = _count(model)
    notices = list(model.trie.recipe.notices)
    if arguments.json:
        found = {"out": str(out), "order": model.order, "ngrams": counts, "notices": notices}
        sys.stdout.write(json.dumps({**found, **facts}) + "\n")
        return 0
    shown = ", ".join(f"{count:,}" for count in counts)
    sys.stdout.write(f"{out}: {sum(counts):,} n-grams of order 1 to {model.order} ({shown})\n")
    for notice in notices:
        sys.stdout.write(f"note: {notice}\n")
    for name, value in facts.items():
        sys.stdout.write(f"{name}: {value:.1f}\n" if name == "seconds" else f"{name}: {value}\n")
    return 0
