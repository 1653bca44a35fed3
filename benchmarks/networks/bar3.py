"""GPT-2 and Llama against `transformers` on the same weights, at published sizes: logits,
gradients, both ways of saving; and the counts of parameters of all published sizes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.result import Result, say
from foretell import models
from foretell.models.neural import gpt2, llama
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import Network, NeuralModel
from foretell.models.neural.published import Names
from foretell.planning.published import MODELS
from foretell.planning.shapes import Shape, count_parameters
from foretell.tokenizers import Bytes

LARGEST = 1e-4
"""Difference of two logits in float32."""
GRADIENT = 1e-4
"""Difference of two gradients, against the largest entry of the same tensor."""
COUNT = 0.01
"""Papers print three digits, tables 2.1 and D.1 of GPT-3 sometimes two."""
ROWS, ROW = 2, 128
SHAPES = {"gpt2": "gpt2", "llama": "smollm-135m"}


def measure(*, quick: bool) -> Result:
    if find_spec("transformers") is None:
        return Result(None, {"reason": "transformers is not installed"})
    os.environ["HF_HUB_OFFLINE"] = "1"
    found = {family: _compare(family, quick=quick) for family in SHAPES}
    counts = _count()
    met = all(
        each["logits"] <= LARGEST
        and each["gradients"] <= GRADIENT
        and each["theirs_read_by_us"] == 0.0
        and each["born_there"] <= LARGEST
        for each in found.values()
    ) and all(abs(each["against_published"] - 1) <= COUNT for each in counts.values())
    return Result(met, {**found, "counts": counts})


def _compare(family: str, *, quick: bool) -> dict[str, float]:
    """A network with weights that nothing hides behind, there and back."""
    import transformers

    build, names, read, kind = _parts(family, transformers)
    torch.manual_seed(0)
    shape = next(m.shape for m in MODELS if m.name == SHAPES[family])
    network = build(shape, 2 if quick else shape.layers, 257 if quick else shape.vocabulary)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.05 * torch.randn_like(weight)
    say(f"{family}: {sum(p.numel() for p in network.parameters()):,} parameters")
    vocabulary = network.embedding.num_embeddings
    tokens = torch.randint(0, vocabulary, (ROWS, ROW))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        models.save(NeuralModel(network, Bytes()), folder / "ours")
        theirs = kind.from_pretrained(folder / "ours").eval()
        logits, peers = _losses(network, theirs, tokens)
        apart = float((logits - peers).abs().max())
        largest = float(peers.abs().max())
        gradients = _gradients_apart(network, theirs, names)
        theirs.save_pretrained(folder / "theirs")
        back = read(folder / "theirs").state_dict()
        unequal = max(float((back[n] - w).abs().max()) for n, w in network.state_dict().items())
        config = theirs.config
        del theirs
        torch.manual_seed(1)
        born = kind(config).eval()
        born.save_pretrained(folder / "born")
        with torch.no_grad():
            mine = _logits(read(folder / "born"), tokens)
            born_apart = float((mine - born(tokens).logits).abs().max())
    say(f"  logits up to {largest:.1f} differ by {apart:.1e}, gradients by {gradients:.1e}")
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "largest_logit": largest,
        "logits": apart,
        "gradients": gradients,
        "theirs_read_by_us": unequal,
        "born_there": born_apart,
    }


def _parts(
    family: str, transformers: Any
) -> tuple[Callable[..., Network], Names, Callable[[Path], Network], Any]:
    if family == "gpt2":
        return _gpt2, gpt2.NAMES, gpt2.read_network, transformers.GPT2LMHeadModel
    return _llama, llama.NAMES, llama.read_network, transformers.LlamaForCausalLM


def _gpt2(shape: Shape, layers: int, vocabulary: int) -> Network:
    return GPT2(GPT2Sizes(vocabulary, shape.context, shape.width, shape.heads, layers)).eval()


def _llama(shape: Shape, layers: int, vocabulary: int) -> Network:
    sizes = LlamaSizes(
        vocabulary,
        shape.context,
        shape.width,
        shape.heads,
        layers,
        shape.inner,
        shape.key_heads,
        tied=shape.tied,
    )
    return Llama(sizes).eval()


def _logits(network: Network, tokens: Tensor) -> Tensor:
    hidden, _ = network.learn(tokens, memory=None, segments=None, positions=None)
    return network.logits(hidden)


def _losses(network: Network, theirs: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Both logits; leaves both gradients behind."""
    logits = _logits(network, tokens)
    torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()
    ).backward()
    out = theirs(tokens, labels=tokens)
    out.loss.backward()
    return logits.detach(), out.logits.detach()


def _gradients_apart(network: Network, theirs: Any, names: Names) -> float:
    """The largest difference, tensor by tensor against the largest entry there."""
    mine = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    published = {n: p.grad for n, p in theirs.named_parameters()}
    worst = 0.0
    for name, gradient in names.export(mine).items():
        peer = published[name]
        worst = max(worst, float((gradient - peer).abs().max() / peer.abs().max()))
    return worst


def _count() -> dict[str, dict[str, float]]:
    """Every published size of GPT-2 and GPT-3, built without numbers."""
    counts = {}
    for model in MODELS:
        if not model.name.startswith(("gpt2", "gpt3")):
            continue
        shape = model.shape
        with torch.device("meta"):
            network = _gpt2(shape, shape.layers, shape.vocabulary)
        count = sum(parameter.numel() for parameter in network.parameters())
        assert count == count_parameters(shape).total
        counts[model.name] = {
            "built": count,
            "published": model.parameters,
            "against_published": count / model.parameters,
        }
    return counts
