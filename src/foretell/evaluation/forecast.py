"""What a scaling law says about one text, and how its prediction came out.

Plain values, from scale.json and into it; `report.scaling` draws them. Bits are bits per byte on
the held-out part.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from foretell.evaluation.results import Interval
from foretell.evaluation.scaling import FittedLaw, effective_tokens

MORE_TEXT, MORE_PARAMETERS = 2, 4
"""What the answers are about: twice the text, four times the parameters."""


def write_count(count: float) -> str:
    """`49k`, `0.92M`, `3.7M`: two figures or three, which `--parameters` takes."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9 * unit:
            decimals = 0 if count >= 10 * unit else 1 if count >= unit else 2
            return f"{count / unit:.{decimals}f}{letter}"
    return f"{count:.0f}"


def write_passes(passes: int) -> str:
    return f"{passes} pass{'' if passes == 1 else 'es'}"


@dataclass(frozen=True)
class ScaledRun:
    """One small model."""

    parameters: int
    """Of its layers."""
    tokens: int
    """Different ones that it learned from."""
    passes: int
    bits_per_byte: float
    seconds: float

    @property
    def effective(self) -> float:
        """Fresh tokens that its passes are worth."""
        return effective_tokens(self.tokens, self.tokens * self.passes)


@dataclass(frozen=True)
class Answers:
    """What a user asked, of the largest model on all of the text."""

    parameters: int
    tokens: int
    passes: int
    now: Interval
    """One run of that model."""
    more_text: Interval
    """Change of bits per byte, as the next two."""
    more_parameters: Interval
    both: Interval
    floor: Interval
    balance: Interval
    """Parameters at which one per cent more of them saves as much as one per cent more text."""


@dataclass(frozen=True)
class Check:
    """The prediction for a model that was trained afterwards, and what it scored."""

    parameters: int
    seen: int
    """Tokens that it learned from, again and again."""
    predicted: Interval
    measured: float
    note: str = ""
    """How its training differed from that of the runs."""

    @property
    def error(self) -> float:
        """Relative to what was measured."""
        return self.predicted.value / self.measured - 1

    @property
    def inside(self) -> bool:
        return self.predicted.low <= self.measured <= self.predicted.high


@dataclass(frozen=True)
class Scaling:
    """A law, the runs it was fitted to, and what tells the text and the tokens from others."""

    title: str
    """Name of the text."""
    fingerprint: str
    """Of the text."""
    seed: int
    """Of the split."""
    family: str
    tokenizer: str
    tokenizer_fingerprint: str
    tokens: int
    """Of the text to learn from."""
    bytes: int
    """Of the same."""
    passes: int
    batch: int
    """Tokens of an update."""
    signature: str
    """Of the scores."""
    runs: tuple[ScaledRun, ...]
    fitted: FittedLaw

    def worth(self, tokens: float) -> float:
        """Fresh tokens that the passes of the runs over so many are worth."""
        return effective_tokens(tokens, tokens * self.passes)

    def answer(self) -> Answers:
        """For the largest model, on all of the text, read as often as the runs read it."""
        parameters = max(run.parameters for run in self.runs)
        now = self.worth(self.tokens)
        more, text = MORE_PARAMETERS * parameters, MORE_TEXT * now
        band = self.fitted.band
        return Answers(
            parameters=parameters,
            tokens=self.tokens,
            passes=self.passes,
            now=self.fitted.predict(parameters, now),
            more_text=band(lambda law: law.loss(parameters, text) - law.loss(parameters, now)),
            more_parameters=band(lambda law: law.loss(more, now) - law.loss(parameters, now)),
            both=band(lambda law: law.loss(more, text) - law.loss(parameters, now)),
            floor=band(lambda law: law.floor),
            balance=band(lambda law: law.balance(now)),
        )

    def check(self, parameters: int, batch: int, seen: int, measured: float) -> Check:
        """Hold a model against the law. batch: tokens of an update; seen: tokens of this text that
        it learned from, in all."""
        predicted = self.fitted.predict(parameters, effective_tokens(self.tokens, seen))
        said = f"it learned from {batch:,} tokens in an update, the runs from {self.batch:,}"
        return Check(parameters, seen, predicted, measured, "" if batch == self.batch else said)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"fitted": self.fitted.as_dict(), "answers": asdict(self.answer())}

    @staticmethod
    def of_dict(content: dict[str, Any]) -> Scaling:
        """What `as_dict` gave. Raises KeyError, TypeError or ValueError for anything else."""
        values = {name: content[name] for name in Scaling.__dataclass_fields__}
        values["runs"] = tuple(ScaledRun(**each) for each in values["runs"])
        values["fitted"] = FittedLaw.of_dict(values["fitted"])
        return Scaling(**values)
