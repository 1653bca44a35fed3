"""How networks of applications learn: any head on any encoder, from examples, by `training.fit`.

An example travels as a line of JSON, so that the loop counts and fingerprints it like a text.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from foretell.contracts.errors import TextError
from foretell.contracts.evidence import Evidence
from foretell.contracts.learner import Progress
from foretell.models.neural.noise import Noise, set_noise
from foretell.tasks.networks.encoder import Encoder
from foretell.tasks.networks.pretrained import ROOM, PretrainedEncoder
from foretell.training.descent import Descent, GradientSettings

SORTED = 20
"""Batches whose examples are sorted by length, so that few pads are read."""
AT_ONCE = 64
"""Examples that are answered together."""


class TaskNetwork(nn.Module):
    """An encoder and a head."""

    encoder: Encoder
    texts_each = 1
    """That the encoder reads, an example."""
    answers_each = 1
    """About as many as an example holds: an update sees as many fewer examples."""
    passes: Mapping[str, int] = {}
    """Over the examples by rung, where they are other than those of the recipe."""

    def outer_tables(self) -> list[nn.Module]:
        return self.encoder.outer_tables()

    @abstractmethod
    def prepare(self, example: Any) -> Any:
        """An example, as JSON has it, as it is read again and again."""

    @abstractmethod
    def size(self, prepared: Any) -> int:
        """How long it is, among others."""

    def answers(self, prepared: Any) -> int:
        """That it holds, of which the loss that is watched is a mean: else long examples, which
        stand in batches together, look as if the loss had left what it was."""
        return 1

    @abstractmethod
    def nats(self, examples: Sequence[Any]) -> Tensor:
        """-ln P (B,) of the right answers."""

    @abstractmethod
    def judge(self, examples: Sequence[Any]) -> float:
        """How bad the answers to held-out examples are, an example; the least is best."""


class ExampleLearner(Descent):
    """Teaches a network. Knows no schedule of passes; `fit` has that."""

    network: TaskNetwork

    def __init__(self, network: TaskNetwork, settings: GradientSettings) -> None:
        super().__init__(network, settings)
        self._examples: list[Any] = []
        self._held_out: list[Any] = []
        if isinstance(network.encoder, PretrainedEncoder):
            network.encoder.room = ROOM

    @property
    def recipe(self) -> str:
        return f"{type(self.network).__name__} {self.network.encoder.facts} {self.settings}"

    def feed(self, texts: Sequence[str]) -> None:
        self._examples = [self.network.prepare(json.loads(text)) for text in texts]

    def batches(self, pass_number: int) -> Iterable[list[int]]:
        """Numbers of examples; those of a batch are of like length."""
        rows = self.settings.rows
        key = np.array([self.settings.seed, pass_number], np.uint64)
        chance = np.random.Generator(np.random.Philox(key=key))
        order = chance.permutation(len(self._examples)).tolist()
        sizes = [self.network.size(each) for each in self._examples]
        batches = []
        for start in range(0, len(order), SORTED * rows):
            block = sorted(order[start : start + SORTED * rows], key=sizes.__getitem__)
            batches += [block[at : at + rows] for at in range(0, len(block), rows)]
        return [batches[index] for index in chance.permutation(len(batches))]

    def _add_gradients(self, batch: Sequence[int]) -> Progress:
        self.network.train()
        rows = range(self.network.texts_each * len(batch))
        set_noise(self.network, Noise(self.settings.seed, self.updates, rows))
        with torch.autocast("cpu", torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            nats = self.network.nats([self._examples[index] for index in batch])
        nats.mean().backward()
        answers = sum(self.network.answers(self._examples[index]) for index in batch)
        return Progress(float(nats.detach().sum()), answers)

    def end_pass(self) -> None:
        """Passes leave nothing behind."""

    @torch.inference_mode()
    def judge(self, texts: Sequence[str]) -> Sequence[Evidence]:
        """Of lines of held-out examples; what stands for bits a byte is nats an example."""
        if not self._held_out:
            lines = [line for text in texts for line in text.splitlines()]
            self._held_out = [self.network.prepare(json.loads(line)) for line in lines]
        self.network.eval()
        found = self.network.judge(self._held_out)
        return [Evidence(found * np.log(2), 1, 1, 1, 1, 0, 0, 1)]


def in_order(network: TaskNetwork, prepared: Sequence[Any]) -> list[list[int]]:
    """Numbers of examples that are answered together, those of like length."""
    order = sorted(range(len(prepared)), key=lambda index: network.size(prepared[index]))
    return [order[at : at + AT_ONCE] for at in range(0, len(order), AT_ONCE)]


def as_lines(examples: Iterable[Any]) -> list[str]:
    """As `feed` takes them. Raises TextError if there is none."""
    lines = [json.dumps(example, ensure_ascii=False) for example in examples]
    if not lines:
        raise TextError("there is no example to learn from")
    return lines
