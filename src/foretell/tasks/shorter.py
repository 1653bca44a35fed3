"""Any writer, held to a length, or to what it is sure of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from foretell.contracts.errors import ForetellError
from foretell.tasks.examples.texts import TextExample, Writes, Written
from foretell.tasks.examples.words import Words
from foretell.tasks.options import Held

QUICK = {"lead": 100, "count": 100}
"""Alternatives that are looked through; of networks, for which more beams take longer, OTHERS."""
OTHERS = 8


@dataclass(frozen=True)
class Shorter:
    """Takes the best that is short enough, or the shortest there is."""

    writer: Writes
    longest: int
    """Words; of Chinese characters."""

    @property
    def rung(self) -> str:
        return self.writer.rung

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        most = max(alternatives, QUICK.get(self.rung, OTHERS))
        found = []
        for answers in self.writer.write(texts, alternatives=most):
            lengths = [_words(each.text) for each in answers]
            short = [
                each for each, size in zip(answers, lengths, strict=True) if size <= self.longest
            ]
            found.append((short or [answers[lengths.index(min(lengths))]])[:alternatives])
        return found


@dataclass(frozen=True)
class SureEnough:
    """Writes nothing where the best of its answers is too unlikely."""

    writer: Writes
    least: float
    """Probability."""
    strict: bool = True
    """Whether a writer that does not say how likely its answers are is refused, or let be."""

    @property
    def rung(self) -> str:
        return self.writer.rung

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        found = []
        for answers in self.writer.write(texts, alternatives=alternatives):
            sure = answers[0].logprob
            if sure is None and answers[0].text and self.strict:
                raise ForetellError(
                    f"{self.rung} does not say how likely its answers are; give another --rung, or "
                    "leave --least out"
                )
            unsure = sure is not None and exp(sure) < self.least
            found.append([Written("", None)] if unsure else answers)
        return found


def held_to(writer: Writes, options: Held, *, strict: bool = True) -> Writes:
    """The writer itself if nothing is asked of it. strict: as of `SureEnough`. Raises as
    `refuse_limits`."""
    refuse_limits(options)
    if options.longest is not None:
        writer = Shorter(writer, options.longest)
    return writer if options.least is None else SureEnough(writer, options.least, strict)


def short_enough(examples: Sequence[TextExample], longest: int | None) -> list[TextExample]:
    """What a writer that is held to a length learns from: of longer targets it would learn to write
    what it then may not. Measured in docs/decisions/tasks.md."""
    if longest is None:
        return list(examples)
    found = []
    for each in examples:
        targets = tuple(text for text in each.targets if _words(text) <= longest)
        if targets:
            found.append(each._replace(targets=targets))
    return found


def _words(text: str) -> int:
    return len(Words().tokenize(text))


def refuse_limits(options: Held) -> None:
    """Raise ForetellError for a length of nothing, and for what is no probability."""
    longest, least = options.longest, options.least
    if longest is not None and longest < 1:
        raise ForetellError(f"--longest must be 1 or more, not {longest}")
    if least is not None and not 0 <= least <= 1:
        raise ForetellError(f"--least must be a probability, from 0 to 1, not {least}")
