"""Predicates of a sentence, and the roles of each, by one network that reads a sentence once.

    words -> encoder -> GRU in both directions -> a softmax a word: is it a predicate
    each predicate: [word, predicate, how far apart] -> GRU in both directions -> a softmax a word
                 -> the likeliest tags that may follow each other

Shapes: B sentences, F frames of all of them, T words, D width, K tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foretell.models.neural.noise import Dropout
from foretell.tasks.examples.spans import Matches, allowed, decode, f1, spans_of
from foretell.tasks.heard import Decides, Heard
from foretell.tasks.networks.encoder import Encoder, pad, read_both_ways
from foretell.tasks.networks.encoders import build_encoder, read_learned, write_learned
from foretell.tasks.networks.learner import TaskNetwork, in_order

SENTENCE, FRAME = 128, 96
"""Numbers of each direction of the GRUs that read sentences, and frames."""
NEAR, STEPS = 6, 12
"""Words from a predicate whose distances are told apart, and steps of distances in all."""


class Prepared(NamedTuple):
    text: Any
    words: int
    predicates: Tensor
    """(T,) 1 where one is."""
    marks: list[int]
    """Number of the word of each frame."""
    tags: list[Tensor]
    """(T,) of each frame; empty where they are not known."""


class FrameNetwork(TaskNetwork):
    """See the module."""

    answers_each = 2
    passes: Mapping[str, int] = {"recurrent": 28, "adapted": 6}

    def __init__(self, encoder: Encoder, tags: Sequence[str], *, dropout: float) -> None:
        super().__init__()
        self.encoder, self.tags = encoder, tuple(tags)
        self.sentence = nn.GRU(encoder.width, SENTENCE, bidirectional=True, batch_first=True)
        self.frame = nn.GRU(2 * FRAME, FRAME, bidirectional=True, batch_first=True)
        self.of_word = nn.Linear(2 * SENTENCE, 2 * FRAME)
        self.of_predicate = nn.Linear(2 * SENTENCE, 2 * FRAME, bias=False)
        self.of_distance = nn.Embedding(2 * STEPS, 2 * FRAME)
        self.is_predicate = nn.Linear(2 * SENTENCE, 2)
        self.out = nn.Linear(2 * FRAME, len(tags))
        self.drops = nn.ModuleList(Dropout(dropout, variational=True) for _ in range(4))
        nn.init.normal_(self.of_distance.weight, std=0.1)
        for layer in (self.is_predicate, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self._may = allowed(self.tags)

    def outer_tables(self) -> list[nn.Module]:
        return self.encoder.outer_tables()

    def prepare(self, example: tuple[list[str], list[tuple[int, list[int]]]]) -> Prepared:
        """example: words, and of each frame the number of its word, and those of the tags of all
        words, which may be left out."""
        words, frames = example
        text = self.encoder.prepare(words)
        count = self.encoder.words_read(text)
        read = [(word, torch.tensor(tags[:count])) for word, tags in frames if word < count]
        predicates = torch.zeros(count, dtype=torch.int64)
        predicates[[word for word, _ in read]] = 1
        return Prepared(text, count, predicates, [w for w, _ in read], [tags for _, tags in read])

    def size(self, prepared: Prepared) -> int:
        return prepared.words

    def answers(self, prepared: Prepared) -> int:
        return 1 + len(prepared.marks)

    def forward(self, examples: Sequence[Prepared]) -> tuple[Tensor, Tensor]:
        """Vectors (B, T, D), and (B, T) where words are."""
        states_BTD, there_BT = self.encoder([example.text for example in examples])
        read_BTD = read_both_ways(self.sentence, self.drops[0](states_BTD), there_BT)
        return self.drops[1](read_BTD), there_BT

    def frames(
        self, states_BTD: Tensor, there_BT: Tensor, marks: Sequence[Sequence[int]]
    ) -> tuple[Tensor, Tensor]:
        """Scores of tags (F, T, K) of the frames of words with these numbers, and the sentence (F,)
        of each; there is one or more."""
        rows_F = torch.tensor([row for row, each in enumerate(marks) for _ in each])
        marks_F = torch.tensor([mark for each in marks for mark in each])
        # What drops out is alike for the frames of a sentence, as those have no number of a row.
        masks = [drop(states_BTD.new_ones(len(marks), 1, 2 * FRAME)) for drop in self.drops[2:]]
        apart_FT = torch.arange(states_BTD.shape[1]) - marks_F[:, None]
        x_FTD = self.of_word(states_BTD)[rows_F]
        x_FTD = x_FTD + self.of_predicate(states_BTD[rows_F, marks_F])[:, None]
        x_FTD = (x_FTD + self.of_distance(_steps(apart_FT))).relu() * masks[0][rows_F]
        read_FTD = read_both_ways(self.frame, x_FTD, there_BT[rows_F]) * masks[1][rows_F]
        return self.out(read_FTD), rows_F

    def nats(self, examples: Sequence[Prepared]) -> Tensor:
        states_BTD, there_BT = self(examples)
        gold_BT, _ = pad([example.predicates for example in examples])
        nats_B = _mean(self.is_predicate(states_BTD), gold_BT, there_BT)
        marks = [example.marks for example in examples]
        if not any(marks):
            return nats_B
        scores_FTK, rows_F = self.frames(states_BTD, there_BT, marks)
        gold_FT, _ = pad([tags for example in examples for tags in example.tags])
        gold_FT = F.pad(gold_FT, (0, there_BT.shape[1] - gold_FT.shape[1]))
        nats_F = _mean(scores_FTK, gold_FT, there_BT[rows_F])
        return nats_B.index_add(0, rows_F, nats_F)

    @torch.inference_mode()
    def read(self, examples: Sequence[Prepared]) -> list[Heard]:
        self.eval()
        found: dict[int, Heard] = {}
        for rows in in_order(self, examples):
            batch = [examples[row] for row in rows]
            states_BTD, there_BT = self(batch)
            likely_BT2 = self.is_predicate(states_BTD).double()
            odds_BT = (likely_BT2[:, :, 1] - likely_BT2[:, :, 0]).numpy()
            scores: list[NDArray[np.float64]] = []
            marks = [example.marks for example in batch]
            if any(marks):
                logprobs_FTK = self.frames(states_BTD, there_BT, marks)[0].double().log_softmax(2)
                scores = list(logprobs_FTK.numpy())
            for row, example, odds_T in zip(rows, batch, odds_BT, strict=True):
                own, scores = scores[: len(example.marks)], scores[len(example.marks) :]
                frames = tuple(each[: example.words] for each in own)
                found[row] = Heard(odds_T[: example.words], tuple(example.marks), frames)
        return [found[row] for row in range(len(examples))]

    def judge(self, examples: Sequence[Prepared]) -> float:
        """1 - F1 of the arguments of predicates that are known, and 1 - F1 of those found."""
        predicates, arguments = [], []
        for example, read in zip(examples, self.read(examples), strict=True):
            gold = torch.nonzero(example.predicates).flatten().tolist()
            right = len(set(gold) & set(read.predicates))
            predicates.append(Matches(right, len(read.predicates), len(gold)))
            for tags, logprobs in zip(example.tags, read.frames, strict=True):
                said = decode(logprobs, self._may)
                spans = [spans_of([self.tags[n] for n in each]) for each in (tags.tolist(), said)]
                arguments.append(Matches.of(*spans))
        return 2 - f1(arguments) - f1(predicates)


def _steps(apart: Tensor) -> Tensor:
    """Distances as numbers of steps, which grow with the distance (Zhou & Xu 2015)."""
    far = apart.abs()
    grown = NEAR + (far.clamp(min=1).float() / NEAR).log2().ceil().long()
    steps = torch.where(far <= NEAR, far, grown).clamp(max=STEPS - 1)
    return steps + STEPS * (apart < 0)


def _mean(scores: Tensor, gold: Tensor, there: Tensor) -> Tensor:
    """Nats (N,) a word, so that long sentences weigh no more than short ones. scores: (N, T, K);
    gold, there: (N, T)."""
    nats = F.cross_entropy(scores.float().mT, gold, reduction="none")
    return (nats * there).sum(1) / there.sum(1)


@dataclass(frozen=True)
class NetworkFrames(Decides):
    """A predictor."""

    network: FrameNetwork
    rung: str

    @property
    def tags(self) -> Sequence[str]:
        return self.network.tags

    def hear(self, texts: Sequence[Sequence[str]], marks: Sequence[Sequence[int]]) -> list[Heard]:
        return self.network.read(
            [
                self.network.prepare((list(words), [(mark, []) for mark in of]))
                for words, of in zip(texts, marks, strict=True)
            ]
        )

    @property
    def facts(self) -> dict[str, Any]:
        return {"tags": list(self.network.tags), "encoder": self.network.encoder.facts}

    def save(self, folder: Path) -> None:
        write_learned(self.network, folder)


def load(folder: Path, facts: dict[str, Any]) -> NetworkFrames:
    """From a folder whose seal was checked. Raises DamagedModel."""
    encoder = build_encoder(facts["rung"], facts["encoder"])
    network = FrameNetwork(encoder, facts["tags"], dropout=0.0)
    read_learned(network, folder)
    return NetworkFrames(network, facts["rung"])
