"""Any writer, held to a length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foretell.contracts.errors import ForetellError
from foretell.tasks.text_measures import Words
from foretell.tasks.texts import TextExample, Writes, Written

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


def held_to(writer: Writes, longest: int | None) -> Writes:
    """The writer itself if no length is asked for. Raises as `refuse_length`."""
    refuse_length(longest)
    return writer if longest is None else Shorter(writer, longest)


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


def refuse_length(longest: int | None) -> None:
    """Raise ForetellError for a length of nothing."""
    if longest is not None and longest < 1:
        raise ForetellError(f"--longest must be 1 or more, not {longest}")
