"""Beam search: the likeliest continuations that can be found, for every model.

Of each prompt the best few unfinished texts are read on together; a text is finished at the
boundary. What is compared between texts of different length is ln P over ((5 + N) / 6) ^ a (Wu et
al. 2016, equation 14), so that long texts are not at a disadvantage; the search of a prompt ends
when no unfinished text can become better than the best finished ones.

Shapes: B prompts, W beams, N tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel
from foretell.decoding.generate import read_prompts
from foretell.models.sliding import unlimited


@dataclass(frozen=True)
class BeamSettings:
    """How widely to search, and which lengths to prefer.

    length_penalty: a above; 0 compares bare probabilities and likes short texts, 1 is about the
    mean over tokens.
    """

    beams: int = 4
    max_tokens: int = 200
    length_penalty: float = 0.6

    def __post_init__(self) -> None:
        if self.beams < 1 or self.max_tokens < 1:
            raise ForetellError(
                f"beams and max_tokens must be at least 1, not {self.beams} and {self.max_tokens}"
            )
        if not self.length_penalty >= 0:
            raise ForetellError(f"length_penalty must be 0 or more, not {self.length_penalty}")

    def score(self, logprob: float, tokens: int) -> float:
        """By which texts are compared."""
        return logprob / float(((5 + tokens) / 6) ** self.length_penalty)


class Hypothesis(NamedTuple):
    """A continuation."""

    tokens: tuple[int, ...]
    """(N,) without the boundary that ends it."""
    logprob: float
    """ln P of all of it, its end included if it came."""
    score: float
    finished: bool
    """False if max_tokens ended it."""


@dataclass
class _Beam:
    """What is known of one prompt."""

    alive: list[tuple[tuple[int, ...], float]]
    """Unfinished texts, the best first."""
    rows: list[int]
    """Where in the state each of them stands."""
    done: list[Hypothesis]

    def ended(self, settings: BeamSettings) -> bool:
        """True if nothing unfinished can come before the worst of as many as are wanted."""
        if not self.alive:
            return True
        if len(self.done) < settings.beams:
            return False
        # More tokens only cost; what they cost is divided by this much at most.
        best = settings.score(self.alive[0][1], settings.max_tokens + 1)
        return best <= sorted(each.score for each in self.done)[-settings.beams]


def search(
    model: LanguageModel,
    prompts: Sequence[NDArray[np.int32]],
    *,
    settings: BeamSettings,
    forbidden: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """Up to `beams` continuations of each prompt (its tokens (T,)), the best first. The prompts are
    read together and end apart. forbidden: tokens that are never taken; the unknown one is not
    either."""
    if not prompts:
        return []
    model = unlimited(model)
    boundary, unknown = model.tokenizer.boundary, model.tokenizer.unknown
    never = [*forbidden, *([] if unknown is None else [unknown])]
    step = read_prompts(model, prompts)
    beams = [_Beam([((), 0.0)], [row], []) for row in range(len(prompts))]
    for _ in range(settings.max_tokens):
        logprobs = step.logprobs[:, -1].astype(np.float64)
        logprobs[:, never] = -np.inf
        for beam in beams:
            if beam.alive:
                _extend(beam, logprobs, boundary, settings)
        open_beams = [beam for beam in beams if beam.alive]
        if not open_beams:
            break
        rows = [row for beam in open_beams for row in beam.rows]
        tokens = [text[-1] for beam in open_beams for text, _ in beam.alive]
        step = model.advance(step.state.select(rows), np.array(tokens, np.int32)[:, None])
        taken = 0
        for beam in open_beams:
            beam.rows = list(range(taken, taken + len(beam.alive)))
            taken += len(beam.alive)
    for beam in beams:
        for text, logprob in beam.alive:
            score = settings.score(logprob, len(text))
            beam.done.append(Hypothesis(text, logprob, score, finished=False))
    return [
        # A text that ended is preferred to one that was cut.
        sorted(beam.done, key=lambda each: (each.finished, each.score), reverse=True)[
            : settings.beams
        ]
        for beam in beams
    ]


def _extend(
    beam: _Beam, logprobs: NDArray[np.float64], boundary: int, settings: BeamSettings
) -> None:
    """One token more: the best that end are done, the best of the others stay alive."""
    before = np.array([logprob for _, logprob in beam.alive])
    totals = before[:, None] + logprobs[beam.rows]
    wide = totals.shape[1]
    # Among twice as many at most half end, so enough go on.
    count = min(2 * settings.beams, totals.size)
    best = np.argpartition(totals.ravel(), -count)[-count:]
    best = best[np.argsort(-totals.ravel()[best], kind="stable")]
    alive: list[tuple[tuple[int, ...], float]] = []
    rows: list[int] = []
    for place in best.tolist():
        at, token = divmod(place, wide)
        total, text = float(totals[at, token]), beam.alive[at][0]
        if total == -np.inf:
            break
        if token == boundary:
            score = settings.score(total, len(text) + 1)
            beam.done.append(Hypothesis(text, total, score, finished=True))
        elif len(alive) < settings.beams:
            alive.append(((*text, token), total))
            rows.append(beam.rows[at])
    beam.alive, beam.rows = alive, rows
    if beam.ended(settings):
        beam.alive, beam.rows = [], []
