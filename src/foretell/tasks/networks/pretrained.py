"""A pretrained language model as a reader: its lower layers as they are, low-rank parts beside the
upper ones, which look ahead too, and its uppermost layers, which know the next word best and
the text less well, left off.

    tokens -> LOWER of the layers, frozen -> up to UPPER, adapted -> vector of a word's last token

What the frozen layers make of a text is kept, since it is read again and again. See
docs/decisions/tasks.md for what each choice bought.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.pairs import MARK
from foretell.interop.doors import open_model
from foretell.models.neural.low_rank import attach
from foretell.models.neural.network import NeuralModel
from foretell.models.neural.transformer import Transformer
from foretell.tasks.networks.encoder import Encoder, pad

LOWER, UPPER = 1 / 3, 2 / 3
"""Share of the layers that are frozen, and of those that are there at all."""
RANK = 16
MOST_TOKENS = 512
"""Of a text; what stands after them is not read."""
ROOM = 2**29
"""Numbers, of two bytes, that are kept of texts."""


@dataclass
class Prepared:
    """A text as tokens."""

    tokens: Tensor
    """(S,) the first is what the model's texts begin with."""
    ends: Tensor
    """(T,) place of the last token of each word."""
    kept: Tensor | None = None
    """(S, D) what the frozen layers made of it."""


def open_base(model: str) -> tuple[Transformer, Tokenizer]:
    """What can be adapted. model: as for `open_model`. Raises as it does, and ForetellError for a
    model that is no transformer."""
    opened = open_model(model)
    if not isinstance(opened, NeuralModel) or not isinstance(opened.network, Transformer):
        raise ForetellError(
            f"{model} is a {opened.family}; a transformer can be adapted: gpt, gpt2 or llama"
        )
    return opened.network, opened.tokenizer


def fingerprint_of(network: Transformer, tokenizer: Tokenizer) -> str:
    """Of some of the weights, and the tokenizer."""
    digest = sha256(tokenizer.fingerprint.encode())
    for weight in list(network.parameters())[1:8]:
        digest.update(weight.detach().float().numpy().tobytes())
    return digest.hexdigest()[:16]


def refuse_another(model: str, found: str, wanted: str | None) -> None:
    """Raise DamagedModel if the fingerprint of what was opened is not the one that is wanted."""
    if wanted not in (None, found):
        raise DamagedModel(f"{model} is not the model that this was learned beside")


class PretrainedEncoder(Encoder):
    """See the module."""

    def __init__(self, model: str, *, seed: int = 0, fingerprint: str | None = None) -> None:
        """model: as for `open_model`. fingerprint: what it must be. Raises ForetellError for a
        model that is no transformer, or another one."""
        super().__init__()
        self.network, self.tokenizer = open_base(model)
        self.width = self.network.hidden
        found = fingerprint_of(self.network, self.tokenizer)
        refuse_another(model, found, fingerprint)
        self.facts = {"model": model, "fingerprint": found}
        blocks = self.network.blocks
        self.lower = round(LOWER * len(blocks))
        self.upper = max(self.lower + 1, round(UPPER * len(blocks)))
        attach(self.network, rank=RANK, seed=seed, beside=blocks[self.lower : self.upper])
        self.room = 0
        self._tokens: dict[str, list[int]] = {}

    def prepare(self, words: Sequence[str], shared: Sequence[bool] = ()) -> Prepared:
        tokens, ends = [self.network.first_token(self.tokenizer)], []
        for word in words or [""]:
            tokens += self._tokens_of(word)
            if len(tokens) > MOST_TOKENS:
                break
            ends.append(len(tokens) - 1)
        return Prepared(torch.tensor(tokens[:MOST_TOKENS]), torch.tensor(ends))

    def words_read(self, prepared: Prepared) -> int:
        return len(prepared.ends)

    def _tokens_of(self, word: str) -> list[int]:
        if word == MARK:
            return [self.tokenizer.boundary]
        if word not in self._tokens:
            self._tokens[word] = self.tokenizer.encode(word).tokens.tolist()
        return self._tokens[word]

    def forward(self, texts: Sequence[Prepared]) -> tuple[Tensor, Tensor]:
        tokens_BS, there_BS = pad([text.tokens for text in texts])
        turns = self.network.turns(torch.arange(tokens_BS.shape[1])[None])
        with torch.no_grad():
            first_BSD = self.network.embed_fresh(tokens_BS)
            x_BSD = self._lower(texts, first_BSD, turns)
        seen_BSS = there_BS[:, None, None, :].expand(-1, 1, tokens_BS.shape[1], -1)
        for layer in self.network.blocks[self.lower : self.upper]:
            x_BSD = layer(x_BSD, first_BSD, turns, seen_BSS)
        states_BSD = self.network.norm(x_BSD)
        ends_BT, there_BT = pad([text.ends for text in texts])
        rows = torch.arange(len(texts))[:, None]
        return states_BSD[rows, ends_BT], there_BT

    def _lower(self, texts: Sequence[Prepared], first_BSD: Tensor, turns: Any) -> Tensor:
        """What the frozen layers make of texts: (B, S, D)."""
        if all(text.kept is not None for text in texts):
            return pad([text.kept for text in texts if text.kept is not None])[0].float()
        x_BSD = first_BSD
        for layer in self.network.blocks[: self.lower]:
            x_BSD = layer(x_BSD, first_BSD, turns, None)
        # Rounded at once, so that it is the same the next time.
        x_BSD = x_BSD.half()
        for row, text in zip(x_BSD, texts, strict=True):
            kept = row[: len(text.tokens)]
            if text.kept is None and kept.numel() <= self.room:
                text.kept = kept.clone()
                self.room -= kept.numel()
        return x_BSD.float()
