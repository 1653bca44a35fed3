"""Texts whose words carry names: slots of a request, entities; and what the whole is about.

{"words": ["to", "New", "York"], "tags": ["O", "B-city", "I-city"], "label": "flight"}
{"text": "to New York", "spans": [[3, 11, "city"]]}            characters, the end exclusive
columns: a word, ..., its tag in the last one; a blank line between texts; `# label = flight`

read_tagged(Path("requests.jsonl"))
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from foretell.contracts.errors import TextError
from foretell.contracts.predictor import Label
from foretell.corpus.readers import ReadReport, files_of
from foretell.tasks.examples.rows import FEWEST, MOST_LABELS
from foretell.tasks.examples.spans import BEGIN, INSIDE, OUTSIDE, Span, spans_of, tags_of
from foretell.tasks.examples.words import split

RECORDS = {".jsonl", ".ndjson", ".json"}


class Tagged(NamedTuple):
    words: tuple[str, ...]
    """With a blank before those that stand after one, as `words.split` gives them."""
    spans: tuple[Span, ...]
    label: str
    """Of the whole; empty if it has none."""
    place: str
    """For errors: file and row."""
    marked: int = -1
    """Number of the word that is asked about, if one is."""


class Tagging(NamedTuple):
    """An answer."""

    words: tuple[str, ...]
    spans: tuple[Span, ...]
    sure: tuple[float, ...]
    """Of each span, the probability that all its words carry these tags."""
    label: Label | None


class TagPredictor(Protocol):
    """Answers texts, as words, with spans and a label."""

    @property
    def tags(self) -> Sequence[str]: ...

    @property
    def labels(self) -> Sequence[str]:
        """Empty if the examples had none."""
        ...

    @property
    def rung(self) -> str: ...

    def predict(self, texts: Sequence[Sequence[str]]) -> list[Tagging]: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Names:
    """What words and texts may be called."""

    tags: tuple[str, ...]
    labels: tuple[str, ...]


def read_tagged(path: Path) -> list[Tagged]:
    """All texts of a file or folder. Raises TextError, naming the row."""
    found: list[Tagged] = []
    for file in files_of(path, ReadReport()):
        read = _records if file.suffix in RECORDS else _columns
        found += read(file, _lines(file))
    if not found:
        raise TextError(f"{path} holds no examples; give words with tags, or texts with spans")
    labelled = sum(bool(each.label) for each in found)
    if 0 < labelled < len(found):
        bare = next(each for each in found if not each.label)
        raise TextError(f"{bare.place} has no label, and others have; give it one, or none any")
    return found


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    with file.open("rb") as stream:
        for number, raw in enumerate(stream, 1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                raise TextError(
                    f"{file.name}:{number} is not UTF-8; convert the file, or take the row out"
                ) from None


def _records(file: Path, lines: Iterator[tuple[int, str]]) -> Iterator[Tagged]:
    for place, record in _objects(file, lines):
        yield _record(place, record)


def json_records(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and content of every line. Raises TextError for one that is no object of JSON."""
    return _objects(file, _lines(file))


