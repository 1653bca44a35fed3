"""What descent makes small: the scored targets, in few shapes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from foretell.corpus.batches import Batch
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.training.objective import IGNORED, SHAPES, Objective, choose_targets
from foretell.training.ranks import ALONE

VOCABULARY = 11


def _batch(scored: np.ndarray) -> Batch:
    chance = np.random.default_rng(0)
    tokens, targets = chance.integers(0, VOCABULARY, (2, *scored.shape), dtype=np.int32)
    return Batch(tokens, targets, scored, segments=None, positions=None, fresh=True)


@given(st.lists(st.booleans(), min_size=1, max_size=80))
def test_every_scored_target_is_chosen_once(scored: list[bool]) -> None:
    batch = _batch(np.array([scored]))
    chosen, targets = choose_targets(batch)
    places = np.arange(len(scored)) if chosen is None else chosen
    counted = places[targets != IGNORED]
    assert counted.tolist() == np.flatnonzero(scored).tolist()
    assert targets[targets != IGNORED].tolist() == batch.targets[0][counted].tolist()
    assert len(set(places)) == len(places)


def test_there_are_few_shapes() -> None:
    batches = [_batch(np.arange(300)[None] < count) for count in range(1, 301)]
    assert len({len(choose_targets(batch)[1]) for batch in batches}) <= SHAPES


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.97, 1.0])
def test_nats_are_those_of_the_scored_targets(share: float, smoothing: float) -> None:
    torch.manual_seed(0)
    network = GPT2(GPT2Sizes(VOCABULARY, 16, 8, 2, 1))
    batch = _batch(np.random.default_rng(1).random((4, 16)) < share)
    nats, _ = Objective(network, ALONE, label_smoothing=smoothing)(batch, None, low=False)
    tokens, targets = (torch.from_numpy(a.astype(np.int64)) for a in (batch.tokens, batch.targets))
    hidden, _ = network.learn(tokens, memory=None, segments=None, positions=None)
    scored = torch.from_numpy(batch.scored)
    logits = network.logits(hidden[scored])
    wanted = F.cross_entropy(logits, targets[scored], reduction="sum", label_smoothing=smoothing)
    assert nats.item() == pytest.approx(wanted.item(), rel=1e-5)
