"""The networks that an application tries, each taught in the same way, within one budget."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from foretell.contracts.errors import MissingExtra
from foretell.contracts.learner import Budget
from foretell.storage import locked, refuse_existing
from foretell.tasks.examples.vectors import read_vectors, refuse_vectors
from foretell.tasks.options import TeachOptions
from foretell.training.fit import Glance, Run, fit

if TYPE_CHECKING:
    from foretell.tasks.networks.encoder import Encoder
    from foretell.tasks.networks.learner import TaskNetwork

RECORD = "task.json"
Watch = Callable[[Glance], None]
Begin = Callable[[str], Watch]
"""Told the name of what begins to learn."""
Make = Callable[["Encoder", float], "TaskNetwork"]
"""Puts a head on an encoder, with so much dropout."""


@contextmanager
def working_folder(out: Path) -> Iterator[Path]:
    """OUT.checkpoints, held by this process; what stands in it goes when all is well. Raises
    OutputExists if something stands at `out`, or another process works on it."""
    refuse_existing(out)
    work = out.with_name(out.name + ".checkpoints")
    with locked(work):
        yield work
        for each in work.iterdir():
            if each.is_dir():
                shutil.rmtree(each)


def write_record(folder: Path, found: Any, options: Any, path: Path) -> None:
    """What training found, for people, pages and programs. found, options: dataclasses."""
    record = asdict(found) | {"options": asdict(options), "text": str(path)}
    said = json.dumps(record, ensure_ascii=False, indent=1)
    (folder / RECORD).write_text(said + "\n", "utf-8")


def record_of(folder: Path) -> Any:
    """What `write_record` wrote."""
    return json.loads((folder / RECORD).read_text("utf-8"))


class Taught(NamedTuple):
    rung: str
    network: Any
    run: Run


class Data(NamedTuple):
    """What networks learn from, as `ExampleLearner` takes it."""

    examples: Sequence[Any]
    dev: Sequence[Any]
    words: Iterable[Sequence[str]]
    """All that stand in the examples."""


def refuse_options(options: TeachOptions) -> None:
    """Raise ForetellError for a budget or a pretrained model that cannot be used, MissingExtra:
    before anything is read or learned."""
    Budget.parse(options.budget)
    networks_for(options)
    if options.vectors is not None:
        refuse_vectors(Path(options.vectors))
    if options.adapt is not None:
        from foretell.tasks.networks.pretrained import open_base

        open_base(options.adapt)


def has_networks() -> bool:
    """Whether PyTorch is here."""
    return find_spec("torch") is not None and find_spec("safetensors") is not None


def networks_for(options: TeachOptions, scratch: str = "recurrent") -> list[str]:
    """Those that can be tried here. scratch: the one that learns from nothing. Raises MissingExtra
    if one is asked for and cannot."""
    there = has_networks()
    if not there and (options.adapt or options.vectors):
        raise MissingExtra('networks need PyTorch: pip install "foretell[neural]"')
    return [*([scratch] if there else []), *(["adapted"] if options.adapt else [])]


def teach_in_turn(
    rungs: Sequence[str],
    options: TeachOptions,
    work: Path,
    teach: Callable[[str, Budget, Path, Watch | None], Taught],
    *,
    begin: Begin | None = None,
) -> Iterator[Taught]:
    """Each kind of network, when it has learned, within one budget for all. teach: does it, with a
    folder for checkpoints."""
    left = Budget.parse(options.budget)
    for index, rung in enumerate(rungs):
        watch = None if begin is None else begin(rung)
        budget = left
        if left.seconds is not None:
            # What one does not need is for those after it.
            budget = replace(left, seconds=left.seconds / (len(rungs) - index))
        taught = teach(rung, budget, work / rung, watch)
        if left.seconds is not None:
            left = replace(left, seconds=max(1.0, round(left.seconds - taught.run.seconds)))
        yield taught


def teach_networks(
    make: Make,
    data: Data,
    options: TeachOptions,
    work: Path,
    *,
    begin: Begin | None = None,
    stop: Callable[[], bool] | None = None,
) -> Iterator[Taught]:
    """Each kind of network that reads both ways, as `teach_in_turn`."""

    def teach(rung: str, budget: Budget, folder: Path, watch: Watch | None) -> Taught:
        return _teach(rung, make, data, options, budget, folder, watch, stop)

    return teach_in_turn(networks_for(options), options, work, teach, begin=begin)


def _teach(
    rung: str,
    make: Make,
    data: Data,
    options: TeachOptions,
    budget: Budget,
    work: Path,
    watch: Watch | None,
    stop: Callable[[], bool] | None,
) -> Taught:
    import torch

    from foretell.tasks.networks.encoders import build_encoder
    from foretell.tasks.networks.learner import ExampleLearner, as_lines
    from foretell.tasks.networks.recipes import RECIPES
    from foretell.tasks.networks.recurrent import RecurrentEncoder, choose_rows

    recipe = RECIPES[rung]
    facts: dict[str, Any] = {"model": options.adapt}
    vectors = None
    if rung == "recurrent":
        words = list(data.words)
        facts = {"rows": choose_rows(words)}
        if options.vectors is not None:
            said = {word.strip().lower() for text in words for word in text}
            vectors = read_vectors(Path(options.vectors), said)
            facts["vectors"] = vectors.rows.shape[1], vectors.words
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        encoder = build_encoder(rung, facts)
        if vectors is not None:
            assert isinstance(encoder, RecurrentEncoder)
            encoder.begin_with(vectors.rows)
        network = make(encoder, recipe.dropout)
    answers = network.answers_each * len(data.examples)
    passes = budget.passes or recipe.passes_over(answers, network.passes.get(rung))
    run = fit(
        ExampleLearner(network, recipe.settings(options.seed, network.answers_each)),
        as_lines(data.examples),
        budget=replace(budget, passes=passes),
        held_out=["\n".join(as_lines(data.dev))],
        checkpoints=work,
        watch=watch,
        stop=stop,
    )
    return Taught(rung, network, run)