def _objects(file: Path, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in lines:
        if not line.strip():
            continue
        place = f"{file.name}:{number}"
        try:
            record = json.loads(line)
        except ValueError as problem:
            raise TextError(f"{place} is no record of JSON ({problem}); give one a line") from None
        if not isinstance(record, dict):
            raise TextError(f"{place} is no record; give words and tags, or text and spans")
        yield place, record


def _record(place: str, record: dict[str, Any]) -> Tagged:
    label = record.get("label") or ""
    if not isinstance(label, str):
        raise TextError(f"{place}: its label is no text; write it in quotes")
    text, words = record.get("text"), record.get("words")
    if isinstance(words, list) and all(isinstance(word, str) and word for word in words):
        tags = record.get("tags", [])
        if len(tags) != len(words) or not words:
            raise TextError(f"{place} has {len(words)} words and {len(tags)} tags; give one each")
        return Tagged(spaced(words), tuple(spans_of(_checked(place, tags))), label, place)
    if not isinstance(text, str) or not text.strip():
        raise TextError(f"{place} has neither words with tags nor a text with spans; give one")
    return Tagged(*place_spans(place, text, record.get("spans", [])), label, place)


def spaced(words: Sequence[str]) -> tuple[str, ...]:
    """Words that stand in a list, as they would stand in a text: with blanks between, but beside
    ideographs."""
    found: list[str] = []
    for word in words:
        parts = split(f"a {word}")
        joins = bool(found) and not (_ideograph(word[0]) and _ideograph(found[-1][-1]))
        found.append((" " if joins else "") + "".join(parts[1:]).strip())
    return tuple(found)


def _ideograph(letter: str) -> bool:
    return letter >= "\u2e80"


def _checked(place: str, tags: Sequence[Any]) -> Sequence[str]:
    for tag in tags:
        named = isinstance(tag, str) and tag[:2] in (BEGIN, INSIDE) and len(tag) > len(BEGIN)
        if tag != OUTSIDE and not named:
            raise TextError(f"{place}: the tag {tag!r} is none of O, B-name, I-name; rewrite it")
    return tags


def place_spans(
    place: str, text: str, spans: Sequence[Any]
) -> tuple[tuple[str, ...], tuple[Span, ...]]:
    """Words of a text, and spans of characters as spans of words, of those that they touch. Raises
    TextError for one outside the text, or two that meet in a word."""
    words = split(text)
    # Where each word begins and ends in the text as it was given.
    edges, at = [], 0
    for word in words:
        start = text.index(word.strip(), at)
        at = start + len(word.strip())
        edges.append((start, at))
    found = []
    for span in spans:
        try:
            start, end, name = span
            inside = 0 <= start < end <= len(text) and isinstance(name, str) and bool(name)
        except (TypeError, ValueError):
            inside = False
        if not inside:
            raise TextError(
                f"{place}: the span {span!r} is outside of its {len(text)} characters, or no "
                "start, end and name; correct it"
            )
        touched = [i for i, (begin, stop) in enumerate(edges) if begin < end and start < stop]
        if touched:
            found.append(Span(touched[0], touched[-1] + 1, name))
    try:
        tags_of(found, len(words))
    except ValueError as problem:
        raise TextError(f"{place}: among its spans, in words, {problem}; take one out") from None
    return tuple(words), tuple(sorted(found))


def _columns(file: Path, lines: Iterator[tuple[int, str]]) -> Iterator[Tagged]:
    words: list[str] = []
    tags: list[str] = []
    label, first = "", 1
    for number, line in [*lines, (0, "")]:
        if line.startswith("#"):
            name, _, value = line[1:].partition("=")
            label = value.strip() if name.strip() == "label" else label
        elif line.strip():
            columns = line.split("\t") if "\t" in line else line.split()
            if len(columns) < 2:
                raise TextError(f"{file.name}:{number} has one column; give a word and its tag")
            first = first if words else number
            words.append(columns[0].strip() or "_")
            tags += _checked(f"{file.name}:{number}", [columns[-1].strip()])
        elif words:
            yield Tagged(spaced(words), tuple(spans_of(tags)), label, f"{file.name}:{first}")
            words, tags, label = [], [], ""


def names_of(examples: Sequence[Tagged]) -> Names:
    """Raises TextError if they cannot be learned."""
    spans = Counter(span.name for each in examples for span in each.spans)
    labels = sorted({each.label for each in examples if each.label})
    if len(examples) < FEWEST or not (spans or len(labels) > 1):
        raise TextError(
            f"{len(examples)} examples with {len(spans)} kinds of spans and {len(labels)} labels "
            f"are too few to learn from; give {FEWEST} or more"
        )
    if max(len(spans), len(labels)) > MOST_LABELS:
        raise TextError(
            f"there are {len(spans):,} kinds of spans and {len(labels):,} labels, and "
            f"{MOST_LABELS:,} are told apart at most"
        )
    tags = [OUTSIDE, *(edge + name for name in sorted(spans) for edge in (BEGIN, INSIDE))]
    return Names(tuple(tags), tuple(labels))


def refuse_unknown_names(examples: Sequence[Tagged], names: Names) -> None:
    """Raise TextError at the first example with a name that was not learned."""
    for each in examples:
        if strange := strange_names(each, names):
            raise TextError(
                f"{each.place}: {strange[0]!r} is none of the names that were learned; correct "
                "it, or learn from examples of it"
            )


def strange_names(example: Tagged, names: Names) -> list[str]:
    """Those that were not learned."""
    found = [span.name for span in example.spans if BEGIN + span.name not in names.tags]
    unknown = bool(names.labels) and example.label not in names.labels
    return [*found, *([example.label] if unknown else [])]
