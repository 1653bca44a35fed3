"""Which optimiser learns which parameters.

Muon (Jordan et al. 2024) turns the momentum of a matrix into the nearest orthogonal one, so that
all directions learn at one speed; AdamW (Loshchilov & Hutter 2019) learns the rest: embeddings,
norms, biases. Both are PyTorch's own.
"""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW, Muon, Optimizer

from foretell.models.neural.network import Network


def build_optimizers(
    network: Network,
    *,
    learning_rate: float,
    matrix_learning_rate: float | None,
    weight_decay: float,
) -> list[Optimizer]:
    """Optimisers that share out the parameters; each group remembers its highest rate as `peak`."""
    tables = {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)}
    matrices, rest = [], []
    for parameter in network.parameters():
        inner = parameter.ndim == 2 and id(parameter) not in tables
        (matrices if inner else rest).append(parameter)
    optimizers: list[Optimizer] = []
    if matrix_learning_rate is not None and matrices:
        optimizers.append(
            Muon(
                matrices,
                lr=matrix_learning_rate,
                weight_decay=weight_decay,
                momentum=0.95,
                adjust_lr_fn="match_rms_adamw",
            )
        )
        groups = [{"params": rest, "weight_decay": 0.0}]
    else:
        groups = [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": rest, "weight_decay": 0.0},
        ]
    optimizers.append(AdamW(groups, lr=learning_rate, betas=(0.9, 0.95), fused=True))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers
