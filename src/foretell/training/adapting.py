"""Learners that begin with weights of another text: all of them learn (`all`), or low-rank parts
beside them (`lora`)."""

from __future__ import annotations

from foretell.evaluation.answers import Frame
from foretell.models.neural.low_rank import attach
from foretell.models.neural.network import NeuralModel
from foretell.training.answers import AnswerLearner
from foretell.training.descent import GradientSettings
from foretell.training.gradient import GradientLearner
from foretell.training.networks import faster_precision

RATES = {"lora": 2e-3, "all": 1e-4}
"""Of AdamW; docs/decisions/adapting.md."""
TOKENS, WIDTH = 1024, 256
"""Of an update, and of a row."""
LONGEST, STEP = 1024, 64
"""Of pairs: the longest that are learned from, and what widths of rows are multiples of."""
MEMORY_TOKENS = 512
"""Read together: logits of a large vocabulary take most of the memory."""


def build_adapting(
    model: NeuralModel,
    *,
    method: str,
    rank: int,
    seed: int,
    learning_rate: float | None,
    origin: str,
    frame: Frame | None = None,
    longest: int = LONGEST,
) -> GradientLearner:
    """A learner that goes on with a model's network, in place. origin: what the model is.

    frame: around the questions of pairs, of which only the answers are charged; longest: tokens of
    the longest pair.

    Raises ForetellError for a network that has no matrices of the kind that `lora` needs.
    """
    if method == "lora":
        attach(model.network, rank=rank, seed=seed)
        origin = f"{origin} rank {rank}"
    else:
        model.network.requires_grad_(True)
    width = WIDTH if frame is None else -(-min(longest, LONGEST) // STEP) * STEP
    width = min(width, model.context or width)
    rows = max(1, TOKENS // width)
    settings = GradientSettings(
        rows=rows,
        width=width,
        learning_rate=learning_rate or RATES[method],
        matrix_learning_rate=None,
        weight_decay=0.0,
        warm_up=0.05,
        decay=0.95,
        precision=faster_precision(),
        seed=seed,
        rows_at_once=max(1, MEMORY_TOKENS // width),
    )
    if frame is not None:
        return AnswerLearner(model.network, model.tokenizer, settings, origin=origin, frame=frame)
    return GradientLearner(model.network, model.tokenizer, settings, origin=origin)
