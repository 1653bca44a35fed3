"""One model from a text that memory does not hold: its tokens lie on the disk, see corpus/.

OUT.checkpoints/
  tokens/            whole or not there; gone with the checkpoints once the model is written
    tokens.json ...  see corpus/token_shards.py
    tokenizer.json   what the tokens mean
    parts.json       the documents that are kept back, as they are
    manifest.json    the seal over all
  000001840/ ...     see training/checkpoints.py

`foretell tokenizer apply` writes such a folder of tokens to stay, for more than one model.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.learner import Budget
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.readers import ReadReport, files_of
from foretell.corpus.streaming import Survey, is_large, read_learned, survey
from foretell.corpus.token_shards import FACTS, open_tokens, write_tokens
from foretell.ladder.machine import set_threads
from foretell.ladder.options import TrainOptions
from foretell.ladder.plans import PlannedRung, plan_rung
from foretell.ladder.records import Record
from foretell.ladder.single import (
    Parts,
    Trained,
    build,
    checkpoints_of,
    choose_tokenizer,
    derive_scope,
    join,
    refuse_unusable,
    teach_into,
)
from foretell.storage import MANIFEST, check_seal, locked, new_folder, refuse_existing, seal
from foretell.tokenizers import load_tokenizer
from foretell.training.checkpoints import refuse_changes
from foretell.training.fit import Glance, Interrupted
from foretell.training.recipes import NETWORKS

FORMAT = "foretell-tokens-1"
PARTS = "parts.json"


@dataclass(frozen=True)
class StreamedText:
    """A text as tokens on the disk, and what a reader should know about it."""

    title: str
    tokenizer: Tokenizer
    parts: Parts
    documents: int
    """Of the whole text, passages one by one."""
    bytes: int
    """UTF-8 bytes of the whole text."""
    languages: str
    skipped_files: int
    tokens: int
    """Of what is learned."""
    fingerprint: str
    """Of what is learned."""
    made_from: dict[str, str]
    """What decided the tokens: text and options, by name."""


class Audience(Protocol):
    """Somebody who is told how it goes: the command line's progress, or a notebook."""

    def reading(self, done: int, total: int) -> None: ...

    def tokenising(self, done: int, total: int) -> None: ...

    def streamed(self, text: StreamedText) -> None: ...

    def learning(self, name: str) -> Callable[[Glance], None]: ...


class _Nobody:
    def reading(self, done: int, total: int) -> None: ...

    def tokenising(self, done: int, total: int) -> None: ...

    def streamed(self, text: StreamedText) -> None: ...

    def learning(self, name: str) -> Callable[[Glance], None]:
        return lambda glance: None


def streams(path: Path | None, options: TrainOptions) -> bool:
    """Whether a text is learned from the disk: a folder of tokens, or a network's large text."""
    if path is None:
        return False
    return holds_tokens(path) or (options.model in NETWORKS and is_large(path))


