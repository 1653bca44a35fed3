"""Compute and memory of training, in closed form.

Symbols: N parameters, D tokens, L layers, T tokens in a row, W width, V vocabulary, R ranks.

Compute    6 N D: one multiplication and one addition for each parameter and token on the way
           there, twice as many on the way back (Kaplan et al. 2020, section 2.1; Brown et al.
           2020, table D.1). Embeddings are among N in that table, so they are here.
           Attention, which 6 N D leaves out: 12 L W T for each token, the masked half included
           (Chowdhery et al. 2022, appendix B).

Memory of a rank, in bytes for each parameter:

                         float32   16-bit
    weights                 4         2
    gradients               4         4       added up in 32 bits
    optimiser               8        12       two moments of Adam; in 16-bit the weights once more

    ddp     every rank holds all of it (Li et al. 2020)
    zero1   the optimiser is divided by R (Rajbhandari et al. 2020, stage 1)
    fsdp    all three are divided by R (stage 3; Zhao et al. 2023); on top come the largest part's
            weights twice, in use and fetched ahead, and its gradients once, before they are shared

Activations are what a layer keeps for its way back, counted tensor by tensor as Korthikanti et
al. 2022 do in section 4.1, on the networks of `models.neural`: their 34 bytes for each token and
unit of width are GPT-2 in 16 bits with masks of dropout. The stream stays in 32 bits, as under
PyTorch's autocast. Scores of attention are not kept: kernels that never write them down are
common (Dao et al. 2022). With recomputation a layer keeps its input alone, and one layer at a
time is whole (section 5 there).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from foretell.planning.shapes import Shape, count_parameters

SHARDINGS = ("ddp", "zero1", "fsdp")
"""From the one that sends least to the one that holds least."""
HALF = "16-bit"
"""bfloat16, or float16 on devices that have no bfloat16."""
PRECISIONS = ("float32", HALF)
NUMBER_BYTES = {"float32": 4, HALF: 2}
GRADIENT_BYTES = 4
OPTIMISER_BYTES = {"float32": 8, HALF: 12}
LOGIT_BYTES = 12
"""Logits in 32 bits, their log-softmax and its gradient, of which PyTorch holds all three."""
AGAIN = 4 / 3
"""Work with recomputation over work without: a second way there, of which six parts were two."""


@dataclass(frozen=True)
class Compute:
    """FLOPs of a training."""

    published: float
    """6 N D, the figure of papers."""
    attention: float
    """What attention adds to it."""
    spared: float
    """What 6 N D counts and nobody multiplies: embeddings that are only looked up."""

    @property
    def done(self) -> float:
        """What the devices do, if nothing is computed twice."""
        return self.published + self.attention - self.spared


def count_compute(shape: Shape, tokens: float, *, row: int) -> Compute:
    """FLOPs of learning from so many tokens, in rows of so many."""
    parameters = count_parameters(shape)
    return Compute(
        published=6.0 * parameters.total * tokens,
        attention=12.0 * shape.layers * shape.width * row * tokens,
        spared=6.0 * parameters.looked_up * tokens,
    )


@dataclass(frozen=True)
class Memory:
    """Bytes of one rank, part by part."""

    weights: float
    gradients: float
    optimiser: float
    gathered: float
    """Parts of the network that are whole for a moment; only fsdp has any."""
    activations: float
    logits: float

    @property
    def total(self) -> float:
        return sum(getattr(self, part.name) for part in fields(self))


def count_memory(
    shape: Shape,
    *,
    sharding: str,
    ranks: int,
    rows: int,
    row: int,
    precision: str,
    recompute: bool,
) -> Memory:
    """Of one rank among so many, that reads so many rows of so many tokens at once.

    Counts neither the device's driver and libraries, nor buffers for sending, nor what the
    allocator leaves between tensors, nor the few gradients of activations that live at a time.
    """
    parameters = count_parameters(shape)
    shared = ranks if sharding == "fsdp" else 1
    weight = NUMBER_BYTES[precision]
    gathered = parameters.largest * (2 * weight + GRADIENT_BYTES) if shared > 1 else 0
    return Memory(
        weights=weight * parameters.total / shared,
        gradients=GRADIENT_BYTES * parameters.total / shared,
        optimiser=OPTIMISER_BYTES[precision]
        * parameters.total
        / (ranks if sharding in ("zero1", "fsdp") else 1),
        gathered=gathered,
        activations=rows * row * _kept(shape, precision, recompute=recompute),
        logits=rows * row * LOGIT_BYTES * shape.vocabulary,
    )


@dataclass(frozen=True)
class Kept:
    """Numbers of one token that a layer keeps for its way back."""

    stream: float
    """In 32 bits whatever the precision."""
    rest: float
    masks: float = 0.0
    """One byte each."""
    copies: float = 0.0
    """In 16 bits only: what autocast casts anew for each matrix that reads it."""


def _kept(shape: Shape, precision: str, *, recompute: bool) -> float:
    """Bytes for each token, all layers."""
    kept = KEPT[shape.family](shape)
    copies = kept.copies if precision == HALF else 0.0
    layer = 4 * kept.stream + NUMBER_BYTES[precision] * (kept.rest + copies) + kept.masks
    if recompute:
        return shape.layers * 4 * shape.width + layer
    return shape.layers * layer


def _kept_gpt2(shape: Shape) -> Kept:
    # Of width: inputs of both norms | of attention and perceptron, queries, keys, values, what
    # attention brings. The perceptron keeps what goes into its bend and what comes out.
    return Kept(2 * shape.width, 6 * shape.width + 2 * shape.inner, masks=2 * shape.width)


def _kept_llama(shape: Shape) -> Kept:
    # Norms keep their input and what they made of it; queries and what attention brings are laid
    # out anew once; gate, its bend, the other half and their product. Five matrices read two norms.
    rest = 5 * shape.width + 2 * shape.key_width + 4 * shape.inner
    return Kept(4 * shape.width, rest, copies=3 * shape.width)


def _kept_gpt(shape: Shape) -> Kept:
    # The stream before and after the scales and after attention; queries and keys before they are
    # of length one, then so, then turned.
    return Kept(3 * shape.width, 10 * shape.width + 2 * shape.inner)


KEPT: dict[str, Callable[[Shape], Kept]] = {
    "gpt2": _kept_gpt2,
    "llama": _kept_llama,
    "gpt": _kept_gpt,
}
