"""What an AnswerLearner charges, and what it leaves out."""

import numpy as np
import pytest
import torch

from foretell.contracts.errors import TextError
from foretell.corpus.pairs import MARK
from foretell.evaluation.answers import Frame
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.tokenizers import Bytes
from foretell.training.answers import AnswerLearner
from foretell.training.descent import GradientSettings

TOKENIZER = Bytes()
PAIRS = [f"what is {n}?{MARK}it is {n}, {'明' * (n % 3)}" for n in range(20)]


def learner(kind: str, width: int = 64) -> AnswerLearner:
    torch.manual_seed(0)
    if kind == "gpt2":
        network = GPT2(GPT2Sizes(257, context=width, width=16, heads=2, layers=1))
    else:
        network = RecurrentNetwork(RecurrentSizes("gru", 257, width=8, hidden=8, layers=1))
    settings = GradientSettings(3, width, learning_rate=1e-3, matrix_learning_rate=None)
    return AnswerLearner(network, TOKENIZER, settings, frame=Frame("Q ", " A "))


@pytest.mark.parametrize("kind", ["gpt2", "gru"])
def test_targets_that_count_are_the_answers_and_their_ends(kind: str) -> None:
    made = learner(kind)
    made.feed(PAIRS)
    charged = []
    for batch in made.batches(0):
        charged += batch.targets[batch.scored].tolist()
        made.update(batch, spent=0.5)
    expected = [
        token
        for pair in PAIRS
        for token in [*TOKENIZER.encode(pair.split(MARK)[1]).tokens.tolist(), 256]
    ]
    assert sorted(charged) == sorted(expected)


def test_pairs_longer_than_a_row_are_left_out_and_counted() -> None:
    made = learner("gpt2", width=48)
    made.feed([*PAIRS, f"{'long ' * 20}?{MARK}yes"])
    assert made.left_out == 1
    with pytest.raises(TextError, match="longer than 48"):
        made.feed([f"{'long ' * 20}?{MARK}yes"])


def test_held_out_pairs_are_judged_by_their_answers() -> None:
    made = learner("gpt2")
    made.feed(PAIRS)
    (one,) = made.judge(PAIRS[:1])
    assert one.bytes == len(b"it is 0, ")
    assert np.isfinite(one.nats)
