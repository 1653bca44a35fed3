"""What a user may say of an application, with what is taken if nothing is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TeachOptions:
    """How models are tried, and by what they are chosen."""

    dev: str | None = None
    """File to make choices on; if not given, a tenth of the examples is kept back."""
    seed: int = 0
    """Of the examples that are kept back, and of networks."""
    adapt: str | None = None
    """A pretrained model to adapt too, by its name, such as smollm2-135m, or its place."""
    vectors: str | None = None
    """File of word vectors that the recurrent network begins with, a word and its numbers a
    line."""
    budget: str = "30m"
    """For the networks together, at most, such as 90s or 10m; or for each, such as '3 passes'."""


@dataclass(frozen=True)
class ReadOptions(TeachOptions):
    """Where texts stand."""

    text: str = "text"
    """Column or key that holds the text; of plain files a line is a text."""
    second: str | None = None
    """Column or key that holds a second text, where answers are for what two say of each other."""


@dataclass(frozen=True)
class LabelOptions(ReadOptions):
    """Where texts and labels stand."""

    label: str = "label"
    """Column or key that holds the label."""


@dataclass(frozen=True)
class Held:
    """What may be asked of texts that are written."""

    longest: int | None = None
    """Words of what is written, at most, of Chinese characters; longer examples are left out."""
    least: float | None = None
    """Probability below which nothing is written."""

    def or_else(self, longest: int | None = None, least: float | None = None) -> Held:
        """The same, and these where nothing is asked."""
        return Held(
            self.longest if self.longest is not None else longest,
            self.least if self.least is not None else least,
        )


@dataclass(frozen=True)
class TextOptions(Held, ReadOptions):
    """Where texts stand, and what is to be written."""

    target: str = "target"
    """Column or key that holds what is to be written; a list of texts: each is as good."""
    choices: str | None = None
    """Of `answer`: column or key that holds what is chosen from, a list, or with | between."""


@dataclass(frozen=True)
class GenerateOptions:
    """Where texts stand that are to be written like."""

    text: str = "text"
    """Column or key that holds the text; a list is one text, a line each."""
    topic: str | None = None
    """Column or key that holds what a text is about, or the name of its form."""
    dev: str | None = None
    """File to make choices on; if not given, a tenth of the texts is kept back."""
    seed: int = 0
    """Of the texts that are kept back, and of networks."""
    budget: str = "30m"
    """For the network, at most, such as 90s or 10m, or '3 passes'."""
