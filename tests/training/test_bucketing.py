"""EM in cells: never downhill, finds planted weights, and stays with the parent where little is."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import Signals
from foretell.contracts.learner import Budget
from foretell.corpus.index import build_index
from foretell.models.buckets import Buckets, Parts
from foretell.models.grid import Grid, Placed
from foretell.models.infinigram import InfiniGram
from foretell.models.recent import RecentText
from foretell.testing.toys import ToyModel, ToyTokenizer
from foretell.training.bucketing import (
    PASSES,
    BucketLearner,
    Descent,
    InfiniGramLearner,
    fit_cells,
    spread_knots,
)
from foretell.training.fit import fit

RNG = np.random.default_rng(0)
TOKENIZER = ToyTokenizer("abcde ")
TEXTS = ["abc abd abc", "ace ace bad", "dead bead dead abc", "abc dead ace"] * 3


def index_of(texts: list[str]):
    return build_index(
        [TOKENIZER.encode(text).tokens for text in texts],
        names=[str(number) for number in range(len(texts))],
        vocabulary_size=TOKENIZER.vocabulary_size,
        boundary=TOKENIZER.boundary,
    )


def toy_parts() -> Parts:
    toy = ToyModel(TOKENIZER, order=2)
    return Parts(
        [InfiniGram(index_of(TEXTS[:2]), toy), RecentText(TOKENIZER), toy], guide=0, gauge=2
    )


def placed(cells: np.ndarray, shares: np.ndarray) -> Placed:
    return Placed(
        np.stack([cells, (cells + 1) % 5], axis=1), np.stack([1 - shares, shares], axis=1)
    )


@pytest.mark.parametrize("strength", [0.0, 20.0])
def test_the_likelihood_never_falls(strength: float) -> None:
    chances = RNG.random((400, 3)) ** 3
    where = placed(RNG.integers(0, 5, 400), RNG.random(400))
    parents = np.full((5, 3), 1 / 3)
    weights, last = parents, -np.inf
    for _ in range(40):
        better, nats = fit_cells(chances, where, weights, parents, strength)
        prior = strength * (parents * np.log(weights)).sum()
        assert -nats + prior >= last - 1e-9
        np.testing.assert_allclose(better.sum(axis=1), 1)
        weights, last = better, -nats + prior


def test_planted_weights_are_found() -> None:
    true = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [0.7, 0.3], [0.05, 0.95]])
    cells, shares = RNG.integers(0, 5, 40_000), RNG.random(40_000)
    where = placed(cells, shares)
    mine = (where.shares[..., None] * true[where.cells]).sum(axis=1)
    # Part 0 foretells tokens 0 and 1 as 0.8 and 0.2, part 1 as 0.2 and 0.8.
    first = RNG.random(40_000) < mine @ [0.8, 0.2]
    chances = np.where(first[:, None], [0.8, 0.2], [0.2, 0.8])
    weights = np.full((5, 2), 0.5)
    for _ in range(300):
        weights, _ = fit_cells(chances, where, weights, weights, 0.0)
    np.testing.assert_allclose(weights, true, atol=0.06)


def test_an_empty_cell_keeps_its_parents_weights_and_a_full_one_leaves_them() -> None:
    chances = np.tile([0.9, 0.1], (1000, 1))
    where = Placed(np.zeros((1000, 2), np.int64), np.tile([1.0, 0.0], (1000, 1)))
    parents = np.array([[0.3, 0.7], [0.3, 0.7]])
    weights = parents
    for strength in (0.0, 50.0):
        for _ in range(50):
            weights, _ = fit_cells(chances, where, weights, parents, strength)
        np.testing.assert_allclose(weights[1], parents[1])
        assert weights[0, 0] > 0.9


def test_impossible_tokens_are_borne() -> None:
    chances = np.array([[0.0, 0.0], [0.5, 0.0]])
    where = Placed(np.zeros((2, 2), np.int64), np.tile([1.0, 0.0], (2, 1)))
    weights, nats = fit_cells(chances, where, np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]]), 0.0)
    np.testing.assert_allclose(weights, [[1, 0]])
    assert nats == np.inf


def test_each_level_tells_more_cells_apart_and_costs_less() -> None:
    grid = Grid(matched=(1, 3), support=(2,), knots=(1.0, 2.0))
    count = 2000
    signals = Signals(
        RNG.integers(0, 5, count).astype(np.int32),
        RNG.integers(0, 5, count).astype(np.int32),
        RNG.random(count) < 0.5,
    )
    chances = RNG.random((count, 2))
    chances[signals.sparse, 0] *= 3
    descent = Descent(grid, 10.0, 2)
    descent.take(np.log(chances), signals, RNG.random(count) * 3)
    nats = [descent.step(descent.level_of(number)).nats for number in range(descent.passes)]
    ends = nats[PASSES - 1 :: PASSES]
    assert all(later < earlier for earlier, later in pairwise(ends))
    plain = -np.log(chances @ [0.5, 0.5]).sum()
    assert nats[0] == pytest.approx(plain)
    assert descent.table.shape == (int(np.prod(grid.shape)), 2)


def test_fit_learns_a_mixture_no_worse_than_any_of_its_parts() -> None:
    learner = BucketLearner(toy_parts())
    run = fit(learner, TEXTS, budget=Budget(passes=learner.passes))
    model = learner.model()
    assert isinstance(model, Buckets)
    assert run.passes == learner.passes
    documents = [TOKENIZER.encode(text).tokens for text in TEXTS]

    def nats(scorer) -> float:
        return -sum(float(scorer.score(document[None]).sum()) for document in documents)

    assert nats(model) < min(nats(part) for part in model.parts.models)


def test_a_learner_goes_on_where_it_was_put_down(tmp_path: Path) -> None:
    whole, first, second = (BucketLearner(toy_parts()) for _ in range(3))
    for learner in (whole, first, second):
        learner.feed(TEXTS)

    def work(learner, passes):
        for number in passes:
            for batch in learner.batches(number):
                learner.update(batch, spent=0.0)
            learner.end_pass()

    work(whole, range(PASSES + 5))
    work(first, range(PASSES + 2))
    first.save(tmp_path)
    second.restore(tmp_path)
    work(second, range(PASSES + 2, PASSES + 5))
    np.testing.assert_array_equal(second.model().table, whole.model().table)


def test_an_infinity_gram_learns_whom_to_trust() -> None:
    toy = ToyModel(TOKENIZER, order=2)
    learner = InfiniGramLearner(index_of(TEXTS[:2]), toy)
    fit(learner, TEXTS, budget=Budget(passes=learner.passes))
    model = learner.model()
    documents = [TOKENIZER.encode(text).tokens for text in TEXTS]
    better = sum(float(score.sum()) for score in model.score_documents(documents))
    beneath = sum(float(toy.score(document[None]).sum()) for document in documents)
    assert better > beneath
    assert ((model.own >= 0) & (model.own <= 1)).all()


def test_knots_have_as_many_tokens_between_any_two() -> None:
    unsure = RNG.random(10_000) ** 2
    knots = spread_knots(unsure)
    between = np.histogram(unsure, knots)[0]
    assert between.max() < 1.2 * between.min()
    assert spread_knots(np.ones(5)) == (1.0,)


@pytest.mark.parametrize("texts", [[], [""]])
def test_no_text_is_refused(texts: list[str]) -> None:
    with pytest.raises(ForetellError, match="give more text"):
        BucketLearner(toy_parts()).feed(texts)
    with pytest.raises(ForetellError, match="give more text"):
        InfiniGramLearner(index_of(TEXTS[:2]), ToyModel(TOKENIZER)).feed(texts)
