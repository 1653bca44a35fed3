"""One command, three texts: the mixture is the best model, a network beats the floor on tiny
Shakespeare, and our losses are those of `transformers` and of a plain PyTorch loop."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file

from benchmarks.result import ROOT, Result, find_folder, foretell, say
from foretell.contracts.language_model import LanguageModel
from foretell.corpus.source import load_corpus
from foretell.ladder.running import Finished, load_finished
from foretell.training.recipes import NETWORKS

BUDGET, QUICK_BUDGET = "5m", "60s"
MOST_APART = 1e-4
"""Nats a token by which two implementations may differ."""
WINDOW = 127
"""Tokens of a model that reads any number; else as many as it reads with a boundary first."""
WINDOWS_AT_ONCE = 16
Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Text:
    name: str
    path: Path | None
    field: str | None = None


def texts(*, quick: bool) -> tuple[list[Text], list[str]]:
    """The texts that are there, and the names of those that are not."""
    found = [Text("embedded", None)]
    if quick:
        return found, []
    folder = find_folder("FORETELL_DATA", "data")
    wanted = [
        Text("tinyshakespeare", Path("lm/tinyshakespeare/input.txt")),
        Text("songci", Path("lm/chinese_poetry/songci"), "paragraphs"),
    ]
    missing = []
    for text in wanted:
        assert text.path is not None
        path = None if folder is None else (folder / text.path).resolve()
        if path is None or not path.exists():
            missing.append(text.name)
        else:
            found.append(Text(text.name, path, text.field))
    return found, missing


def compare(text: Text, out: Path, budget: str) -> dict[str, Any]:
    """One run of `foretell compare`, and what its rungs say about each other."""
    command = ["compare", "--budget", budget, "--out", str(out), "--json"]
    if text.path is not None:
        command.append(str(text.path))
    if text.field is not None:
        command += ["--field", text.field]
    say(f"{text.name}: foretell {' '.join(command)}")
    done = foretell(command, folder=ROOT)
    if done.code:
        say(done.err)
        return {"exit_code": done.code, "stderr": done.err[-500:], "wall_seconds": done.seconds}
    said = json.loads(done.out)
    rungs = finished_rungs(out)
    singles = [each for each in rungs if each.family != "mixture"]
    mixture = next((each for each in rungs if each.family == "mixture"), None)
    # The best of them on the very bytes that judge, which is the hardest to beat.
    single = min(singles, key=bits)
    figures: dict[str, Any] = {
        "wall_seconds": done.seconds,
        "best_rung": said["rungs"][0]["name"],
        "best_single": single.slug,
        "best_single_bits": bits(single),
        "rungs": {each.slug: bits(each) for each in sorted(rungs, key=bits)},
        "skipped": said["skipped"],
        "laws_failed": {each.slug: each.laws_failed for each in rungs if each.laws_failed},
        "held_out_documents": len(single.score.evidence),
    }
    if mixture is not None:
        figures["mixture_bits"] = bits(mixture)
        figures["weights"] = mixture.weights
        figures["mixture_minus_best_single"] = difference(mixture, single)
    # Floor and network are chosen on the stopping part, as the comparison itself does.
    floors = [each for each in singles if each.family == "kneser-ney"]
    networks = [each for each in singles if each.family in NETWORKS]
    if floors and networks:
        floor, network = (min(part, key=lambda e: e.stopping_bits) for part in (floors, networks))
        figures["floor"], figures["network"] = floor.slug, network.slug
        figures["network_minus_floor"] = difference(network, floor)
    return figures


def finished_rungs(out: Path) -> list[Finished]:
    slugs = sorted(folder.parent.name for folder in (out / "rungs").glob("*/rung.json"))
    return [done for done in (load_finished(out, slug) for slug in slugs) if done is not None]


def bits(rung: Finished) -> float:
    return rung.score.total.bits_per_byte


def difference(one: Finished, other: Finished) -> dict[str, float]:
    found = one.score.against(other.score)
    return {**asdict(found.interval), "p_value": found.p_value}


def parity(text: Text, out: Path) -> dict[str, Any]:
    """Mean nats a token of held-out windows: ours, and those of others who read our files."""
    held_out = [each.text for each in load_corpus(text.path, field=text.field).split.held_out]
    figures = {}
    peers: dict[str, Callable[[Path], Callable[[Ids, int], float]]] = {
        "gpt": transformers_loss,
        "lstm": plain_lstm_loss,
    }
    for rung in finished_rungs(out):
        if rung.family not in peers:
            continue
        model = rung.load()
        windows = cut(model, held_out)
        theirs = peers[rung.family](Path(rung.folder))
        figures[rung.family] = found = weigh(model, windows, theirs)
        say(f"{rung.slug}: ours {found['ours']:.6f}, theirs {found['theirs']:.6f} nats a token")
    return figures


def cut(model: LanguageModel, held_out: Sequence[str]) -> list[Ids]:
    """Batches of windows (B, T) of one length, from the texts' beginnings on, none left out."""
    size = WINDOW if model.context is None else model.context - 1
    by_length: dict[int, list[Ids]] = {}
    for encoding in model.tokenizer.encode_many(list(held_out)):
        for start in range(0, len(encoding.tokens), size):
            window = encoding.tokens[start : start + size]
            by_length.setdefault(len(window), []).append(window)
    batches = []
    for group in by_length.values():
        for start in range(0, len(group), WINDOWS_AT_ONCE):
            batches.append(np.stack(group[start : start + WINDOWS_AT_ONCE]).astype(np.int32))
    return batches


