"""From tokens to text that may be shown, and where to stop. Values: reading returns the next one.

tokens      e6   b7   b1   "!" "\\n"  "Q"  ":"       stop string "\\nQ:"
decoded     ?    ?    深   !   \\n    Q    :
whole       -    -    深   !   \\n    Q    :         WholeCharacters
shown       -    -    深   !   -     -    (stop)    StopStrings
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.contracts.tokenizer import Tokenizer

REPLACEMENT = "\ufffd"
LONGEST_CHARACTER = 4
"""Bytes, hence tokens: a UTF-8 character is no longer."""


class Characters(NamedTuple):
    text: str
    """What is new and whole; may be empty."""
    next: WholeCharacters


@dataclass(frozen=True)
class WholeCharacters:
    """Decodes one token at a time and gives out whole characters only.

    Decodes the few tokens since the last safe point, and those before it so that a tokenizer whose
    words bring or lose a space by their neighbours is decoded as in the whole text. U+FFFD at the
    end is held back: it may be a character of which some bytes are missing. Bytes that cannot
    become a character any more come out as U+FFFD, a little later.

    Good: for token in tokens: text, reader = reader.read(token)
    Bad:  for token in tokens: text += tokenizer.decode([token])       深 becomes three U+FFFD
    """

    tokenizer: Tokenizer
    before: tuple[int, ...] = ()
    """The tokens of the last stretch that was given out whole."""
    before_characters: int = 0
    pending: tuple[int, ...] = ()
    """The tokens since."""
    given: int = 0
    """Characters of the pending tokens that are out already."""

    @classmethod
    def after(cls, tokenizer: Tokenizer, tokens: NDArray[np.int32]) -> Self:
        """Go on after tokens (N,) of a prompt, which are not given out."""
        for count in range(1, min(len(tokens), 2 * LONGEST_CHARACTER) + 1):
            before = tokens[len(tokens) - count :]
            text = tokenizer.decode(before)
            # The trap: a start inside a character can spoil the whole run of bytes after it, in
            # decoders that fall back to bytes.
            if text and not text.startswith(REPLACEMENT):
                return cls(tokenizer, tuple(before.tolist()), len(text))
        return cls(tokenizer)

    def read(self, token: int) -> Characters:
        """Read one token."""
        pending = (*self.pending, token)
        text = self._decode(self.before + pending)[self.before_characters :]
        whole = text.rstrip(REPLACEMENT)
        if len(whole) < len(text):
            settled = None
            if len(pending) % (2 * LONGEST_CHARACTER) == 0:
                settled = self._settle(pending, text)
            if settled is not None:
                return settled
            following = replace(self, pending=pending, given=max(self.given, len(whole)))
            return Characters(whole[self.given :], following)
        if not text:
            return Characters("", self)
        following = WholeCharacters(self.tokenizer, pending, len(self._decode(pending)))
        return Characters(text[self.given :], following)

    def _settle(self, pending: tuple[int, ...], text: str) -> Characters | None:
        """Give out what later bytes cannot repair, so that a run of broken ones stays linear."""
        for cut in range(len(pending) - LONGEST_CHARACTER, 0, -1):
            early, late = pending[:cut], pending[cut:]
            late_text = self._decode(late)
            # Equal only if no character reaches across the cut.
            if self._decode(early) + late_text == self._decode(pending):
                late_whole = late_text.rstrip(REPLACEMENT)
                out = text[: len(text) - len(late_text) + len(late_whole)]
                following = WholeCharacters(self.tokenizer, pending=late, given=len(late_whole))
                return Characters(out[self.given :], following)
        return None

    def _decode(self, tokens: tuple[int, ...]) -> str:
        return self.tokenizer.decode(np.array(tokens, np.int32))


class Heard(NamedTuple):
    text: str
    """What is new and may be shown; may be empty."""
    stopped: bool
    """A stop string has come; the text ends before it."""
    next: StopStrings


@dataclass(frozen=True)
class StopStrings:
    """Finds the stop string that is complete first, and holds back what may become one.

    What comes out does not depend on how the text is cut: it is as if characters came one by one.
    Of stop strings that end together the longest counts.

    Good: StopStrings(("\\n\\n", "Q:"))
    Bad:  StopStrings("Q:")         would stop at Q and at the colon
    Bad:  StopStrings(("",))
    """

    stops: tuple[str, ...] = ()
    held: str = ""
    """The longest end of the text so far that begins a stop string."""

    def __post_init__(self) -> None:
        if not isinstance(self.stops, tuple):
            raise ForetellError(f"stop strings come as a tuple; write ({self.stops!r},)")
        if not all(isinstance(stop, str) and stop for stop in self.stops):
            raise ForetellError("a stop string must be a text that is not empty; leave it out")

    def read(self, text: str) -> Heard:
        """Read on. After a stop there is nothing more to read."""
        text = self.held + text
        found = [
            (place + len(stop), place) for stop in self.stops if (place := text.find(stop)) >= 0
        ]
        if found:
            return Heard(text[: min(found)[1]], True, StopStrings(self.stops))
        hold = max((_overlap(text, stop) for stop in self.stops), default=0)
        cut = len(text) - hold
        return Heard(text[:cut], False, StopStrings(self.stops, text[cut:]))


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of the text with which the stop string begins."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
