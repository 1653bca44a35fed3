"""How networks of applications learn, whatever their heads; docs/decisions/tasks.md."""

from __future__ import annotations

from dataclasses import dataclass

from foretell.training.descent import GradientSettings
from foretell.training.networks import faster_precision


@dataclass(frozen=True)
class Recipe:
    rows: int
    """Answers that an update learns from."""
    learning_rate: float
    weight_decay: float
    dropout: float
    """Of what the head reads."""
    passes: int
    least_updates: int
    """For which few examples are read more often."""
    low: bool
    """True if it may multiply matrices in bfloat16."""

    def passes_over(self, answers: int, passes: int | None = None) -> int:
        """How often examples with so many are read, if the time allows. passes: at least, if not as
        often as the recipe has it."""
        return max(passes or self.passes, -(-self.least_updates * self.rows // max(1, answers)))

    def settings(self, seed: int, answers_each: int = 1) -> GradientSettings:
        """answers_each: that an example holds."""
        return GradientSettings(
            rows=self.rows // answers_each,
            width=0,
            learning_rate=self.learning_rate,
            matrix_learning_rate=None,
            weight_decay=self.weight_decay,
            warm_up=0.1,
            decay=0.9,
            precision=faster_precision() if self.low else "float32",
            seed=seed,
        )


RECIPES = {
    "recurrent": Recipe(32, 3e-3, 0.01, dropout=0.3, passes=8, least_updates=300, low=False),
    "adapted": Recipe(16, 1e-3, 0.0, dropout=0.1, passes=4, least_updates=100, low=True),
}
