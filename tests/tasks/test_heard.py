"""Several networks that hear the same sentences decide together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from foretell import models
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.network import NeuralModel
from foretell.tasks import roles
from foretell.tasks.examples.spans import Span
from foretell.tasks.examples.words import split
from foretell.tasks.heard import Decides, FramesTogether, Heard, weigh
from foretell.tasks.options import TeachOptions
from foretell.tokenizers import train_tokenizer
from tests.tasks.test_roles import write

TAGS = ("O", "B-x", "I-x")


class Says(Decides):
    """The same of every sentence, of so many of its words."""

    rung = "toy"
    tags = TAGS

    def __init__(self, odds: Sequence[float], tags: Sequence[Sequence[float]]) -> None:
        self.odds, self.shares = np.array(odds), np.log(np.array(tags))

    def hear(self, texts: Sequence[Sequence[str]], marks: Sequence[Sequence[int]]) -> list[Heard]:
        count = len(self.odds)
        return [
            Heard(
                self.odds, (kept := tuple(m for m in of if m < count)), (self.shares,) * len(kept)
            )
            for of in marks
        ]


SURE = Says([3, -1, -1], [[0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
UNSURE = Says([-1, 0.5], [[0.4, 0.3, 0.3], [0.5, 0.4, 0.1]])
TEXT = [["a", " b", " c"]]


def test_two_say_what_both_say_weighed() -> None:
    pooled = FramesTogether((SURE, UNSURE), (0.5, 0.5)).hear(TEXT, [[0, 2]])[0]
    # The third word was read by one of them only.
    assert pooled.odds == pytest.approx([1, -0.25])
    assert pooled.predicates == [0]
    assert pooled.marks == (0,)
    by_hand = np.sqrt(np.exp(SURE.shares[:2]) * np.exp(UNSURE.shares))
    by_hand /= by_hand.sum(1, keepdims=True)
    assert np.exp(pooled.frames[0]) == pytest.approx(by_hand)
    frames = FramesTogether((SURE, UNSURE), (0.5, 0.5)).label(TEXT, [[0, 2]])[0]
    assert [frame.args for frame in frames] == [(Span(0, 2, "x"),), ()]


def test_who_is_right_has_the_weight() -> None:
    gold = [[(Span(0, 2, "x"),)]]
    assert weigh(UNSURE, SURE, TEXT, [[0]], gold).label(TEXT, [[0]])[0][0].args == gold[0][0]
    assert weigh(UNSURE, SURE, TEXT, [[0]], [[()]]).weights[0] > 0.5


def test_a_folder_with_two_networks_answers_together(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", 60, 1)
    tokenizer = train_tokenizer("characters", [path.read_text("utf-8")])
    torch.manual_seed(0)
    network = GPT(GPTSizes(tokenizer.vocabulary_size, 64, 32, 2, 3, (64,), 0.0))
    models.save(NeuralModel(network, tokenizer), tmp_path / "gpt")
    options = TeachOptions(adapt=str(tmp_path / "gpt"), budget="2 passes")
    learned = roles.train_into(tmp_path / "m", path, options)
    kinds = ["count", "recurrent", "adapted", "together"]
    assert [each.rung for each in learned.tried] == kinds == roles.rungs_of(tmp_path / "m")
    labeller = roles.load(tmp_path / "m", "together")
    together = labeller.predictor
    assert isinstance(together, FramesTogether)
    assert sum(together.weights) == pytest.approx(1)
    texts, marks = [split("7, the dog sees a cat."), ["找"]], [[4], [0]]
    each = [roles.load(tmp_path / "m", part.rung).predictor for part in together.parts]
    heard = [part.hear(texts, marks) for part in each if isinstance(part, Decides)]
    for pooled, *parts in zip(together.hear(texts, marks), *heard, strict=True):
        weighed = [w * part.odds for w, part in zip(together.weights, parts, strict=True)]
        assert pooled.odds == pytest.approx(sum(weighed))
