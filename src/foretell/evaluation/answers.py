"""What answers cost a model that has read the questions; questions cost nothing.

    tokens   | frame . question . frame | answer . end |
    charged                               ^^^^^^^^^^^^

Bits per byte are those of the answers, over the answers' bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.evidence import Evidence
from foretell.contracts.language_model import LanguageModel, score_documents
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.pairs import Pair
from foretell.evaluation.comparing import Score
from foretell.evaluation.scoring import Reading, sign, weigh
from foretell.models.sliding import unlimited
from foretell.tokenizers import Foreign

METRIC = "bits_per_byte_of_answers"


@dataclass(frozen=True)
class Frame:
    """What stands around a question: of a model that was taught conversations, what its template
    writes; else nothing before it and an empty line behind it."""

    before: str = ""
    behind: str = "\n\n"

    def encode(self, tokenizer: Tokenizer, pair: Pair) -> tuple[NDArray[np.int32], Encoded]:
        """Tokens (T,) that are read, without what texts begin with, and the answer's."""
        text = f"{self.before}{pair.question}{self.behind}"
        if isinstance(tokenizer, Foreign):
            read = tokenizer.encode_marked(text)
        else:
            read = tokenizer.encode(text).tokens
        answer = tokenizer.encode(pair.answer)
        tokens = np.concatenate([answer.tokens, [np.int32(tokenizer.boundary)]])
        lengths = np.concatenate([answer.byte_lengths, [np.int32(0)]])
        return read, Encoded(tokens.astype(np.int32), lengths.astype(np.int32))


@dataclass(frozen=True)
class Encoded:
    """An answer, its end included. Both arrays (T,)."""

    tokens: NDArray[np.int32]
    byte_lengths: NDArray[np.int32]


def read_answers(model: LanguageModel, texts: Sequence[str], frame: Frame) -> list[Reading]:
    """The answer of each document of `corpus.pairs`, each in its own question's light."""
    pairs = [Pair.of(text) for text in texts]
    encoded = [frame.encode(model.tokenizer, pair) for pair in pairs]
    documents = [np.concatenate([read, answer.tokens]) for read, answer in encoded]
    scores = score_documents(unlimited(model), documents)
    readings = []
    for pair, (read, answer), logprobs in zip(pairs, encoded, scores, strict=True):
        charged = logprobs[len(read) :]
        evidence = weigh(pair.answer, answer.tokens, answer.byte_lengths, charged, model.tokenizer)
        readings.append(Reading(charged, answer.byte_lengths, evidence))
    return readings


def score_answers(model: LanguageModel, texts: Sequence[str], frame: Frame) -> list[Evidence]:
    """Evidence of each answer; see `read_answers`."""
    return [reading.evidence for reading in read_answers(model, texts, frame)]


def measure_answers(model: LanguageModel, texts: Sequence[str], frame: Frame) -> Score:
    """Signed with a metric of its own, so that it is never held against whole texts."""
    evidence = score_answers(model, texts, frame)
    return Score(tuple(evidence), sign(model, texts, end_of_text=True, metric=METRIC))
