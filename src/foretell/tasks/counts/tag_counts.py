"""The floor of tagging: how often a word had each tag, in ever more of what stands beside it.

    P(tag | w- w w+)  from  P(tag | w- w)  from  P(tag | w)  from  P(tag | its end)  from  P(tag)

each by Witten & Bell (1991): (n(context, tag) + m P(tag | less)) / (n(context) + m), with m the
number of different tags in the context. The likeliest tags that may follow each other are taken.
Knows no other tags than those that a word's neighbours suggest.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import DamagedModel
from foretell.contracts.predictor import Label
from foretell.tasks.counts.weighed_counts import WeighedCounts
from foretell.tasks.examples.spans import allowed, decode, spans_of, tags_of
from foretell.tasks.examples.tagged import Names, Tagged, Tagging

COUNTS = "counts.json"
FAR = 6
"""Words from one that is asked about, beyond which distances are alike."""
Counts = dict[str, dict[int, int]]


@dataclass(frozen=True)
class TagCounts:
    """See the module."""

    tags: tuple[str, ...]
    counts: Counts
    """Of each tag, by context."""
    labeller: WeighedCounts | None

    rung = "count"

    @property
    def labels(self) -> tuple[str, ...]:
        return () if self.labeller is None else self.labeller.labels

    def predict(
        self, texts: Sequence[Sequence[str]], marked: Sequence[int] | None = None
    ) -> list[Tagging]:
        found: list[Label | None] = [None] * len(texts)
        if self.labeller is not None:
            found = list(self.labeller.predict(["".join(words) for words in texts]))
        may = allowed(self.tags)
        return [
            as_tagging(words, self.tags, self._logprobs(words, mark), may, label)
            for words, mark, label in zip(texts, marked or [-1] * len(texts), found, strict=True)
        ]

    def _logprobs(self, words: Sequence[str], marked: int) -> NDArray[np.float64]:
        """(T, K)"""
        shares = np.full((len(words), len(self.tags)), 1 / len(self.tags))
        for place, row in enumerate(shares):
            for context in _contexts(words, place, marked):
                seen = self.counts.get(context)
                if seen is None:
                    continue
                kinds, total = len(seen), sum(seen.values())
                row *= kinds / (total + kinds)
                for tag, count in seen.items():
                    row[tag] += count / (total + kinds)
        logprobs: NDArray[np.float64] = np.log(shares)
        return logprobs

    @property
    def facts(self) -> dict[str, Any]:
        return {"tags": list(self.tags)}

    def save(self, folder: Path) -> None:
        (folder / COUNTS).write_text(json.dumps(self.counts, ensure_ascii=False), "utf-8")
        if self.labeller is not None:
            self.labeller.save(folder)

    @staticmethod
    def load(folder: Path, facts: dict[str, Any]) -> TagCounts:
        """From a folder whose seal was checked. Raises DamagedModel."""
        try:
            read = json.loads((folder / COUNTS).read_text("utf-8"))
            counts = {
                context: {int(tag): int(n) for tag, n in seen.items()}
                for context, seen in read.items()
            }
            tags = tuple(facts["tags"])
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as problem:
            raise DamagedModel(f"{folder} cannot be read ({problem}); restore it") from None
        labeller = WeighedCounts.load(folder, facts) if facts["labels"] else None
        return TagCounts(tags, counts, labeller)


def count_tags(
    examples: Sequence[Tagged], names: Names, labeller: WeighedCounts | None
) -> TagCounts:
    """From examples; nothing is chosen. labeller: of whole texts, if they have labels."""
    number = {tag: index for index, tag in enumerate(names.tags)}
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for each in examples:
        for place, tag in enumerate(tags_of(each.spans, len(each.words))):
            for context in _contexts(each.words, place, each.marked):
                counts[context][number[tag]] += 1
    return TagCounts(names.tags, {name: dict(seen) for name, seen in counts.items()}, labeller)


def _contexts(words: Sequence[str], place: int, marked: int) -> Iterator[str]:
    """From the one that says least; where a word is asked about, how far it is says more than what
    stands beside."""
    word = words[place].strip().lower()
    before = words[place - 1].strip().lower() if place else "^"
    after = words[place + 1].strip().lower() if place + 1 < len(words) else "$"
    yield ""
    if marked >= 0:
        asked, far = words[marked].strip().lower(), str(max(-FAR, min(FAR, place - marked)))
        yield from (
            far,
            f"{far} {word}",
            f"{far} {before} {word}",
            f"{far} {asked} {before} {word}",
        )
        return
    yield f"-{word[-3:]}"
    yield f"{word}"
    yield f"{before} {word}"
    yield f"{before} {word} {after}"


def as_tagging(
    words: Sequence[str],
    tags: Sequence[str],
    logprobs: NDArray[np.float64],
    may: NDArray[np.bool_],
    label: Label | None,
) -> Tagging:
    """The likeliest of log-probabilities (T, K), of which T may be fewer than words."""
    best = decode(logprobs, may) if len(logprobs) else np.zeros(0, np.int64)
    spans = spans_of([tags[tag] for tag in best])
    each = logprobs[np.arange(len(best)), best]
    sure = [float(np.exp(each[span.start : span.end].sum())) for span in spans]
    return Tagging(tuple(words), tuple(spans), tuple(sure), label)
