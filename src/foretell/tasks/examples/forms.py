"""Forms of verse, learned from verse: how long lines are, what ends them, and which rhyme.

    浣溪沙   字字字字字字字，字字字字字字字。...   lines 1, 2, 3, 5, 6 rhyme

A form is a text of which every character is a blank, and marks and newlines are as they stand. Two
line ends rhyme in a form if they do in half of the texts that have it. `Verse` keeps a model to a
form: it may choose among characters, and of those that have to rhyme among the ones that do.

Whether characters rhyme is told by their modern reading (`pypinyin`), in the classes that Song
lyrics use as far as these go on in it: what rhymed then and does not now counts as no rhyme.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import MissingExtra
from foretell.contracts.tokenizer import Tokenizer
from foretell.decoding.transforms import Distributions, History, normalize

BLANK = "字"
FEWEST = 3
"""Texts of one topic that have to have a form, for it to be one."""
AGREE = 0.5
"""Share of the texts of a form in which two line ends rhyme, from which on they have to."""
BACK = 6
"""Line ends that are looked back to for one that rhymes."""
_CLASSES = (
    ("ong", "iong", "ueng"),
    ("ang", "iang", "uang"),
    ("i", "-i", "ei", "uei", "er"),
    ("u", "v"),
    ("ai", "uai"),
    ("en", "in", "uen", "vn"),
    ("an", "ian", "uan", "van"),
    ("ao", "iao"),
    ("o", "e", "uo"),
    ("a", "ia", "ua"),
    ("eng", "ing"),
    ("ou", "iou"),
    ("ie", "ve", "ê"),
)
LABIALS = ("b", "p", "m", "f")
"""Before which `eng` was `ong`."""
_CLASS_OF = {final: number for number, finals in enumerate(_CLASSES) for final in finals}


class Form(NamedTuple):
    blanks: str
    """A text with a BLANK for each character."""
    rhymes: tuple[tuple[int, int], ...] = ()
    """Places of characters that rhyme, the later one first, each once as the later."""

    @property
    def lines(self) -> list[int]:
        """Characters of each line."""
        return [len(line) for line in split_lines(self.blanks)]


def blanks_of(text: str) -> str:
    return "".join(x if _is_mark(x) else BLANK for x in text)


def split_lines(text: str) -> list[str]:
    """What stands between marks."""
    return "".join("\n" if _is_mark(x) else x for x in text).split()


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "PZC"


def line_ends(blanks: str) -> list[int]:
    """Places of the last character of each line."""
    after = blanks[1:] + "\n"
    return [at for at, x in enumerate(blanks) if x == BLANK and after[at] != BLANK]


@cache
def rhyme_class(letter: str) -> int | None:
    """Of a Chinese character; None of what has none. Raises MissingExtra."""
    try:
        from pypinyin import Style, lazy_pinyin
    except ModuleNotFoundError:
        raise MissingExtra('pypinyin tells what rhymes: pip install "foretell[tasks]"') from None
    found = lazy_pinyin(letter, style=Style.FINALS, errors="ignore")
    if not found:
        return None
    if found[0] == "eng" and lazy_pinyin(letter, style=Style.INITIALS)[0] in LABIALS:
        return _CLASS_OF["ong"]
    return _CLASS_OF.get(found[0])


def learn_forms(texts: Iterable[tuple[str, str]]) -> dict[str, list[Form]]:
    """The forms of each topic, the most frequent first. texts: topic and text."""
    by_topic: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for topic, text in texts:
        by_topic[topic][blanks_of(text)].append(text)
    found = {}
    for topic, by_form in by_topic.items():
        forms = sorted(by_form.items(), key=lambda pair: -len(pair[1]))
        kept = [
            Form(blanks, _rhymes(blanks, these)) for blanks, these in forms if len(these) >= FEWEST
        ]
        if kept:
            found[topic] = kept
    return found


def _rhymes(blanks: str, texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    ends, links = line_ends(blanks), []
    classes = [[rhyme_class(text[at]) for at in ends] for text in texts]
    for later in range(1, len(ends)):
        for earlier in range(later - 1, max(-1, later - 1 - BACK), -1):
            same = [row[later] is not None and row[later] == row[earlier] for row in classes]
            if sum(same) > AGREE * len(same):
                links.append((ends[later], ends[earlier]))
                break
    return tuple(links)


@dataclass(frozen=True, eq=False)
class Verse:
    """A transform: every text of a batch in the same form, after prompts of `begin` tokens."""

    form: Form
    begin: int
    marks: Mapping[str, int]
    """Tokens of the marks of the form."""
    boundary: int
    characters: NDArray[np.bool_]
    """(V,) which tokens are characters."""
    classes: NDArray[np.int32]
    """(V,) the rhyme class of each token, -1 of what has none."""

    def __call__(self, logprobs: Distributions, history: History) -> Distributions:
        """logprobs (B, V) and B histories (N,) to logprobs (B, V)."""
        allowed = np.zeros(logprobs.shape, bool)
        for row, tokens in zip(allowed, history, strict=True):
            self._allow(row, tokens[self.begin :])
        return normalize(np.where(allowed, logprobs, -np.inf))

    def _allow(self, row: NDArray[np.bool_], written: NDArray[np.int32]) -> None:
        at, blanks = len(written), self.form.blanks
        if at == len(blanks):
            row[self.boundary] = True
        elif blanks[at] != BLANK:
            row[self.marks[blanks[at]]] = True
        else:
            row |= self.characters
            earlier = self._rhymes_with(at)
            if earlier:
                row &= self.classes == self.classes[written[earlier[0]]]
                row[written[earlier]] = False
            elif any(place == at for _, place in self.form.rhymes):
                # Enough have to rhyme with it for all of them to differ.
                sizes = np.bincount(self.classes[self.classes >= 0])
                wide = np.flatnonzero(sizes > len(self.form.rhymes))
                row &= np.isin(self.classes, wide)

    def _rhymes_with(self, at: int) -> list[int]:
        """Places before it that it has to rhyme with, the nearest first."""
        links, found = dict(self.form.rhymes), []
        while at in links:
            at = links[at]
            found.append(at)
        return found


def keep_to(form: Form, tokenizer: Tokenizer, prompt_tokens: int) -> Verse:
    """tokenizer: of characters; the form's marks have to be tokens of it."""
    size = tokenizer.vocabulary_size
    letters = [tokenizer.decode(np.array([token], np.int32)) for token in range(size)]
    classes = np.full(tokenizer.vocabulary_size, -1, np.int32)
    characters = np.zeros(tokenizer.vocabulary_size, bool)
    for token, letter in enumerate(letters):
        # Bytes of rare characters are no characters.
        if len(letter) == 1 and unicodedata.category(letter) == "Lo":
            characters[token] = True
            found = rhyme_class(letter)
            classes[token] = -1 if found is None else found
    marks = {x: int(tokenizer.encode(x).tokens[0]) for x in set(form.blanks) - {BLANK}}
    return Verse(form, prompt_tokens, marks, tokenizer.boundary, characters, classes)


class Kept(NamedTuple):
    """How well a text keeps to the forms of its topic."""

    lines: int
    right_length: int
    rhymes: int
    """Line ends that have to rhyme."""
    rhymed: int


def check(text: str, forms: Sequence[Form]) -> Kept:
    """Against the form that it is nearest to, by the text alone."""
    lines = [len(line) for line in split_lines(text)]

    def right(form: Form) -> int:
        return sum(a == b for a, b in zip(lines, form.lines, strict=False))

    form = max(forms, key=lambda each: right(each) - abs(len(each.lines) - len(lines)))
    blanks = blanks_of(text)
    rhymed = sum(
        blanks == form.blanks
        and rhyme_class(text[a]) is not None
        and rhyme_class(text[a]) == rhyme_class(text[b])
        for a, b in form.rhymes
    )
    return Kept(max(len(lines), len(form.lines)), right(form), len(form.rhymes), rhymed)