def weigh(
    model: LanguageModel, windows: Sequence[Ids], theirs: Callable[[Ids, int], float]
) -> dict[str, float]:
    """Nats a token of all windows, by our `score` and by a peer's mean loss."""
    tokens, our_nats, their_nats = 0, 0.0, 0.0
    for batch in windows:
        tokens += batch.size
        our_nats -= float(model.score(batch).sum(dtype=np.float64))
        their_nats += theirs(batch, model.tokenizer.boundary) * batch.size
    return {
        "tokens": tokens,
        "ours": our_nats / tokens,
        "theirs": their_nats / tokens,
        "difference": abs(our_nats - their_nats) / tokens,
    }


def with_boundary(tokens: Ids, boundary: int) -> torch.Tensor:
    """(B, T) to (B, T + 1)."""
    edge = np.full((len(tokens), 1), boundary, np.int64)
    return torch.from_numpy(np.concatenate([edge, tokens.astype(np.int64)], axis=1))


def transformers_loss(folder: Path) -> Callable[[Ids, int], float]:
    """The loss that GPT2LMHeadModel itself returns for tokens (B, T)."""
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def loss(tokens: Ids, boundary: int) -> float:
        ids = with_boundary(tokens, boundary)
        return float(model(input_ids=ids, labels=ids).loss)

    return loss


def plain_lstm_loss(folder: Path) -> Callable[[Ids, int], float]:
    """Mean nats of tokens (B, T) by torch.nn modules alone, from the file of weights."""
    sizes = json.loads((folder / "config.json").read_text("utf-8"))["sizes"]
    weights = load_file(folder / "model.safetensors")
    lstm = torch.nn.LSTM(sizes["width"], sizes["hidden"], sizes["layers"], batch_first=True)
    own = {name.removeprefix("cells."): w for name, w in weights.items() if "cells." in name}
    lstm.load_state_dict(own)

    @torch.inference_mode()
    def loss(tokens: Ids, boundary: int) -> float:
        ids = with_boundary(tokens, boundary)
        outputs, _ = lstm(weights["embedding.weight"][ids[:, :-1]])
        hidden = outputs @ weights["projection.weight"].T + weights["projection.bias"]
        logits = hidden @ weights["embedding.weight"].T + weights["bias"]
        return float(F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()))

    return loss


def measure(*, quick: bool) -> Result:
    found, missing = texts(quick=quick)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for text in found:
            out = Path(scratch) / text.name
            figures[text.name] = compare(text, out, QUICK_BUDGET if quick else BUDGET)
            if "exit_code" not in figures[text.name]:
                figures[text.name]["parity"] = parity(text, out)
    failed = failures(figures)
    figures["failed"] = failed
    if missing:
        figures["reason"] = f"not in FORETELL_DATA: {', '.join(missing)}"
    skipped = list(figures["embedded"].get("skipped", {}))
    if quick and skipped:
        return Result(None, {**figures, "reason": f"too little time for {', '.join(skipped)}"})
    # What is missing cannot be met, but what was measured and failed has failed.
    return Result(False if failed else (None if missing else True), figures)


def failures(figures: dict[str, Any]) -> list[str]:
    failed = []
    for name, found in figures.items():
        if "exit_code" in found:
            failed.append(f"{name}: exit code {found['exit_code']}")
            continue
        if found.get("mixture_minus_best_single", {"high": 1.0})["high"] >= 0:
            failed.append(f"{name}: the mixture is not surely better than the best single rung")
        if (
            name == "tinyshakespeare"
            and found.get("network_minus_floor", {"high": 1.0})["high"] >= 0
        ):
            failed.append(f"{name}: no network is surely better than Kneser-Ney")
        for family in ("gpt", "lstm"):
            if found["parity"].get(family, {"difference": 1.0})["difference"] > MOST_APART:
                failed.append(f"{name}: {family} has no parity")
    return failed
