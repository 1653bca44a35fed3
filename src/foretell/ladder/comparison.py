"""The main job: one text, every rung, the same held-out bytes, one recommendation.

read and split -> tokenizers -> rungs that count -> networks, within the time that is left
-> mixture, on the tuning part -> numbers on the held-out part -> Comparison
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

import yaml

from foretell import models
from foretell.contracts.corpus import Split
from foretell.contracts.errors import ForetellError, MissingExtra, OutputExists, TextError
from foretell.contracts.learner import Budget
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.source import LoadedCorpus, load_corpus
from foretell.evaluation.results import Comparison
from foretell.ladder.clock import Clock
from foretell.ladder.machine import has_networks, set_threads
from foretell.ladder.options import CompareOptions
from foretell.ladder.outside import find_outside, measure_beside
from foretell.ladder.plans import PlannedRung, plan_rung
from foretell.ladder.rungs import (
    Rung,
    default_ladder,
    parse_rungs,
    subword_size,
    train_tokenizers,
)
from foretell.ladder.running import (
    Finished,
    Texts,
    load_finished,
    train_rung,
)
from foretell.ladder.site import Site, Spectator, mix
from foretell.ladder.verdict import judge
from foretell.storage import LOCK, MANIFEST, locked, new_folder, write_text
from foretell.training.recipes import COUNTING, Scope

LEAST_SECONDS = 2.0
"""A network that would get less is skipped, by name."""
LEARNING = 0.7
"""Share of the whole time in which networks learn, about; the rest reads, measures and mixes."""
SETTINGS = "settings.json"


def compare(
    path: Path | None,
    options: CompareOptions,
    *,
    spectator: Spectator | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Comparison:
    """Train and measure the ladder on a text; None is the built-in one. Writes `options.out`.

    Finished rungs of an earlier, interrupted call with the same text and options are not done
    again. Raises ForetellError, before anything is written, if text or options cannot be used.
    """
    start = monotonic()
    budget = _seconds(options)
    set_threads(options.threads)
    corpus = load_corpus(path, field=options.field, seed=options.seed, progress=progress)
    rungs, skipped = _choose(corpus.split, options)
    outside = find_outside(options.beside, corpus, seed=options.seed)
    texts = _texts(corpus.split)
    tokenizers = _train_tokenizers(rungs, texts, options, skipped)
    out = output_folder(path, options)
    identity = _identify(path, corpus, options)
    _refuse_other(out, identity)
    with locked(out):
        write_text(out / SETTINGS, json.dumps(identity, ensure_ascii=False, indent=1) + "\n")
        if spectator is not None:
            spectator.corpus(corpus)
        clock = Clock(start, budget, [r.share for r in rungs if not r.counts])
        site = Site(texts, out, options.seed, skipped, spectator)
        beside = measure_beside(outside, site)
        finished = _climb(rungs, tokenizers, texts, out, options, clock, skipped, spectator, stop)
        mixture = mix(finished, site)
        everything = [*beside, *finished, *([mixture] if mixture else [])]
        comparison = judge(
            corpus, texts, everything, options, skipped=skipped, seconds=monotonic() - start
        )
        _keep(out, path, options, comparison, everything)
    return comparison


def _seconds(options: CompareOptions) -> float:
    seconds = Budget.parse(options.budget).seconds
    if seconds is None:
        raise ForetellError(
            f"a comparison needs a budget of time, such as 5m, not {options.budget!r}; what each "
            "network learns from can be fixed by `tokens` in a config file"
        )
    return seconds


def output_folder(path: Path | None, options: CompareOptions) -> Path:
    if options.out is not None:
        return Path(options.out)
    return Path("runs") / ("builtin" if path is None else path.resolve().stem or "text")


def _choose(split: Split, options: CompareOptions) -> tuple[list[Rung], dict[str, str]]:
    """The rungs to run, and what is left out and why."""
    size = subword_size(sum(len(document.text.encode()) for document in split.train))
    networks = has_networks()
    if options.rungs:
        rungs = parse_rungs(options.rungs, size)
        if not networks and not all(rung.counts for rung in rungs):
            raise MissingExtra('networks need PyTorch: pip install "foretell[neural]"')
        return rungs, {}
    skipped = {}
    if not networks:
        skipped["networks"] = 'PyTorch is not installed: pip install "foretell[neural]"'
    return default_ladder(size, networks=networks), skipped


def _identify(path: Path | None, corpus: LoadedCorpus, options: CompareOptions) -> dict[str, Any]:
    """What two calls must agree in to be one comparison."""
    said = {k: v for k, v in asdict(options).items() if k not in ("out", "language", "threads")}
    return {"text": corpus.fingerprint, "path": str(path), "options": said}


def _refuse_other(out: Path, identity: dict[str, Any]) -> None:
    """Raise OutputExists unless the folder is free, or holds this very comparison."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputExists(f"{out} is a file; give the name of a folder as --out")
    if (out / SETTINGS).exists():
        if json.loads((out / SETTINGS).read_text("utf-8")) != identity:
            raise OutputExists(
                f"{out} holds a comparison of another text or with other options; "
                "give another --out, or remove it"
            )
    elif any(each.name != LOCK for each in out.iterdir()):
        raise OutputExists(f"{out} holds something else; give another --out")


