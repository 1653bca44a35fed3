"""Learning rates as functions of the share of the budget that is spent, 0 to 1."""

from __future__ import annotations


def warm_up_then_decay(spent: float, *, warm_up: float, decay: float) -> float:
    """Up in a line, flat, down in a line to (nearly) nothing; a factor from 0 to 1.

        1 |   /--------\\
          |  /          \\          warm_up: width of the left slope
        0 |_/____________\\_        decay: width of the right one
    """
    rising = (spent + 1e-3) / warm_up if warm_up > 0 else 1.0
    falling = (1 - spent) / decay if decay > 0 else 1.0
    return max(0.01, min(1.0, rising, falling))
