"""The best small model per minute: tiny Shakespeare's characters on two cores.

A fifth of the time of nanoGPT's CPU recipe, run before it in the same go, to the loss that the
recipe reaches; ten minutes to the loss that nanoGPT reaches on an A100; an LSTM in ten minutes.
All times are of processes from their start to the score.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.networks.nanogpt_peer import find_nanogpt, run_cpu_recipe
from benchmarks.networks.shakespeare import read_parts
from benchmarks.result import ROOT, Result, say

PUBLISHED_CPU, PUBLISHED_GPU = 1.886, 1.47
LSTM = 1.60
SHARE = 1 / 5
MINUTES = 10
AROUND_SHORT, AROUND_LONG = 10.0, 20.0
"""Seconds of a process that do not train: imports, tokenizer, the score."""


def _train(family: str, whole: float, around: float) -> dict[str, Any]:
    """A process that has its score after about `whole` seconds."""
    say(f"{family}, {whole:.0f} s")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.networks.shakespeare", family, f"{whole - around:.1f}"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    say(f"  {found['nats']:.4f} nats a character after {found['seconds_to_the_score']:.1f} s")
    return found


def measure(*, quick: bool) -> Result:
    if read_parts() is None:
        return Result(None, {"reason": "FORETELL_DATA has no lm/tinyshakespeare"})
    checkout = find_nanogpt()
    if checkout is None:
        return Result(None, {"reason": "NANOGPT does not name a checkout of karpathy/nanoGPT"})
    say("nanoGPT's CPU recipe")
    peer = run_cpu_recipe(checkout, updates=200 if quick else 2000)
    say(f"  {peer.held_out:.4f} after {peer.seconds:.0f} s")
    ten = 60.0 if quick else 60.0 * MINUTES
    short = _train("gpt", 30.0 if quick else peer.seconds * SHARE, AROUND_SHORT)
    long, lstm = (_train(family, ten, AROUND_LONG) for family in ("gpt", "lstm"))
    met = (
        short["nats"] <= PUBLISHED_CPU
        and short["seconds_to_the_score"] <= peer.seconds * SHARE
        and long["nats"] <= PUBLISHED_GPU
        and lstm["nats"] <= LSTM
        and max(long["seconds_to_the_score"], lstm["seconds_to_the_score"]) <= ten
    )
    figures = {
        "nanogpt": {"seconds": peer.seconds, "nats": peer.held_out},
        "short": short,
        "ratio_of_times": short["seconds_to_the_score"] / peer.seconds,
        "ten_minutes": long,
        "lstm": lstm,
    }
    return Result(met, figures)
