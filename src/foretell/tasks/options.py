"""What a user may say of an application, with what is taken if nothing is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LabelOptions:
    """Where texts and labels stand, and by what choices are made."""

    text: str = "text"
    """Column or key that holds the text."""
    label: str = "label"
    """Column or key that holds the label."""
    dev: str | None = None
    """File to make choices on; if not given, a tenth of the examples is kept back."""
    seed: int = 0
    """Of the examples that are kept back."""
    adapt: str | None = None
    """A pretrained model to adapt too, by its name, such as smollm2-135m, or its place."""
    budget: str = "30m"
    """For the networks together, at most, such as 90s or 10m; or for each, such as '3 passes'."""