def train_into(
    out: Path,
    path: Path,
    options: TrainOptions,
    *,
    audience: Audience | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """Train a network on a text, or on a folder of tokens, and write it to `out`.

    The same call goes on after an interruption, and does not tokenise again. Raises ForetellError
    for options that cannot be used, OutputExists.
    """
    refuse_existing(out)
    if options.model not in NETWORKS:
        raise ForetellError(
            f"{path} holds tokens, and a {options.model} model counts text; give --model lstm or "
            "another network, or the text itself"
        )
    refuse_unusable(options)
    ranks = join(options)
    set_threads(options.threads, processes=ranks.count)
    audience = audience if audience is not None and ranks.first else _Nobody()
    work = checkpoints_of(out)
    with locked(work) if ranks.first else nullcontext():
        if ranks.first:
            text = _tokens_of(path, work, options, audience=audience, stop=stop)
        # The others read what the first one wrote.
        ranks.wait()
        if not ranks.first:
            text = _tokens_of(path, work, options, audience=audience, stop=stop)
        audience.streamed(text)
        scope = derive_scope(text.bytes, options)
        learner = build(text.tokenizer, options, scope, ranks)
        record = Record(str(path), text.fingerprint, options, scope, learner.recipe, from_disk=True)
        watch = audience.learning(options.model)
        return teach_into(
            out, work, learner, text.parts, record, watch=watch, stop=stop, ranks=ranks
        )


def _tokens_of(
    path: Path,
    work: Path,
    options: TrainOptions,
    *,
    audience: Audience,
    stop: Callable[[], bool] | None,
) -> StreamedText:
    """The tokens of a text: given, there from an earlier call, or written now."""
    if holds_tokens(path):
        _refuse_other_tokenizer(path, options)
        return open_streamed(path)
    if holds_tokens(work / "tokens"):
        return _reopen(work, path, options)
    return tokenise(path, work / "tokens", options, audience=audience, stop=stop)


def tokenise(
    path: Path,
    out: Path,
    options: TrainOptions,
    *,
    tokenizer: Tokenizer | None = None,
    audience: Audience | None = None,
    stop: Callable[[], bool] | None = None,
) -> StreamedText:
    """Write the tokens of a text to `out`, which must not exist; a few documents are kept back.

    Of the options, tokenizer, size, field and seed count. tokenizer: one that is there already.
    Raises TextError, ForetellError, OutputExists, and Interrupted with nothing written.
    """
    refuse_existing(out)
    audience = audience or _Nobody()

    def watch(tell: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def told(done: int, total: int) -> None:
            if stop is not None and stop():
                raise Interrupted(
                    "stopped; nothing was kept, since the text was not read to its end"
                )
            tell(done, total)

        return told

    identity = _identify(path, options)
    found = survey(path, field=options.field, seed=options.seed, progress=watch(audience.reading))
    tokenizer = tokenizer or _tokenizer(found, options)
    tell = watch(audience.tokenising)
    with new_folder(out) as folder:
        write_tokens(
            read_learned(path, found, field=options.field),
            tokenizer,
            folder,
            progress=lambda done: tell(done, found.bytes),
        )
        tokenizer.save(folder)
        content = {"title": _title(path), "made_from": identity, **_spell_parts(found)}
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        (folder / PARTS).write_text(text, encoding="utf-8")
        seal(folder, {"format": FORMAT})
    return _describe(out)


def holds_tokens(path: Path) -> bool:
    """Whether a path is such a folder, by the names of its files; says nothing of damage."""
    return all((path / name).is_file() for name in (MANIFEST, FACTS, PARTS))


def open_streamed(folder: Path) -> StreamedText:
    """What `tokenise` wrote. Reads all of it once, for the checksums, and holds none of it.

    Raises DamagedModel if anything is missing, altered, or not such a folder.
    """
    if check_seal(folder).get("format") != FORMAT:
        raise DamagedModel(
            f"{folder} holds no tokens; give a folder that `foretell tokenizer apply` wrote"
        )
    return _describe(folder)


def _describe(folder: Path) -> StreamedText:
    documents = open_tokens(folder)
    parts = json.loads((folder / PARTS).read_text("utf-8"))
    return StreamedText(
        title=parts["title"],
        tokenizer=load_tokenizer(folder),
        parts=Parts(documents, parts["stopping"], parts["held_out"], parts["passages"]),
        documents=parts["documents"],
        bytes=parts["bytes"],
        languages=parts["languages"],
        skipped_files=parts["skipped_files"],
        tokens=documents.tokens,
        fingerprint=documents.fingerprint,
        made_from=parts["made_from"],
    )


def plan(
    path: Path, options: TrainOptions, *, progress: Callable[[int, int], None] | None = None
) -> PlannedRung:
    """What `train_into` would do. Reads the text once, trains the tokenizer; writes nothing."""
    refuse_unusable(options)
    if holds_tokens(path):
        _refuse_other_tokenizer(path, options)
        text = open_streamed(path)
        tokenizer, size = text.tokenizer, text.bytes
    else:
        found = survey(path, field=options.field, seed=options.seed, progress=progress)
        tokenizer, size = _tokenizer(found, options), found.bytes
    seconds = Budget.parse(options.budget).seconds
    scope = derive_scope(size, options)
    return plan_rung(options.model, options.model, tokenizer, scope, seconds)


def _tokenizer(found: Survey, options: TrainOptions) -> Tokenizer:
    return choose_tokenizer(options.tokenizer, options.size, found.sample, found.bytes)


def _spell_parts(found: Survey) -> dict[str, object]:
    return {
        "stopping": found.stopping,
        "held_out": found.held_out,
        "passages": found.passages,
        "documents": found.documents,
        "bytes": found.bytes,
        "languages": found.languages,
        "skipped_files": found.skipped_files,
    }


def _reopen(work: Path, path: Path, options: TrainOptions) -> StreamedText:
    text = open_streamed(work / "tokens")
    refuse_changes(work, text.made_from, _identify(path, options))
    return text


def _identify(path: Path, options: TrainOptions) -> dict[str, str]:
    """What decides the tokens, by name; the text by its files' names, sizes and times."""
    files = [(str(file), file.stat()) for file in files_of(path, ReadReport())]
    said = [(name, about.st_size, about.st_mtime_ns) for name, about in files]
    return {
        "text": sha256(json.dumps(said).encode()).hexdigest()[:16],
        "tokenizer": options.tokenizer,
        "size of the vocabulary": str(options.size),
        "field": str(options.field),
        "seed": str(options.seed),
    }


def _refuse_other_tokenizer(folder: Path, options: TrainOptions) -> None:
    if options.size is not None or options.tokenizer != TrainOptions.tokenizer:
        raise ForetellError(
            f"{folder} holds tokens, which have their tokenizer; leave --tokenizer and --size out"
        )


def _title(path: Path) -> str:
    return f"{path}/" if path.is_dir() else str(path)