def _texts(split: Split) -> Texts:
    held_out = [document.text for document in split.held_out]
    return Texts(
        train=[document.text for document in split.train],
        stopping=[document.text for document in split.stopping],
        tuning=[document.text for document in split.tuning],
        held_out=held_out,
        end_of_text=not split.passages,
        prompts=choose_prompts(held_out),
    )


def choose_prompts(texts: Sequence[str], count: int = 3) -> tuple[str, ...]:
    """The first words (or Chinese characters) of the longest held-out texts."""
    prompts = []
    for text in sorted(texts, key=len, reverse=True)[:count]:
        line = next((line for line in text.splitlines() if line.strip()), text).strip()
        words = line.split()
        prompts.append(" ".join(words[:4]) if len(words) >= 4 else line[:12])
    return tuple(dict.fromkeys(prompts))


def _train_tokenizers(
    rungs: list[Rung], texts: Texts, options: CompareOptions, skipped: dict[str, str]
) -> dict[tuple[str, int | None], Tokenizer]:
    """All tokenizers; of the default ladder, rungs whose tokenizer the text cannot carry are
    skipped."""
    tokenizers: dict[tuple[str, int | None], Tokenizer] = {}
    for rung in list(rungs):
        key = rung.tokenizer, rung.size
        if key in tokenizers:
            continue
        try:
            tokenizers |= train_tokenizers([rung], texts.train)
        except TextError as problem:
            if options.rungs or rung.tokenizer == "bpe":
                raise
            rungs[:] = [r for r in rungs if (r.tokenizer, r.size) != key]
            skipped[rung.slug] = str(problem)
    return tokenizers


def _climb(
    rungs: Sequence[Rung],
    tokenizers: dict[tuple[str, int | None], Tokenizer],
    texts: Texts,
    out: Path,
    options: CompareOptions,
    clock: Clock,
    skipped: dict[str, str],
    spectator: Spectator | None,
    stop: Callable[[], bool] | None,
) -> list[Finished]:
    """Every rung, those that count first; what an earlier run finished is taken as it is."""
    finished = []
    # What matters most comes first, so that what a short budget leaves out matters least.
    for rung in sorted(rungs, key=lambda rung: (not rung.counts, -rung.share)):
        done = load_finished(out, rung.slug)
        if done is not None:
            clock.skip(rung.share)
            if spectator is not None:
                spectator.end(done, again=True)
            finished.append(done)
            continue
        budget = Budget(passes=1) if rung.counts else _budget(rung, out, options, clock)
        if budget.seconds is not None and budget.seconds < LEAST_SECONDS:
            skipped[rung.slug] = (
                f"the budget leaves {max(0.0, budget.seconds):.0f} s for it; give more than "
                f"{options.budget}"
            )
            continue
        watch = spectator.begin(rung.slug, budget.seconds) if spectator is not None else None
        began = monotonic()
        done = train_rung(
            rung,
            tokenizers[rung.tokenizer, rung.size],
            texts,
            out,
            budget=budget,
            scope=_scope(rung, rungs, texts, options),
            seed=options.seed,
            watch=watch,
            stop=stop,
        )
        if not rung.counts:
            clock.record(rung.share, monotonic() - began - done.train_seconds)
        if spectator is not None:
            spectator.end(done, again=False)
        finished.append(done)
    return finished


