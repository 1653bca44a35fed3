"""Several processes, of which one or all are killed: the same model, whole network or shares.

For DistributedDataParallel and FSDP2, two processes under torchrun:

  whole      nobody is killed; and the same in one process
  restart    one is killed, rank 0 in one try and rank 1 in another; torchrun starts both anew
  resume     all are killed, one after another, and the run is taken up on two and on one

Weights are to be the same bit for bit where two processes go on, and losses the same to 1e-5 where
another number of them does.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.networks.shakespeare import read_parts
from benchmarks.result import ROOT, Result, say

SHARDINGS = ("ddp", "fsdp")
BUDGETS = {"gpt": "40k tokens", "lstm": "20k tokens"}
"""Forty updates each: rounding grows with every one of them."""
QUICK_FAMILIES = ("gpt",)
TEXT_CHARACTERS = 100_000
MOST_APART = 1e-5
"""Nats a token, of the losses of any update."""
KILL_AFTER = 12
"""Updates, and a checkpoint."""
PATIENCE = 300.0
MODEL = "model"


def measure(*, quick: bool) -> Result:
    families = QUICK_FAMILIES if quick else tuple(BUDGETS)
    figures: dict[str, Any] = {}
    met = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = folder / "text.txt"
        text.write_text(_text(), "utf-8")
        for family in families:
            alone = Try(folder / f"{family}-alone", text, family, "ddp")
            alone.start(1)
            alone.wait()
            for sharding in SHARDINGS:
                found = _measure_one(folder, text, family, sharding, alone)
                say(f"{family} {sharding}: {json.dumps(found)}")
                figures[f"{family} {sharding}"] = found
                met = met and found["met"]
    return Result(met, figures)


def _text() -> str:
    parts = read_parts()
    if parts is not None:
        return parts[0][:TEXT_CHARACTERS]
    from foretell.corpus.builtin import builtin_documents

    return "\n\n".join(document.text for document in builtin_documents())[:TEXT_CHARACTERS]


class Try:
    """A run in a folder of its own, in one process or in two under torchrun."""

    def __init__(self, folder: Path, text: Path, family: str, sharding: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.text, self.family, self.sharding = folder, text, family, sharding

    def copy(self, folder: Path) -> Try:
        """Another run, from where this one stands."""
        shutil.copytree(self.folder, folder)
        return Try(folder, self.text, self.family, self.sharding)

    def start(self, count: int, *, restarts: int = 0) -> None:
        sharding = self.sharding if count > 1 else "ddp"
        job = [str(self.text), str(self.folder / MODEL), self.family, sharding]
        script = ["-m", "benchmarks.networks.ranks", *job, BUDGETS[self.family]]
        if count > 1:
            launch = ["--standalone", f"--nproc_per_node={count}", f"--max-restarts={restarts}"]
            script = ["-m", "torch.distributed.run", *launch, *script]
        with (self.folder / "err.txt").open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, *script],
                cwd=ROOT,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=subprocess.DEVNULL,
                stderr=err,
            )

    def wait(self) -> None:
        code = self.process.wait(PATIENCE)
        if code:
            last = (self.folder / "err.txt").read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"training ended with {code}: {last}")

    def wait_to_kill(self) -> None:
        """Until so many updates are done that there is something to lose, and to go on from."""
        until = time.monotonic() + PATIENCE
        work = self.folder / f"{MODEL}.checkpoints"
        while len(self.lines()) < KILL_AFTER or not any(work.glob("0*/manifest.json")):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("training was over before it could be killed")
            time.sleep(0.005)

    def kill(self, rank: int) -> None:
        os.kill(int(self.said(f"pid.{rank}").split()[0]), signal.SIGKILL)

    def kill_all(self) -> None:
        """torchrun, which would start them anew, then one after another."""
        self.process.kill()
        self.process.wait()
        for rank in (0, 1):
            try:
                self.kill(rank)
            except ProcessLookupError:
                # Ended by itself: the other is gone.
                continue
            time.sleep(0.3)

    def said(self, name: str) -> str:
        return (self.folder / name).read_text("utf-8")

    def lines(self) -> list[dict[str, Any]]:
        file = self.folder / "losses.jsonl"
        whole = file.read_text("utf-8").split("\n")[:-1] if file.exists() else []
        return [json.loads(line) for line in whole]

    def losses(self) -> dict[int, float]:
        """Of each update, as it was made last."""
        return {line["update"]: line["nats"] for line in self.lines()}

    def repeated(self) -> int:
        """Updates that were lost and made again."""
        return len(self.lines()) - len(self.losses())

    def weights(self) -> str:
        return sha256((self.folder / MODEL / "model.safetensors").read_bytes()).hexdigest()[:16]


def _measure_one(
    folder: Path, text: Path, family: str, sharding: str, alone: Try
) -> dict[str, Any]:
    def new(name: str) -> Try:
        return Try(folder / f"{family}-{sharding}-{name}", text, family, sharding)

    whole = new("whole")
    whole.start(2)
    whole.wait()
    restarted = {}
    for rank in (0, 1):
        trial = new(f"restart{rank}")
        trial.start(2, restarts=3)
        trial.wait_to_kill()
        trial.kill(rank)
        trial.wait()
        restarted[f"rank {rank} killed"] = {
            "same_weights": trial.weights() == whole.weights(),
            "same_losses": trial.losses() == whole.losses(),
            "restarts": int(trial.said("pid.0").split()[1]),
            "updates": len(whole.losses()),
            "updates_made_again": trial.repeated(),
        }
    killed = new("killed")
    killed.start(2)
    killed.wait_to_kill()
    killed.kill_all()
    resumed = {}
    for count in (2, 1):
        trial = killed.copy(folder / f"{family}-{sharding}-resumed{count}")
        trial.start(count)
        trial.wait()
        resumed[count] = trial
    on_two = {
        "same_weights": resumed[2].weights() == whole.weights(),
        "same_losses": resumed[2].losses() == whole.losses(),
        "updates_made_again": resumed[2].repeated(),
    }
    on_one = {
        "updates_on_one": sum(line["ranks"] == 1 for line in resumed[1].lines()),
        "losses_apart": _apart(resumed[1].losses(), whole.losses()),
    }
    apart = _apart(alone.losses(), whole.losses())
    met = apart <= MOST_APART and on_one["losses_apart"] <= MOST_APART
    for found in (on_two, *restarted.values()):
        # All made again would be a start from the beginning.
        again = found["updates_made_again"] < KILL_AFTER
        met = met and bool(found["same_weights"] and found["same_losses"] and again)
    met = met and all(found["restarts"] == 1 for found in restarted.values())
    return {
        "met": met,
        "one_and_two_apart": apart,
        "restarted": restarted,
        "resumed_on_two": on_two,
        "resumed_on_one": on_one,
        "tokens_per_second": json.loads(whole.said("rate.json"))["tokens_per_second"],
        "tokens_per_second_alone": json.loads(alone.said("rate.json"))["tokens_per_second"],
        "peak_bytes": [int(whole.said(f"peak.{rank}")) for rank in (0, 1)],
        "peak_bytes_alone": int(alone.said("peak.0")),
    }


def _apart(first: dict[int, float], second: dict[int, float]) -> float:
    if first.keys() != second.keys():
        return float("inf")
    return max(abs(first[update] - second[update]) for update in first)
