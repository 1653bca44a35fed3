"""nanoGPT as a peer: its own scripts, run from a checkout that NANOGPT names."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.networks.shakespeare import FILE
from benchmarks.result import find_folder

CONFIG = "config/train_shakespeare_char.py"
CPU_RECIPE = (
    "--device=cpu --compile=False --eval_iters=20 --log_interval=1 --block_size=64 "
    "--batch_size=12 --n_layer=4 --n_head=4 --n_embd=128 --max_iters=2000 "
    "--lr_decay_iters=2000 --dropout=0.0"
)
"""From its README, for a laptop without a GPU."""


@dataclass(frozen=True)
class NanoGPT:
    """How a run of it ended."""

    seconds: float
    """Of the whole process."""
    held_out: float
    """Nats a character by its own estimate, of 20 batches."""


def find_nanogpt() -> Path | None:
    folder = Path(os.environ.get("NANOGPT", ""))
    return folder if (folder / "train.py").is_file() else None


def run_cpu_recipe(checkout: Path, *, updates: int = 2000) -> NanoGPT:
    """Prepare its data if need be, then train. Writes into a temporary folder and its data/."""
    data = checkout / "data" / "shakespeare_char"
    if not (data / "train.bin").exists():
        source = find_folder("FORETELL_DATA", "data")
        assert source is not None, "FORETELL_DATA is not there"
        (data / "input.txt").write_bytes((source / FILE).read_bytes())
        subprocess.run([sys.executable, str(data / "prepare.py")], check=True, capture_output=True)
    recipe = CPU_RECIPE.replace("=2000", f"={updates}").split()
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "train.py", CONFIG, *recipe, f"--out_dir={scratch}"],
            cwd=checkout,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - began
    losses = re.findall(r"step \d+: train loss [\d.]+, val loss ([\d.]+)", done.stdout)
    return NanoGPT(seconds, float(losses[-1]))
