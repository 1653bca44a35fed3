"""Proofs that a run is what it claims to be, made on a model's own text and settings.

resume         trained at one go, and killed with SIGKILL and taken up again: the same bytes
accumulation   a batch at once, and in pieces whose gradients are added: the same losses
ranks          one process, and two that share each batch, and the network too: the same losses

Each trains afresh for a short while, in a folder of its own; the model is only read.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

from foretell.contracts.errors import ForetellError
from foretell.contracts.learner import Budget
from foretell.corpus.source import LoadedCorpus
from foretell.ladder.records import Record, read_record
from foretell.ladder.single import prepare
from foretell.training.fit import fit
from foretell.training.ranks import ALONE, Ranks, join_ranks, leave
from foretell.training.recipes import COUNTING

UPDATES = 40
"""Of a proof: so many steps of descent."""
KILLS = 3
CHECKPOINT_SECONDS = 0.2
PATIENCE = 600.0
"""Seconds that a process may take."""
MODULE = "foretell.ladder.proofs"
LOSSES = "losses.json"
TELLING = r"(?:\[rank\d+\]: )?(?:foretell: |[A-Z]\w*Error: |terminate )"
"""How the lines begin that name an error."""
SHARDINGS = ("ddp", "fsdp")
LARGEST = 1e-5
"""Difference between losses, in nats a token, that adding in another order may make."""


@dataclass(frozen=True)
class Proof:
    """What was tried, and how it came out."""

    name: str
    passed: bool
    message: str


def prove_resume(model: Path, *, text: Path | None = None) -> Proof:
    """Kill training where chance has it, and compare. Raises ForetellError if the model has no
    record of its training, or its text is not there."""
    record = _networks_record(model, text)
    with TemporaryDirectory() as scratch:
        whole, killed = Path(scratch) / "whole", Path(scratch) / "killed"
        _wait(_start([MODULE], "rehearse", model, whole, text))
        done = 0
        generator = random.Random(0)
        # The last update may be over before a kill comes: so many lives, and not more, to try.
        for _ in range(10 * KILLS):
            if done == KILLS or (killed / "weights").exists():
                break
            process = _start([MODULE], "rehearse", model, killed, text)
            newest = _newest(killed)
            until = monotonic() + PATIENCE
            while process.poll() is None and _newest(killed) == newest and monotonic() < until:
                sleep(0.002)
            sleep(generator.uniform(0, 2 * CHECKPOINT_SECONDS))
            if process.poll() is None:
                process.kill()
                done += 1
            process.communicate()
        if not (killed / "weights").exists():
            _wait(_start([MODULE], "rehearse", model, killed, text))
        first, second = _fingerprint(whole), _fingerprint(killed)
    name = f"resume of {record.options.model}"
    if done == 0:
        return Proof(name, False, "training was over before it could be killed; nothing is proved")
    if first != second:
        return Proof(name, False, f"weights differ after {done} kills: {first[:12]}, {second[:12]}")
    return Proof(name, True, f"{UPDATES} updates, {done} kills: the same weights, {first[:12]}")


def prove_accumulation(model: Path, *, text: Path | None = None) -> Proof:
    """A batch at once and in pieces; raises as `prove_resume` does."""
    pieces = 4
    record = _networks_record(model, text)
    corpus = record.load_text(text)
    rows = _learner(corpus, record).settings.rows
    losses = [_losses(corpus, record, None), _losses(corpus, record, -(-rows // pieces))]
    largest = max(abs(a - b) for a, b in zip(*losses, strict=True))
    said = f"{rows} rows at once and {pieces} x {-(-rows // pieces)}: losses of {UPDATES} updates"
    return Proof(
        f"accumulation of {record.options.model}",
        largest <= LARGEST,
        f"{said} differ by {largest:.1e} nats/token at most ({LARGEST:.0e} allowed)",
    )


def prove_ranks(model: Path, *, text: Path | None = None) -> Proof:
    """One process and two on this machine; raises as `prove_resume` does."""
    record = _networks_record(model, text)
    alone = _losses(record.load_text(text), record, None)
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", MODULE]
    apart = {}
    for job in SHARDINGS:
        with TemporaryDirectory() as scratch:
            _wait(_start(launch, job, model, Path(scratch), text))
            together = json.loads((Path(scratch) / LOSSES).read_text("utf-8"))
        apart[job] = max(abs(a - b) for a, b in zip(alone, together, strict=True))
    found = " and ".join(f"{largest:.1e} ({job})" for job, largest in apart.items())
    return Proof(
        f"ranks of {record.options.model}",
        max(apart.values()) <= LARGEST,
        f"one process and two: losses of {UPDATES} updates differ by {found} nats/token at most "
        f"({LARGEST:.0e} allowed)",
    )


def _networks_record(model: Path, text: Path | None) -> Record:
    record = read_record(model)
    if record.options.model in COUNTING:
        raise ForetellError(
            f"{model} was counted in one pass, without checkpoints; give the folder of a network"
        )
    return record


def _learner(corpus: LoadedCorpus, record: Record, ranks: Ranks = ALONE) -> Any:
    learner = prepare(corpus, record.options, scope=record.scope, ranks=ranks)
    if learner.recipe != record.recipe:
        raise ForetellError(
            "this version of foretell would train that model in another way; train it again"
        )
    return learner


def _losses(
    corpus: LoadedCorpus,
    record: Record,
    rows_at_once: int | None,
    *,
    ranks: Ranks = ALONE,
    work: Path | None = None,
) -> list[float]:
    """Nats a token of each update, in float32."""
    learner = _learner(corpus, record, ranks)
    learner.settings = replace(learner.settings, rows_at_once=rows_at_once, precision="float32")
    found: list[float] = []
    _teach(
        learner,
        corpus,
        lambda nats, tokens: found.append(nats / tokens),
        ranks=ranks,
        checkpoints=work,
    )
    return found


def _teach(
    learner: Any, corpus: LoadedCorpus, see: Callable[[float, int], None], **options: Any
) -> None:
    update = learner.update

    def seen(batch: Any, *, spent: float) -> Any:
        progress = update(batch, spent=spent)
        see(progress.nats, progress.tokens)
        return progress

    learner.update = seen
    texts = [document.text for document in corpus.split.train]
    tokens = UPDATES * learner.settings.rows * learner.settings.width
    fit(learner, texts, budget=Budget(tokens=tokens), **options)


def rehearse(model: Path, out: Path, text: Path | None) -> None:
    """Train for a short while with a checkpoint every moment; what a killed process does."""
    record = read_record(model)
    corpus = record.load_text(text)
    learner = _learner(corpus, record)
    _teach(
        learner,
        corpus,
        lambda nats, tokens: None,
        checkpoints=out / "checkpoints",
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )
    weights = out / "weights"
    weights.mkdir(parents=True)
    learner.save(weights)


def write_losses(model: Path, out: Path, text: Path | None, *, sharded: bool) -> None:
    """Train for a short while together with other processes; what each of them does."""
    record, ranks = read_record(model), join_ranks(sharded=sharded)
    found = _losses(record.load_text(text), record, None, ranks=ranks, work=out / "checkpoints")
    if ranks.first:
        (out / LOSSES).write_text(json.dumps(found), "utf-8")
    ranks.wait()


def _start(
    launch: list[str], job: str, model: Path, out: Path, text: Path | None
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", *launch, job, str(model), str(out)]
    return subprocess.Popen(
        command + ([] if text is None else [str(text)]),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise ForetellError(f"training failed: {_reason(err)}")


def _reason(err: str) -> str:
    """The line that tells most, of what a process wrote to its end; torchrun adds a page."""
    lines = [line.strip() for line in err.splitlines() if line.strip(" =-")]
    errors = (line for line in lines if re.match(TELLING, line))
    return next(errors, lines[-1] if lines else "it said nothing")


def _newest(out: Path) -> str:
    folder = out / "checkpoints"
    found = sorted(each.name for each in folder.glob("0*")) if folder.is_dir() else []
    return found[-1] if found else ""


def _fingerprint(out: Path) -> str:
    return sha256((out / "weights" / "weights.safetensors").read_bytes()).hexdigest()


def main(job: str, model: str, out: str, text: str | None = None) -> None:
    """One of the jobs, in a process of its own."""
    source = None if text is None else Path(text)
    if job in SHARDINGS:
        write_losses(Path(model), Path(out), source, sharded=job == "fsdp")
    else:
        rehearse(Path(model), Path(out), source)


if __name__ == "__main__":
    main(*sys.argv[1:])
    leave(0)