def _scope(rung: Rung, rungs: Sequence[Rung], texts: Texts, options: CompareOptions) -> Scope:
    """From the options alone, so that a comparison repeated by tokens has the same networks."""
    share = rung.share / max(1.0, sum(each.share for each in rungs))
    seconds = LEARNING * _seconds(options) * share
    return Scope(seconds, sum(len(text.encode()) for text in texts.train))


def _budget(rung: Rung, out: Path, options: CompareOptions, clock: Clock) -> Budget:
    """What a network may use. A plan once made is kept, so that a killed run goes on with it."""
    if rung.slug in options.tokens:
        return Budget(tokens=options.tokens[rung.slug])
    plan = out / "work" / f"{rung.slug}.json"
    if plan.exists():
        return Budget(seconds=json.loads(plan.read_text("utf-8"))["seconds"])
    seconds = round(clock.seconds_for(rung.share), 1)
    # A plan of nothing is not kept: the same command, given again, has a budget of its own.
    if seconds >= LEAST_SECONDS:
        write_text(plan, json.dumps({"seconds": seconds}) + "\n")
    return Budget(seconds=seconds)


def _keep(
    out: Path,
    path: Path | None,
    options: CompareOptions,
    comparison: Comparison,
    finished: Sequence[Finished],
) -> None:
    """Write the best model, and the config that repeats this comparison exactly."""
    best = next(f for f in finished if f.folder == comparison.rungs[0].folder)
    with new_folder(out / "best", replace=True) as folder:
        if (Path(best.folder) / MANIFEST).exists():
            shutil.copytree(best.folder, folder, dirs_exist_ok=True)
        else:
            models.write(best.load(), folder)
    config = {k: v for k, v in asdict(options).items() if v is not None}
    if "beside" in config:
        config["with"] = config.pop("beside")
    config["text"] = None if path is None else str(path)
    config["tokens"] = {f.slug: f.tokens for f in finished if f.family not in COUNTED and f.tokens}
    write_text(out / "compare.yaml", yaml.safe_dump(config, allow_unicode=True, sort_keys=True))
    shutil.rmtree(out / "work", ignore_errors=True)


COUNTED = (*COUNTING, "mixture")


def plan(
    path: Path | None,
    options: CompareOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[PlannedRung]:
    """What `compare` would do. Reads the text and trains tokenizers; writes nothing."""
    start = monotonic()
    budget = _seconds(options)
    corpus = load_corpus(path, field=options.field, seed=options.seed, progress=progress)
    rungs, skipped = _choose(corpus.split, options)
    outside = find_outside(options.beside, corpus, seed=options.seed)
    tokenizers = _train_tokenizers(rungs, _texts(corpus.split), options, skipped)
    clock = Clock(start, budget, [rung.share for rung in rungs if not rung.counts])
    steps = [PlannedRung(each.name, None, 0.0, None) for each in outside]
    for rung in rungs:
        seconds = None
        if not rung.counts and rung.slug not in options.tokens:
            seconds = clock.seconds_for(rung.share)
            clock.skip(rung.share)
            clock.end -= seconds
        tokenizer = tokenizers[rung.tokenizer, rung.size]
        scope = _scope(rung, rungs, _texts(corpus.split), options)
        steps.append(plan_rung(rung.slug, rung.family, tokenizer, scope, seconds))
    return steps
