"""`foretell index`: what the training data holds: counts, what comes next, sources, leaks."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from foretell.cli.parsing import Parser, add_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jsonargparse import ArgumentParser, Namespace

    from foretell.audit.contamination import Contamination, Finding
    from foretell.audit.indexed import Source
    from foretell.contracts.corpus import Document
    from foretell.contracts.tokenizer import Tokenizer

HELP = "index a text: count and find phrases, trace outputs to it, find leaked test data"
Kind = Literal["bytes", "characters", "words", "bpe", "unigram", "whitespace"]
SHOWN = 60
"""Characters of context, and of a passage times two, that a line shows."""
WORST = 10


def add(parser: ArgumentParser) -> None:
    subcommands = parser.add_subcommands(required=True, dest="action", metavar="ACTION")

    def verb(name: str, description: str, *, folder: bool = True) -> Parser:
        child = Parser(prog=f"foretell index {name}", description=description)
        subcommands.add_subcommand(name, child, help=description)
        if folder:
            child.add_argument("folder", type=str, help="folder that `index build` wrote")
        return child

    build = verb("build", "index a text", folder=False)
    build.add_argument("text", type=str, help="file or folder")
    build.add_argument("--out", type=str, required=True, help="folder to write")
    build.add_argument(
        "--kind",
        type=Kind,
        help="what a token is; characters for Chinese and Japanese, whose phrases subwords would "
        "not always find, else bpe",
    )
    build.add_argument("--size", type=int, help="vocabulary, for bpe and unigram")
    build.add_argument("--tokenizer", type=str, help="folder of a tokenizer or model, to take its")
    build.add_argument("--field", type=str, help="column or key that holds the text")
    build.add_argument(
        "--shards",
        type=int,
        default=1,
        help="indexes to deal the documents to, built one after another and searched as one, for a "
        "text whose index does not fit in memory; no document is split, and a .txt file is one",
    )
    add_json(build)

    count = verb("count", "how often a phrase occurs")
    count.add_argument("phrase", type=str, help="words, in quotes")
    add_json(count)

    following = verb("next", "what comes after the longest part of a context that occurs")
    following.add_argument("context", type=str, help="words, in quotes")
    following.add_argument("--top", type=int, default=10, help="continuations to show")
    add_json(following)

    search = verb("search", "where a phrase occurs")
    search.add_argument("phrase", type=str, help="words, in quotes")
    search.add_argument("--most", type=int, default=10, help="places to show")
    add_json(search)

    trace = verb("trace", "passages of a text that stand in the indexed one, the longest first")
    trace.add_argument("text", type=str, help="file")
    trace.add_argument("--least", type=int, default=8, help="tokens in a passage")
    trace.add_argument("--most", type=int, default=5, help="sources of each passage")
    add_json(trace)

    contamination = verb("contamination", "what a test set shares with the indexed text")
    contamination.add_argument("text", type=str, help="file or folder with the test set")
    contamination.add_argument("--field", type=str, help="column or key that holds the text")
    contamination.add_argument(
        "--least", type=int, default=11, help="tokens in a match that covers its tokens"
    )
    add_json(contamination)


def run(arguments: Namespace) -> int:
    from foretell.cli.start import load_numba
    from foretell.contracts.errors import ForetellError

    actions = {
        "build": _build,
        "count": _count,
        "next": _next,
        "search": _search,
        "trace": _trace,
        "contamination": _contamination,
    }
    asked = arguments[arguments.action]
    for option in ("top", "most", "least", "shards"):
        if getattr(asked, option, 1) < 1:
            raise ForetellError(f"--{option} must be at least 1")
    load_numba()
    return actions[arguments.action](asked)


def _build(arguments: Namespace) -> int:
    from foretell.storage import refuse_existing, size_of

    out = Path(arguments.out)
    refuse_existing(out)
    began = time.perf_counter()
    build = _build_one if arguments.shards == 1 else _build_shards
    tokenizer, documents, tokens = build(arguments, out)
    size, seconds = size_of(out), time.perf_counter() - began
    facts = {
        "out": str(out),
        "tokenizer": tokenizer.name,
        "tokens": tokens,
        "documents": documents,
        "shards": arguments.shards,
        "bytes": size,
        "seconds": seconds,
    }
    shards = f" and {arguments.shards:,} shards" if arguments.shards > 1 else ""
    line = (
        f"{out}: {tokens:,} tokens ({tokenizer.name}) of {documents:,} documents{shards} "
        f"in {size / 1e6:.1f} MB, {seconds:.1f} s"
    )
    _print(arguments, facts, [line])
    return 0


def _build_one(arguments: Namespace, out: Path) -> tuple[Tokenizer, int, int]:
    """The tokenizer, documents and tokens."""
    from foretell.audit.indexed import index_documents, save_indexed
    from foretell.cli.progress import Display

    with Display() as display:
        documents = list(_read(arguments, display.reading))
    tokenizer = _tokenizer(arguments, lambda: documents)
    indexed = index_documents(documents, tokenizer)
    save_indexed(indexed, out)
    return tokenizer, len(documents), len(indexed.index)


def _build_shards(arguments: Namespace, out: Path) -> tuple[Tokenizer, int, int]:
    """The text is read again for each purpose, and whole only to learn a tokenizer from it."""
    from foretell.audit.indexed import save_shards
    from foretell.cli.progress import Display
    from foretell.corpus.index_shards import deal

    with Display() as display:
        sizes = [len(each.text.encode()) for each in _read(arguments, display.reading)]
    counts = deal(sizes, arguments.shards)
    tokenizer = _tokenizer(arguments, lambda: list(_read(arguments)))
    return tokenizer, len(sizes), save_shards(_read(arguments), counts, tokenizer, out)


def _read(
    arguments: Namespace, progress: Callable[[int, int], None] | None = None
) -> Iterator[Document]:
    from foretell.audit.indexed import read_for_index

    return read_for_index(Path(arguments.text), field=arguments.field, progress=progress)


def _tokenizer(arguments: Namespace, read: Callable[[], list[Document]]) -> Tokenizer:
    from foretell.tokenizers import load_tokenizer, train_tokenizer

    if arguments.tokenizer is not None:
        return load_tokenizer(Path(arguments.tokenizer))
    if arguments.kind == "bytes":
        return train_tokenizer("bytes", [])
    documents = read()
    texts = [document.text for document in documents]
    kind = arguments.kind or _choose_kind(documents)
    if kind == "whitespace":
        import numpy as np

        from foretell.tokenizers.whitespace import learn_lines

        data = np.frombuffer("\n".join(texts).encode(), np.uint8)
        return learn_lines(data, skip_reserved=True)[0]
    from foretell.ladder.rungs import subword_size

    size = arguments.size or subword_size(sum(len(text.encode()) for text in texts))
    return train_tokenizer(kind, texts, size=size)


def _choose_kind(documents: list[Document]) -> Kind:
    from foretell.corpus.leaks import languages

    found = languages(documents)
    return "characters" if "Chinese" in found or "Japanese" in found else "bpe"


def _count(arguments: Namespace) -> int:
    from foretell.audit.indexed import open_indexed

    count = open_indexed(Path(arguments.folder)).count(arguments.phrase)
    _print(arguments, {"phrase": arguments.phrase, "count": count}, [f"{count:,}"])
    return 0


def _next(arguments: Namespace) -> int:
    from foretell.audit.indexed import open_indexed

    indexed = open_indexed(Path(arguments.folder))
    found = indexed.foretell(arguments.context, top=arguments.top)
    if found.matched_tokens:
        where = f"after {_quote(found.matched)}, which occurs {found.count:,} times"
    else:
        where = "nothing of the context occurs; all tokens"
    lines = [f"{where}: {found.different:,} continuations"]
    total = max(1, found.count)
    for text, count in found.continuations:
        said = "(end of document)" if text is None else _quote(text)
        lines.append(f"{count:>10,}  {count / total:>6.1%}  {said}")
    _print(arguments, asdict(found), lines)
    return 0


def _search(arguments: Namespace) -> int:
    from foretell.audit.indexed import open_indexed

    indexed = open_indexed(Path(arguments.folder))
    count, sources = indexed.search(arguments.phrase, most=arguments.most)
    lines = [_line(source) for source in sources]
    lines.append(f"{count:,} in all" + (f", {len(sources)} shown" if len(sources) < count else ""))
    _print(arguments, {"count": count, "sources": [asdict(each) for each in sources]}, lines)
    return 0


def _trace(arguments: Namespace) -> int:
    from foretell.audit.indexed import open_indexed, read_for_index
    from foretell.audit.trace import trace

    indexed = open_indexed(Path(arguments.folder))
    text = "\n".join(document.text for document in read_for_index(Path(arguments.text)))
    found = trace(indexed, text, least=arguments.least, most=arguments.most)
    lines = []
    for passage in found.passages:
        times = "once" if passage.count == 1 else f"{passage.count:,} times"
        lines.append(f"{passage.tokens} tokens, {times}: {_quote(passage.text, 2 * SHOWN)}")
        lines += [f"    {_line(source)}" for source in passage.sources]
    lines.append(
        f"{found.covered:,} of {found.tokens:,} tokens ({found.covered / max(1, found.tokens):.1%})"
        f" stand in {len(found.passages):,} passages of at least {arguments.least} tokens"
    )
    _print(arguments, asdict(found), lines)
    return 0


def _contamination(arguments: Namespace) -> int:
    from foretell.audit.contamination import find_contamination
    from foretell.audit.indexed import open_indexed, read_for_index

    indexed = open_indexed(Path(arguments.folder))
    documents = list(read_for_index(Path(arguments.text), field=arguments.field))
    found = find_contamination(indexed, documents, least_tokens=arguments.least)
    facts = {
        "documents": len(found.findings),
        "judged": found.judged,
        "shortened": found.shortened,
        "contaminated": found.contaminated,
        "share": found.share,
        "clean": found.clean,
        "dirty": found.dirty,
        "least_tokens": found.least_tokens,
        "findings": [
            {**asdict(each), "contaminated": each.contaminated, "share": each.share}
            for each in found.findings
        ],
    }
    _print(arguments, facts, _report(found))
    return 0


def _report(found: Contamination) -> list[str]:
    def worth(finding: Finding) -> tuple[float, int]:
        return -finding.share, -finding.longest

    worst = [each for each in found.findings if each.contaminated or each.covered]
    lines = []
    for each in sorted(worst, key=worth)[:WORST]:
        lines.append(
            f"{each.document}: {each.shared_grams:,} of {each.grams:,} grams, {each.share:.1%} of "
            f"tokens, longest match {each.longest:,} tokens"
        )
        if each.source is not None:
            lines.append(f"    {_line(each.source)}")
    if len(worst) > WORST:
        lines.append(f"and {len(worst) - WORST:,} more; --json has them all")
    documents = len(found.findings)
    lines.append(
        f"13-gram rule: {found.contaminated:,} of {found.judged:,} documents share 13 words in a "
        "row with the indexed text, case and punctuation alike"
    )
    if found.shortened:
        lines.append(f"    {found.shortened:,} have fewer than 13 words, and were one gram")
    if found.judged < documents:
        lines.append(f"    {documents - found.judged:,} are too short to be judged so")
    lines.append(
        f"longest matches: {found.share:.1%} of tokens lie in matches of at least "
        f"{found.least_tokens}; {found.clean:,} of {documents:,} documents are clean (below 20%), "
        f"{found.dirty:,} dirty (80% or more)"
    )
    return lines


def _line(source: Source) -> str:
    before, after = (" ".join(part.split()) for part in (source.before, source.after))
    shown = f"...{before[-SHOWN:]} [{_shorten(source.text, SHOWN)}] {after[:SHOWN]}..."
    return f"{source.document} at token {source.offset:,}  {shown}"


def _shorten(text: str, most: int) -> str:
    said = " ".join(text.split())
    return said if len(said) <= most else f"{said[: most // 2]} ... {said[-(most // 2) :]}"


def _quote(text: str, most: int = SHOWN) -> str:
    return json.dumps(text if len(text) <= most else _shorten(text, most), ensure_ascii=False)


def _print(arguments: Namespace, facts: dict[str, Any], lines: list[str]) -> None:
    if arguments.json:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")
