"""What a user can say to `foretell plan`. Imports nothing heavy: the command line reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PlanOptions:
    """Options of a plan; a field a flag."""

    gpus: int | None = None
    """How many GPUs; without --gpu and --gpus the plan is for this machine's processor."""
    gpu: str | None = None
    """Which: h100, a100, v100, rtx4090, ...; a wrong name lists all."""
    tokens: str | None = None
    """Tokens to train on, such as 300B; as published, else 20 for each parameter."""
    batch: str | None = None
    """Tokens in an update, such as 0.5M; as published, else 0.5M."""
    context: int | None = None
    """Tokens in a row; as published if not given."""
    precision: Literal["float32", "16-bit"] | None = None
    """Of matrix products; the faster one if not given."""
    utilisation: float | None = None
    """Share of the peak rate that training reaches, without what is computed twice."""
    watts: float | None = None
    """Power of one device; as the maker rates it if not given. Of this machine it is not known."""
    pue: float | None = None
    """Energy of the whole building for each unit that the devices take."""
