"""SmolLM2 adapted by low-rank parts to 300 kB of a user's text: the time it takes, what it gains on
the text kept back, that the merged model is the adapted one, and all of them side by side."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.networks.shakespeare import read_parts
from benchmarks.result import Result, foretell, say
from foretell.interop import pretrained
from foretell.interop.doors import open_model
from foretell.ladder.adapting import LOW_RANK, RECORD
from foretell.models.neural.low_rank import LowRank, attach
from foretell.models.neural.network import NeuralModel

SMOLLM = "smollm2-135m"
BYTES, QUICK_BYTES = 300_000, 60_000
MOST_SECONDS, CLOSE = 600.0, 1e-4
BUDGET, QUICK_BUDGET = "5m", "40s"
"""Of learning; reading, opening and measuring before and after come on top."""


def measure(*, quick: bool) -> Result:
    parts = read_parts()
    if parts is None:
        return Result(None, {"reason": "needs the data; name its folder in FORETELL_DATA"})
    pretrained.pull(SMOLLM)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        text = parts[0].encode()[: QUICK_BYTES if quick else BYTES].decode("utf-8", "ignore")
        (folder / "text.txt").write_text(text, "utf-8")
        budget = QUICK_BUDGET if quick else BUDGET
        command = ["adapt", SMOLLM, "text.txt", "--out", "adapted", "--method", "lora"]
        done = foretell([*command, "--budget", budget, "--json"], folder=folder)
        if done.code:
            raise RuntimeError(done.err)
        record = json.loads((folder / "adapted" / RECORD).read_text("utf-8"))
        say(f"adapted in {done.seconds:.0f} s: {record['held_out']}")
        apart = _compare_merged(folder / "adapted", text[-3000:], record["options"]["rank"])
        say(f"merged against beside: {apart:.2g}")
        side = _side_by_side(folder)
    own = record["held_out"]
    names = [each["name"] for each in side["rungs"]]
    met = (
        done.seconds < MOST_SECONDS
        and own["difference"]["high"] < 0
        and apart <= CLOSE
        and side["complete"]
    )
    figures = {
        "seconds": done.seconds,
        "learned": record["learned"],
        "run": {name: record["run"][name] for name in ("seconds", "tokens", "updates", "ended")},
        "held_out": own,
        "general": record["general"],
        "merged_apart": apart,
        "side_by_side": side["rungs"],
        "names": names,
    }
    return Result(met, figures)


def _compare_merged(folder: Path, text: str, rank: int) -> float:
    """Largest difference of log-probabilities: weights with low-rank parts merged into them, and
    the same parts beside the weights that they were learned for."""
    merged, beside = open_model(folder), open_model(SMOLLM)
    assert isinstance(beside, NeuralModel)
    attach(beside.network, rank=rank, seed=0)
    parts = load_file(folder / LOW_RANK)
    with torch.no_grad():
        for name, module in beside.network.named_modules():
            if isinstance(module, LowRank):
                module.down.copy_(parts.pop(f"{name}.A"))
                module.up.copy_(parts.pop(f"{name}.B") / module.scale)
    assert not parts, f"parts beside nothing: {sorted(parts)[:3]}"
    beside.network.eval()
    tokens = merged.tokenizer.encode(text).tokens[None, :400]
    read = [model.advance(model.begin().state, tokens, keep=400) for model in (merged, beside)]
    one, other = (step.logprobs[0, :-1] for step in read)
    places = np.arange(399), tokens[0, 1:]
    return float(np.abs(one[places] - other[places]).max())


def _side_by_side(folder: Path) -> dict[str, Any]:
    """`compare --with`: zero-shot, adapted, a 5-gram of the same tokens, and their mixture."""
    command = ["compare", "text.txt", "--with", f"{SMOLLM},adapted", "--budget", "5m"]
    done = foretell([*command, "--rungs", "kneser-ney:bpe", "--json"], folder=folder, timeout=3600)
    if done.code:
        raise RuntimeError(done.err)
    found = json.loads(done.out)
    rungs = [
        {
            "name": rung["name"],
            "family": rung["family"],
            "slug": Path(rung["folder"]).name,
            "bits_per_byte": rung["bits_per_byte"],
            "difference": rung["difference"],
            "weights": rung["weights"],
        }
        for rung in found["rungs"]
    ]
    families = [rung["family"] for rung in rungs]
    complete = families.count("llama") == 2 and "mixture" in families
    return {"rungs": rungs, "complete": complete and families.count("kneser-ney") == 2}
