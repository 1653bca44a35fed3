"""The floor of roles: counts of tags, once of predicates and once of what stands beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foretell.tasks.counts.tag_counts import TagCounts, count_tags
from foretell.tasks.examples.frames import Frame, Sentence
from foretell.tasks.examples.spans import BEGIN, INSIDE, OUTSIDE, Span
from foretell.tasks.examples.tagged import Names, Tagged, names_of

FINDER, ROLES = "predicates", "roles"
PREDICATE = "V"
"""Name of the spans that are predicates."""

PREDICATES = Names((OUTSIDE, BEGIN + PREDICATE, INSIDE + PREDICATE), ())


@dataclass(frozen=True)
class FrameCounts:
    """See the module."""

    finder: TagCounts
    roles: TagCounts

    rung = TagCounts.rung

    def find(self, texts: Sequence[Sequence[str]]) -> list[list[int]]:
        found = self.finder.predict(texts)
        return [[n for span in each.spans for n in range(span.start, span.end)] for each in found]

    def label(
        self, texts: Sequence[Sequence[str]], predicates: Sequence[Sequence[int]]
    ) -> list[list[Frame]]:
        found = []
        for words, marks in zip(texts, predicates, strict=True):
            said = zip(marks, self.roles.predict([words] * len(marks), marks), strict=True)
            found.append([Frame(mark, "", each.spans, each.sure) for mark, each in said])
        return found

    @property
    def facts(self) -> dict[str, Any]:
        return {"tags": list(self.roles.tags)}

    def save(self, folder: Path) -> None:
        for name, part in ((FINDER, self.finder), (ROLES, self.roles)):
            (folder / name).mkdir()
            part.save(folder / name)

    @staticmethod
    def load(folder: Path, facts: dict[str, Any]) -> FrameCounts:
        """From a folder whose seal was checked. Raises DamagedModel."""
        finder, roles = (
            TagCounts.load(folder / name, {"tags": tags, "labels": []})
            for name, tags in ((FINDER, PREDICATES.tags), (ROLES, facts["tags"]))
        )
        return FrameCounts(finder, roles)


def count_frames(sentences: Sequence[Sentence], names: Names) -> FrameCounts:
    """names: of `names_of_roles`."""
    finding = []
    for each in sentences:
        words = sorted({frame.word for frame in each.frames})
        spans = tuple(Span(word, word + 1, PREDICATE) for word in words)
        finding.append(Tagged(each.words, spans, "", each.place))
    return FrameCounts(
        count_tags(finding, PREDICATES, None),
        count_tags(list(as_tagged(sentences)), names, None),
    )


def names_of_roles(sentences: Sequence[Sentence]) -> Names:
    """Raises TextError if they cannot be learned."""
    return names_of(list(as_tagged(sentences)))


def as_tagged(sentences: Sequence[Sentence]) -> Iterator[Tagged]:
    """An example a predicate, which is marked."""
    for sentence in sentences:
        for frame in sentence.frames:
            yield Tagged(sentence.words, frame.args, "", sentence.place, frame.word)
