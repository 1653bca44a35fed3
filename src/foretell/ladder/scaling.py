"""Small models, the law that they follow, and what it foretells: `foretell scale`.

scale/NAME/
  settings.json                  text, options and the grid of runs; what a second call goes on with
  runs/365000-96177x4/run.json   one for each run: parameters, tokens, passes; whole or not there
  work/365000-96177x4/           checkpoints of the run in progress
  scale.json                     runs, law with its bands, answers
  checks.json                    what became of it, see laws.py
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np

from foretell.contracts.errors import ForetellError, OutputExists
from foretell.contracts.learner import Budget
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.source import LoadedCorpus, load_corpus
from foretell.evaluation.comparing import measure
from foretell.evaluation.forecast import ScaledRun, Scaling, write_count, write_passes
from foretell.evaluation.scaling import Runs, fit_with_bands
from foretell.ladder.grid import (
    PASSES,
    SIZES,
    Cell,
    Grid,
    choose_grid,
    choose_passes,
    estimate_seconds,
)
from foretell.ladder.laws import RESULT, output_folder, spell
from foretell.ladder.machine import set_threads
from foretell.ladder.options import ScaleOptions
from foretell.ladder.plans import PlannedRung
from foretell.ladder.single import Parts, choose_tokenizer
from foretell.storage import LOCK, check_seal, locked, new_folder, seal, write_text
from foretell.training.fit import LOOK_BYTES, LOOKS, Glance, fit
from foretell.training.recipes import Scope, build_learner, estimate_needs

SETTINGS = "settings.json"
TIMED_UPDATES = 5
"""By which the speed of each size is measured, after one that does not count."""
READING = 0.7
"""What reading a token costs, against learning from it: no way back, but windows overlap."""


class Spectator(Protocol):
    """Somebody who is told how the runs go."""

    def corpus(self, corpus: LoadedCorpus) -> None: ...

    def begin(self, name: str, seconds: float | None) -> Callable[[Glance], None]: ...

    def scaled(self, run: ScaledRun, *, again: bool) -> None:
        """A run is there; again: from an earlier call."""
        ...


@dataclass(frozen=True)
class Material:
    """What all runs share."""

    corpus: LoadedCorpus
    options: ScaleOptions
    parts: Parts
    texts: tuple[str, ...]
    """To learn from."""
    tokenizer: Tokenizer
    bytes: int
    """Of these texts."""
    sizes: tuple[int, ...]
    """Tokens of each of them, its boundary too."""
    order: tuple[int, ...]
    """The texts as chance has them: the fewer are always among the more."""

    @property
    def tokens(self) -> int:
        return sum(self.sizes)

    def scope(self, passes: int, parameters: int) -> Scope:
        """Of all runs, whatever their part of the text: as `train` would have it on all of it."""
        return Scope.of(Budget(passes=passes), self.bytes, parameters)

    def take(self, tokens: int) -> tuple[list[str], int]:
        """Texts with about so many tokens, and how many they have."""
        texts, taken = [], 0
        for index in self.order:
            if taken >= tokens:
                break
            texts.append(self.texts[index])
            taken += self.sizes[index]
        return texts, taken


def load_material(
    path: Path | None,
    options: ScaleOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Material:
    """Read and split the text, train the tokenizer. Raises ForetellError."""
    set_threads(options.threads)
    corpus = load_corpus(path, field=options.field, seed=options.seed, progress=progress)
    parts = Parts.of(corpus)
    texts = tuple(document.text for document in corpus.split.train)
    size = sum(len(text.encode()) for text in texts)
    tokenizer = choose_tokenizer(options.tokenizer, options.size, texts, size)
    # Refused here if PyTorch is not there.
    estimate_needs(options.model, tokenizer, Scope(bytes=size))
    sizes = tuple(len(encoding.tokens) + 1 for encoding in tokenizer.encode_many(list(texts)))
    order = np.random.default_rng(options.seed).permutation(len(texts)).tolist()
    return Material(corpus, options, parts, texts, tokenizer, size, sizes, tuple(order))


def plan(
    path: Path | None,
    options: ScaleOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[PlannedRung]:
    """What `scale` would run. Trains the tokenizer and measures speed; writes nothing."""
    material = load_material(path, options, progress=progress)
    rates = _measure_rates(material)
    grid = _choose(material, rates)
    lines = []
    for cell in grid.cells:
        scope = material.scope(grid.passes, cell.parameters)
        needs = estimate_needs(options.model, material.tokenizer, scope)
        alone = Grid(grid.passes, (cell.parameters,), (cell.tokens,))
        seconds = estimate_seconds(alone, rates, _reading(material))
        name = f"{cell.tokens:,} tokens, {write_passes(grid.passes)}"
        lines.append(PlannedRung(name, needs.inner, seconds, needs.memory))
    return lines


def scale(
    path: Path | None,
    options: ScaleOptions,
    *,
    spectator: Spectator | None = None,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Scaling:
    """Train the small models and fit the law; None is the built-in text. Writes the folder.

    Runs of an earlier, interrupted call with the same text and options are not done again.
    Raises ForetellError, before anything is written, if text or options cannot be used.
    """
    material = load_material(path, options, progress=progress)
    if spectator is not None:
        spectator.corpus(material.corpus)
    out = output_folder(path, options.out)
    grid = _planned(out, material)
    with locked(out):
        settings = _identify(material) | {"grid": asdict(grid)}
        write_text(out / SETTINGS, spell(settings))
        found = [_run(cell, grid, material, out, spectator, stop) for cell in grid.cells]
        shutil.rmtree(out / "work", ignore_errors=True)
        scaling = _fit(found, grid, material)
        write_text(out / RESULT, spell(scaling.as_dict()))
    return scaling


def _identify(material: Material) -> dict[str, Any]:
    """What two calls must agree in to share their runs."""
    left_out = ("out", "threads")
    said = {k: v for k, v in asdict(material.options).items() if k not in left_out}
    return {"text": material.corpus.fingerprint, "options": said}


def _planned(out: Path, material: Material) -> Grid:
    """The grid of an earlier call, else a new one. Raises OutputExists if the folder holds
    something else."""
    if not out.exists():
        return _choose(material, _measure_rates(material))
    if not out.is_dir():
        raise OutputExists(f"{out} is a file; give the name of a folder as --out")
    if not (out / SETTINGS).exists():
        if any(each.name != LOCK for each in out.iterdir()):
            raise OutputExists(f"{out} holds something else; give another --out")
        return _choose(material, _measure_rates(material))
    settings = json.loads((out / SETTINGS).read_text("utf-8"))
    grid = settings.pop("grid")
    if settings != _identify(material):
        raise OutputExists(
            f"{out} holds a scaling law of another text or with other options; "
            "give another --out, or remove it"
        )
    return Grid(grid["passes"], tuple(grid["sizes"]), tuple(grid["texts"]))


def _choose(material: Material, rates: dict[int, float]) -> Grid:
    seconds = Budget.parse(material.options.budget).seconds
    if seconds is None:
        raise ForetellError(
            f"a scaling law needs a budget of time, such as 10m, not {material.options.budget!r}"
        )
    return choose_grid(material.tokens, _passes(material), seconds, rates, _reading(material))


def _passes(material: Material) -> int:
    family, tokenizer = material.options.model, material.tokenizer
    batches = {
        passes: estimate_needs(family, tokenizer, material.scope(passes, SIZES[0])).batch
        for passes in PASSES
    }
    return choose_passes(material.tokens, batches)


def _reading(material: Material) -> int:
    """Tokens that could be learned while a run is measured, on its way and at its end."""
    held_out, stopping = (
        sum(len(text.encode()) for text in part)
        for part in (material.parts.held_out, material.parts.stopping)
    )
    read = held_out + LOOKS * min(LOOK_BYTES, stopping)
    return round(READING * read * material.tokens / material.bytes)


def _measure_rates(material: Material) -> dict[int, float]:
    """Seconds that a token takes to learn from, by size."""
    passes = _passes(material)
    return {size: _measure_rate(material, material.scope(passes, size)) for size in SIZES}


def _measure_rate(material: Material, scope: Scope) -> float:
    family, tokenizer = material.options.model, material.tokenizer
    batch = estimate_needs(family, tokenizer, scope).batch
    learner = build_learner(family, tokenizer, seed=material.options.seed, scope=scope)
    learner.feed(material.take(2 * (TIMED_UPDATES + 1) * batch)[0])
    batches = list(learner.batches(0))
    rates = []
    for number in range(TIMED_UPDATES + 1):
        began = monotonic()
        progress = learner.update(batches[number % len(batches)], spent=0.0)
        rates.append((monotonic() - began) / progress.tokens)
    # The quickest: on a machine that others use too, three updates in a row were slower by ten.
    return min(rates[1:])


@dataclass(frozen=True)
class _Found:
    """A run, and what each held-out document cost it."""

    run: ScaledRun
    bits: list[float]
    bytes: list[float]
    signature: str


def _run(
    cell: Cell,
    grid: Grid,
    material: Material,
    out: Path,
    spectator: Spectator | None,
    stop: Callable[[], bool] | None,
) -> _Found:
    """Train and measure one small model, or read what an earlier call found."""
    name = f"{cell.parameters}-{cell.tokens}x{grid.passes}"
    folder = out / "runs" / name
    again = folder.exists()
    if not again:
        found = _train(cell, grid, material, out / "work" / name, spectator, stop)
        with new_folder(folder) as draft:
            (draft / "run.json").write_text(spell(asdict(found)), "utf-8")
            seal(draft, {"run": name})
    check_seal(folder)
    content = json.loads((folder / "run.json").read_text("utf-8"))
    found = _Found(**content | {"run": ScaledRun(**content["run"])})
    if spectator is not None:
        spectator.scaled(found.run, again=again)
    return found


def _train(
    cell: Cell,
    grid: Grid,
    material: Material,
    work: Path,
    spectator: Spectator | None,
    stop: Callable[[], bool] | None,
) -> _Found:
    options, parts = material.options, material.parts
    scope = material.scope(grid.passes, cell.parameters)
    learner = build_learner(options.model, material.tokenizer, seed=options.seed, scope=scope)
    texts, tokens = material.take(cell.tokens)
    inner = estimate_needs(options.model, material.tokenizer, scope).inner
    name = f"{write_count(inner)} parameters, {write_count(tokens)} tokens"
    run = fit(
        learner,
        texts,
        budget=Budget(passes=grid.passes),
        held_out=parts.stopping,
        checkpoints=work,
        watch=None if spectator is None else spectator.begin(name, None),
        stop=stop,
    )
    score = measure(learner.model(), parts.held_out, end_of_text=not parts.passages)
    shutil.rmtree(work, ignore_errors=True)
    bits = score.total.bits_per_byte
    scaled = ScaledRun(inner, tokens, grid.passes, bits, run.seconds)
    return _Found(scaled, score.bits.tolist(), score.bytes.tolist(), str(score.signature))


def _fit(found: list[_Found], grid: Grid, material: Material) -> Scaling:
    runs = [each.run for each in found]
    measured = Runs(
        parameters=np.array([run.parameters for run in runs], np.float64),
        tokens=np.array([run.effective for run in runs]),
        bits=np.array([each.bits for each in found]),
        bytes=np.array(found[0].bytes),
    )
    options, corpus = material.options, material.corpus
    scope = material.scope(grid.passes, grid.sizes[-1])
    return Scaling(
        title=corpus.title,
        fingerprint=corpus.fingerprint,
        seed=options.seed,
        family=options.model,
        tokenizer=material.tokenizer.name,
        tokenizer_fingerprint=material.tokenizer.fingerprint,
        tokens=material.tokens,
        bytes=material.bytes,
        passes=grid.passes,
        batch=estimate_needs(options.model, material.tokenizer, scope).batch,
        signature=found[0].signature,
        runs=tuple(runs),
        fitted=fit_with_bands(measured, seed=options.seed),
    )
