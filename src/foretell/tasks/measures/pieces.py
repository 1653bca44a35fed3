"""Texts that were written like others: by whom, how well they keep to a form, what is copied."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from foretell.contracts.language_model import LanguageModel
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.index import Index
from foretell.decoding.generate import DecodingSettings, generate
from foretell.decoding.transforms import Transform
from foretell.evaluation.intervals import ratio_interval
from foretell.evaluation.results import Interval
from foretell.tasks.examples.forms import Form, Kept, check, keep_to
from foretell.tasks.measures.labels import within_all

SPAN = 8
"""Characters in a row that count as copied if the collection has them."""


def prompt_for(topic: str) -> str:
    return f"{topic}\n" if topic else ""


class Piece(NamedTuple):
    """A text that was written."""

    topic: str
    text: str
    copied: float
    """Share of its spans of SPAN characters that stand in the collection."""
    kept: Kept | None
    """To the form of its topic; None where none is known."""


@dataclass(frozen=True)
class Generator:
    """Writes texts like those of a collection."""

    model: LanguageModel
    forms: dict[str, list[Form]]
    index: Index
    letters: Tokenizer
    rung: str

    def write(
        self,
        topics: Sequence[str],
        *,
        temperature: float = 1.0,
        seed: int = 0,
        max_tokens: int = 500,
        first: int = 0,
    ) -> list[Piece]:
        """A text on each topic, in order. first: number of the first among more than these; the
        noise of a text is keyed by seed and number. Raises ForetellError."""
        settings = DecodingSettings(temperature=temperature, seed=seed, max_tokens=max_tokens)
        by_topic: dict[str, list[int]] = defaultdict(list)
        for number, topic in enumerate(topics):
            by_topic[topic].append(number)
        texts = [""] * len(topics)
        for topic, rows in by_topic.items():
            prompt, forms = prompt_for(topic), self.forms.get(topic)
            shape: tuple[Transform, ...] = ()
            if forms:
                read = len(self.model.tokenizer.encode(prompt).tokens)
                shape = (keep_to(forms[0], self.model.tokenizer, read),)
            keys = [first + row for row in rows]
            written = generate(
                self.model, [prompt] * len(rows), settings=settings, rows=keys, shape=shape
            )
            for row, each in zip(rows, written, strict=True):
                texts[row] = each.text.strip()
        return [self.judge(topic, text) for topic, text in zip(topics, texts, strict=True)]

    def judge(self, topic: str, text: str) -> Piece:
        """A text that anybody wrote."""
        forms = self.forms.get(topic)
        kept = check(text, forms) if forms else None
        return Piece(topic, text, copied_share(self.index, self.letters, text), kept)


def copied_share(index: Index, letters: Tokenizer, text: str) -> float:
    """Of the spans of SPAN characters of a text, those that stand in the indexed texts."""
    tokens = letters.encode(text).tokens
    spans = len(tokens) - SPAN + 1
    if spans < 1:
        return 0.0
    return float((index.match_lengths(tokens)[:spans] >= SPAN).mean())


@dataclass(frozen=True)
class GenerationMeasures:
    """Of texts on the topics of others, and of those others themselves."""

    texts: int
    in_form: int
    """Of which a form is known."""
    right_length: Interval | None
    """Share of their lines; None where no form is known."""
    rhymed: Interval | None
    """Share of the line ends that have to rhyme."""
    right: Interval | None
    """Share of both together."""
    copied: Interval
    """Share of spans of eight characters that stand in the collection."""
    distinct_pairs: float
    """Different pairs of neighbouring characters, over all of them (Li et al. 2016)."""
    repeated: float
    """Share of lines that stand in the same text before."""


def measure_pieces(pieces: Sequence[Piece]) -> GenerationMeasures:
    """Of two or more."""
    kept = np.array([each.kept for each in pieces if each.kept is not None], np.float64)
    spans = np.array([max(0, len(each.text) - SPAN + 1) for each in pieces], np.float64)
    copied = np.array([each.copied for each in pieces])
    pairs: Counter[str] = Counter()
    repeated = lines = 0
    for each in pieces:
        pairs.update(each.text[at : at + 2] for at in range(len(each.text) - 1))
        said = [line for line in each.text.split("\n") if line]
        lines, repeated = lines + len(said), repeated + len(said) - len(set(said))

    def share(parts: list[int], wholes: list[int]) -> Interval | None:
        if len(kept) < 2 or not kept[:, wholes].any():
            return None
        return within_all(ratio_interval(kept[:, parts].sum(1), kept[:, wholes].sum(1)))

    return GenerationMeasures(
        texts=len(pieces),
        in_form=len(kept),
        right_length=share([1], [0]),
        rhymed=share([3], [2]),
        right=share([1, 3], [0, 2]),
        copied=within_all(ratio_interval(copied * spans, np.maximum(spans, 1e-9))),
        distinct_pairs=len(pairs) / max(1, pairs.total()),
        repeated=repeated / max(1, lines),
    )
