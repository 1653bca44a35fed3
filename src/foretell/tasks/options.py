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
