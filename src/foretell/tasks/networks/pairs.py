"""Labels for two texts by what they say of each other, where each is read alone.

    a, b -> encoder -> for each word of one, the words of the other that it attends to
         -> [x, y, x - y, x y] -> dense -> GRU in both directions -> largest and mean -> softmax

After Chen et al. 2017 (ESIM). An encoder that reads both in one go needs none of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from foretell.corpus.pairs import Pair
from foretell.models.neural.noise import Dropout
from foretell.tasks.examples.words import split
from foretell.tasks.networks.encoder import Encoder, read_both_ways
from foretell.tasks.networks.label_network import ScoredNetwork, pool


class PreparedPair(NamedTuple):
    first: Any
    second: Any
    words: int
    label: int


class PairNetwork(ScoredNetwork):
    """See the module. Shapes: S words of the one text, T of the other."""

    texts_each = 2

    def __init__(self, encoder: Encoder, labels: int, *, dropout: float) -> None:
        super().__init__()
        hidden = encoder.width // 2
        self.encoder = encoder
        self.dense = nn.Linear(4 * encoder.width, hidden)
        self.cells = nn.GRU(hidden, hidden, bidirectional=True, batch_first=True)
        self.drops = nn.ModuleList(Dropout(dropout, variational=True) for _ in range(3))
        self.mix = nn.Linear(8 * hidden, hidden)
        self.out = nn.Linear(hidden, labels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def prepare(self, example: tuple[str, int]) -> PreparedPair:
        texts = [split(part) or [""] for part in Pair.of(example[0])]
        kinds = [{word.strip().lower() for word in words} for words in texts]
        first, second = (
            self.encoder.prepare(words, [w.strip().lower() in other for w in words])
            for words, other in zip(texts, kinds[::-1], strict=True)
        )
        return PreparedPair(first, second, sum(map(len, texts)), example[1])

    def forward(self, examples: Sequence[PreparedPair]) -> Tensor:
        rows = len(examples)
        texts = [each.first for each in examples] + [each.second for each in examples]
        states, there = self.encoder(texts)
        states = self.drops[0](states)
        (a_BSD, b_BTD), (in_a_BS, in_b_BT) = states.split(rows), there.split(rows)
        alike_BST = a_BSD @ b_BTD.mT / a_BSD.shape[2] ** 0.5
        for_a = alike_BST.masked_fill(~in_b_BT[:, None, :], -1e9).softmax(2) @ b_BTD
        for_b = alike_BST.mT.masked_fill(~in_a_BS[:, None, :], -1e9).softmax(2) @ a_BSD
        x, y = torch.cat([a_BSD, b_BTD]), torch.cat([for_a, for_b])
        compared = self.dense(torch.cat([x, y, x - y, x * y], 2)).relu()
        composed = read_both_ways(self.cells, self.drops[1](compared), there)
        pooled = self.drops[2](pool(composed, there)[:, None])[:, 0]
        scores: Tensor = self.out(self.mix(torch.cat(pooled.split(rows), 1)).tanh())
        return scores
