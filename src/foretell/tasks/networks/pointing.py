"""Answers that stand in a passage: where one begins and where it ends, by one network that reads
question and passage in one go.

    question, mark, passage -> encoder -> for each word, what it attends to of the question
         -> [x, y, x y] -> dense -> GRU in both directions -> score of a beginning, score of an end
         -> a softmax over spans; that of the mark says that there is no answer

Shapes: B questions, T words, D width, W words of a span at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from foretell.corpus.pairs import MARK, Pair
from foretell.models.neural.noise import Dropout
from foretell.tasks.examples.texts import Written
from foretell.tasks.examples.units import words_of
from foretell.tasks.networks.encoder import Encoder, read_both_ways
from foretell.tasks.networks.encoders import build_encoder, read_learned, write_learned
from foretell.tasks.networks.learner import TaskNetwork, in_order

HIDDEN = 96
"""Numbers of each direction of the GRU."""
Floats = NDArray[np.float64]


class Prepared(NamedTuple):
    text: Any
    words: int
    mark: int
    """Its number among the words, after those of the question."""
    spans: list[tuple[int, int]]
    """First and last word of each that is right; empty where none is known."""


class PointingNetwork(TaskNetwork):
    """See the module."""

    def __init__(self, encoder: Encoder, longest: int, *, dropout: float) -> None:
        """longest: W."""
        super().__init__()
        self.encoder, self.longest = encoder, longest
        self.compared = nn.Linear(3 * encoder.width, 2 * HIDDEN)
        self.cells = nn.GRU(2 * HIDDEN, HIDDEN, bidirectional=True, batch_first=True)
        self.begins, self.ends = (nn.Linear(2 * HIDDEN, 1) for _ in range(2))
        self.drops = nn.ModuleList(Dropout(dropout, variational=True) for _ in range(3))
        for layer in (self.begins, self.ends):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def prepare(self, example: tuple[str, str, list[tuple[int, int]]]) -> Prepared:
        """example: question, passage, and first and last word in the passage of each span that is
        right, before its first word where nothing is."""
        asked, passage = ([unit.said for unit in words_of(text)] for text in example[:2])
        while self.encoder.words_read(self.encoder.prepare([*asked, MARK])) <= len(asked):
            # A question that fills all that is read.
            asked = asked[: len(asked) // 2]
        kinds = [{word.strip().lower() for word in words} for words in (asked, passage)]
        words = [*asked, MARK, *passage]
        shared = [
            word.strip().lower() in kinds[0 if at > len(asked) else 1]
            for at, word in enumerate(words)
        ]
        text, mark = self.encoder.prepare(words, shared), len(asked)
        read = self.encoder.words_read(text)
        places = [(mark + 1 + first, mark + 1 + last) for first, last in example[2]]
        return Prepared(text, read, mark, [(a, b) for a, b in places if b < read])

    def size(self, prepared: Prepared) -> int:
        return prepared.words

    def forward(self, examples: Sequence[Prepared]) -> Tensor:
        """ln P (B, T, W) that the answer begins at a word and has so many more."""
        states_BTD, there_BT = self.encoder([example.text for example in examples])
        states_BTD = self.drops[0](states_BTD)
        marks_B1 = torch.tensor([[example.mark] for example in examples])
        places_T = torch.arange(states_BTD.shape[1])
        alike_BTT = states_BTD @ states_BTD.mT / states_BTD.shape[2] ** 0.5
        elsewhere_BT = places_T >= marks_B1.clamp(min=1)
        shares_BTT = alike_BTT.masked_fill(elsewhere_BT[:, None, :], -1e9).softmax(2)
        asked_BTD = shares_BTT.to(states_BTD.dtype) @ states_BTD
        both = torch.cat([states_BTD, asked_BTD, states_BTD * asked_BTD], 2)
        read_BTD = read_both_ways(self.cells, self.drops[1](self.compared(both).relu()), there_BT)
        read_BTD = self.drops[2](read_BTD)
        begins_BT, ends_BT = (f(read_BTD).squeeze(2).float() for f in (self.begins, self.ends))
        may_BT = there_BT & (places_T >= marks_B1)
        ends_BT = ends_BT.masked_fill(~may_BT, -torch.inf)
        ends_BTW = F.pad(ends_BT, (0, self.longest - 1), value=-torch.inf).unfold(
            1, self.longest, 1
        )
        scores_BTW = begins_BT.masked_fill(~may_BT, -torch.inf)[:, :, None] + ends_BTW
        # The mark alone is no answer, and with words behind it nothing.
        with_more = (places_T == marks_B1)[:, :, None] & (torch.arange(self.longest) > 0)
        scores_BTW = scores_BTW.masked_fill(with_more, -torch.inf)
        return scores_BTW.flatten(1).log_softmax(1).view_as(scores_BTW)

    def nats(self, examples: Sequence[Prepared]) -> Tensor:
        """-ln P of all spans together that are right."""
        logprobs_BTW = self(examples)
        found = []
        for logprobs_TW, example in zip(logprobs_BTW, examples, strict=True):
            spans = [(a, b - a) for a, b in example.spans if b - a < self.longest]
            starts, more = zip(*spans, strict=True) if spans else ((), ())
            # Cut off by the end of what is read.
            right = logprobs_TW[list(starts), list(more)] if spans else logprobs_TW.new_zeros(1)
            found.append(-right.logsumexp(0))
        return torch.stack(found)

    @torch.inference_mode()
    def read(self, examples: Sequence[Prepared]) -> list[Floats]:
        """ln P (T, W) of each; see `forward`."""
        self.eval()
        found: dict[int, Floats] = {}
        for rows in in_order(self, examples):
            batch = [examples[row] for row in rows]
            for row, example, logprobs_TW in zip(rows, batch, self(batch), strict=True):
                found[row] = logprobs_TW[: example.words].double().numpy()
        return [found[row] for row in range(len(examples))]

    def judge(self, examples: Sequence[Prepared]) -> float:
        """1 - the share of words that the likeliest span and a right one have both."""
        missed = []
        for example, logprobs_TW in zip(examples, self.read(examples), strict=True):
            start, more = divmod(int(logprobs_TW.argmax()), self.longest)
            shares = [_overlap((start, start + more), span) for span in example.spans]
            missed.append(1 - max(shares, default=0.0))
        return sum(missed) / len(missed)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> float:
    """F1 of the places of two spans."""
    both = min(one[1], other[1]) - max(one[0], other[0]) + 1
    lengths = one[1] - one[0] + 1 + other[1] - other[0] + 1
    return 2 * max(0, both) / lengths


@dataclass(frozen=True)
class NetworkPointer:
    """A writer."""

    network: PointingNetwork
    rung: str

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        pairs = [Pair.of(text) for text in texts]
        prepared = [self.network.prepare((*pair, [])) for pair in pairs]
        logprobs = self.network.read(prepared)
        return [
            self._best(pair.answer, example.mark, each, alternatives)
            for pair, example, each in zip(pairs, prepared, logprobs, strict=True)
        ]

    def _best(self, passage: str, mark: int, logprobs: Floats, alternatives: int) -> list[Written]:
        units, found = words_of(passage), []
        for at in np.argsort(-logprobs, axis=None, kind="stable")[:alternatives].tolist():
            first, more = divmod(at, self.network.longest)
            sure = float(logprobs[first, more])
            if sure == -np.inf:
                break
            if first == mark:
                found.append(Written("", sure))
                continue
            start, end = units[first - mark - 1].start, units[first + more - mark - 1].end
            found.append(Written(passage[start:end], sure, start))
        return found

    @property
    def facts(self) -> dict[str, Any]:
        return {"longest": self.network.longest, "encoder": self.network.encoder.facts}

    def save(self, folder: Path) -> None:
        write_learned(self.network, folder)


def load(folder: Path, facts: dict[str, Any]) -> NetworkPointer:
    """From a folder whose seal was checked. Raises DamagedModel."""
    encoder = build_encoder(facts["rung"], facts["encoder"])
    network = PointingNetwork(encoder, facts["longest"], dropout=0.0)
    read_learned(network, folder)
    return NetworkPointer(network, facts["rung"])
