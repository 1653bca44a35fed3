"""A language model that learns nothing and is only asked: how likely is each label behind a text,
with a few examples before it or none. The floor of pretrained models.

    Text: a lovely warm film
    Label: for

    Text: what a bore
    Label:                      ln P(" for" and the line's end), ln P(" against" and the line's end)

A label that is likely whatever the text is no answer, so what each has on average is taken off
(batch calibration, Zhou et al. 2024). Choices are asked for in their own words, and what each has
without a question is taken off (Holtzman et al. 2021). Any model will do: it is read by the
contract alone.

Shapes: N texts, K labels, B rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from foretell.contracts.errors import DamagedModel
from foretell.contracts.language_model import LanguageModel, Step, score_documents
from foretell.contracts.predictor import Label
from foretell.corpus.pairs import MARK
from foretell.interop.doors import open_model
from foretell.models.sliding import unlimited
from foretell.tasks.examples.rows import Example
from foretell.tasks.measures.calibration import as_labels, fit_sureness

RUNG = "prompted"
MOST_SHOTS = 16
"""Examples that stand before a text; of few labels EACH_LABEL of each."""
EACH_LABEL = 4
LONGEST_SHOT = 300
"""Characters of such an example."""
TRIED_ON = 60
"""Texts by which it is decided whether examples stand before a text."""
MOST_TEXTS = 2_000
"""Of the part that choices are made on, for a model to be asked at all: each takes as long as to
read it."""
MOST_TOKENS = 512
"""Of a text; what stands after them is not read."""
AT_ONCE = 16
TAIL = "\nLabel:"
NEARLY = 0.01
"""Nats of a text by which one machine may differ from another."""
Floats = NDArray[np.float64]
Shots = tuple[tuple[str, str], ...]
"""Texts and their labels."""


@dataclass(frozen=True)
class Prompted:
    """A predictor."""

    labels: tuple[str, ...]
    name: str
    """Of the model, as for `open_model`."""
    model: LanguageModel
    shots: Shots
    choices: bool
    """Whether a text is a question with a choice, and the first label says that it is right."""
    usual: tuple[float, ...]
    """(K,) what is taken off."""
    sure: float
    """By which scores are multiplied then."""

    rung = RUNG

    def predict(self, texts: Sequence[str]) -> list[Label]:
        scores = self.sure * (self.ask(texts) - np.array(self.usual))
        return as_labels(softmax(scores, axis=1), self.labels)

    def ask(self, texts: Sequence[str]) -> Floats:
        """(N, K) ln P of each label; of choices that of the choice with its question over that
        without, and nought."""
        if self.choices:
            told, alone = (
                self._cost([(f"{asked}Answer:", text.rpartition(MARK)[2]) for asked, text in pairs])
                for pairs in ([(_question(text), text) for text in texts], [("", t) for t in texts])
            )
            return np.stack([told - alone, np.zeros(len(texts))], axis=1)
        found = np.zeros((len(texts), len(self.labels)))
        before = self._before()
        room = self._room(int(before.state.lengths[0]))
        tail = self._encode(TAIL)
        encoded = [np.concatenate([self._encode(_told(text))[:room], tail]) for text in texts]
        order = sorted(range(len(texts)), key=lambda row: len(encoded[row]))
        for start in range(0, len(order), AT_ONCE):
            rows = order[start : start + AT_ONCE]
            found[rows] = self._label([encoded[row] for row in rows], before)
        return found

    def _room(self, read: int) -> int:
        """Tokens of a text, after so many and before what asks for a label."""
        longest = max(len(self._encode(_said(label))) for label in self.labels)
        context = self.model.context
        tail = len(self._encode(TAIL))
        room = MOST_TOKENS if context is None else min(MOST_TOKENS, context - read - longest)
        return max(0, room - tail)

    def _before(self) -> Step:
        """After the examples, which are read once."""
        begun, tokens = self.model.begin(), self.examples_before()
        return self.model.advance(begun.state, tokens[None], keep=1) if len(tokens) else begun

    def examples_before(self) -> NDArray[np.int32]:
        """Tokens of the examples."""
        said = "".join(_told(text) + TAIL + _said(label) + "\n" for text, label in self.shots)
        return self._encode(said)

    def _label(self, texts: list[NDArray[np.int32]], before: Step) -> Floats:
        """(B, K) of texts that are read side by side."""
        lengths = np.array([len(each) for each in texts], np.int32)
        tokens = np.zeros((len(texts), int(lengths.max())), np.int32)
        for row, each in enumerate(texts):
            tokens[row, : len(each)] = each
        state = before.state.select([0] * len(texts))
        read = self.model.advance(state, tokens, lengths=lengths, keep=1)
        found = np.zeros((len(texts), len(self.labels)))
        for column, label in enumerate(self.labels):
            said = self._encode(_said(label))
            found[:, column] = read.logprobs[:, -1, said[0]]
            if len(said) > 1:
                told = np.broadcast_to(said[:-1], (len(texts), len(said) - 1))
                then = self.model.advance(read.state, told, keep=len(said) - 1).logprobs
                found[:, column] += then[:, np.arange(len(said) - 1), said[1:]].sum(1)
        return found

    def _cost(self, asked: Sequence[tuple[str, str]]) -> Floats:
        """(N,) ln P of what is said after what is asked."""
        parts = [(self._encode(one), self._encode(_said(other))) for one, other in asked]
        scores = score_documents(unlimited(self.model), [np.concatenate(part) for part in parts])
        return np.array(
            [each[len(one) :].sum() for each, (one, _) in zip(scores, parts, strict=True)]
        )

    def _encode(self, text: str) -> NDArray[np.int32]:
        return self.model.tokenizer.encode(text).tokens

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "voice": _voice(self.model),
            "shots": [list(each) for each in self.shots],
            "choices": self.choices,
            "usual": list(self.usual),
            "sure": self.sure,
        }

    def save(self, folder: Path) -> None:
        """All is said in `facts`."""


def learn(
    name: str,
    examples: Sequence[Example],
    dev: Sequence[Example],
    labels: tuple[str, ...],
    *,
    choices: bool,
) -> Prompted:
    """What the model is asked with, and how sure to be, by the dev part: few numbers. name: as for
    `open_model`."""
    model = open_model(name)
    asked = Prompted(labels, name, model, (), choices, (0.0,) * len(labels), 1.0)
    numbers = np.array([labels.index(each.label) for each in dev])
    if not choices:
        few = slice(None, None, max(1, len(dev) // TRIED_ON))
        texts = [each.text for each in dev[few]]
        with_shots = _with_shots(asked, examples)
        tried = [_fit(each.ask(texts), numbers[few])[1] for each in (asked, with_shots)]
        asked = with_shots if tried[1] < tried[0] else asked
    scores = asked.ask([each.text for each in dev])
    sure, _ = _fit(scores, numbers)
    return replace(asked, usual=tuple(scores.mean(0).tolist()), sure=sure)


def _fit(scores: Floats, gold: NDArray[Any]) -> tuple[float, float]:
    """How sure to be of (N, K), and the nats a text then."""
    found = fit_sureness(scores - scores.mean(0), gold)
    return found.factor, found.nats


def _with_shots(asked: Prompted, examples: Sequence[Example]) -> Prompted:
    """As many as fill half of what the model can read."""
    shots, context = _choose_shots(examples, asked.labels), asked.model.context
    while shots and context is not None:
        found = replace(asked, shots=shots)
        if len(found.examples_before()) <= context // 2:
            break
        shots = shots[:-1]
    return replace(asked, shots=shots)


def _choose_shots(examples: Sequence[Example], labels: tuple[str, ...]) -> Shots:
    """Short ones, of every label in turn, as they stand."""
    each = min(EACH_LABEL, max(1, MOST_SHOTS // len(labels)))
    found: dict[str, list[tuple[str, str]]] = {label: [] for label in labels}
    for example in examples:
        if len(example.text) <= LONGEST_SHOT and len(found[example.label]) < each:
            found[example.label].append((example.text, example.label))
    turns = [shots[turn] for turn in range(each) for shots in found.values() if turn < len(shots)]
    return tuple(turns[:MOST_SHOTS])


def _told(text: str) -> str:
    first, mark, second = text.partition(MARK)
    return f"Text: {_flat(first)}" + (f"\nAnd: {_flat(second)}" if mark else "")


def _question(text: str) -> str:
    """What stands before the last mark."""
    first, mark, second = text.rpartition(MARK)[0].partition(MARK)
    return f"Question: {_flat(first)}\n" + (f"{_flat(second)}\n" if mark else "")


def _said(label: str) -> str:
    return f" {_flat(label)}\n"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _voice(model: LanguageModel) -> float:
    """ln P of a text, by which a model is told from another."""
    tokens = model.tokenizer.encode(f"Text: whoever speaks{TAIL} so\n").tokens
    return float(model.score(tokens[None]).sum())


def load(facts: dict[str, Any]) -> Prompted:
    """From what was said of it. Raises DamagedModel if another model stands where it stood."""
    model = open_model(facts["model"])
    if abs(_voice(model) - facts["voice"]) > NEARLY:
        raise DamagedModel(f"{facts['model']} is not the model that was asked before")
    shots = tuple((text, label) for text, label in facts["shots"])
    return Prompted(
        tuple(facts["labels"]),
        facts["model"],
        model,
        shots,
        bool(facts["choices"]),
        tuple(facts["usual"]),
        float(facts["sure"]),
    )
