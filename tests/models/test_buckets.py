"""Weights by what is known of the past: sums to one, looks at nothing ahead, and degenerates."""

from pathlib import Path

import numpy as np
import pytest

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import Signals
from foretell.corpus.index import build_index
from foretell.models import buckets
from foretell.models.buckets import Buckets, Parts, find_entropy, read_unsure
from foretell.models.grid import Grid
from foretell.models.infinigram import InfiniGram, default_own
from foretell.models.ngram import NGram, estimate
from foretell.models.recent import RecentText
from foretell.testing.toys import ToyModel, ToyTokenizer
from foretell.tokenizers import Bytes

TOKENIZER = ToyTokenizer("abc", words=())
SIZE = TOKENIZER.vocabulary_size
GRID = Grid(matched=(1, 2, 4), support=(2,), knots=(0.5, 1.0, 1.4))
CELLS = int(np.prod(GRID.shape))
RNG = np.random.default_rng(0)
TOKENS = RNG.integers(0, 3, (2, 30)).astype(np.int32)


def parts(*, guide: int | None = 0, gauge: int | None = 2) -> Parts:
    texts = [RNG.integers(0, 3, 40).astype(np.int32) for _ in range(3)]
    index = build_index(texts, names=list("xyz"), vocabulary_size=SIZE, boundary=TOKENIZER.boundary)
    toy = ToyModel(TOKENIZER, order=2)
    longest = InfiniGram(index, toy, own=default_own(Grid(), beyond=0))
    return Parts([longest, RecentText(TOKENIZER), toy], guide=guide, gauge=gauge)


def everything(model, tokens=TOKENS):
    step = model.begin(len(tokens))
    rest = model.advance(step.state, tokens, keep=tokens.shape[1]).logprobs
    return np.concatenate([step.logprobs, rest], axis=1).astype(np.float64)


def test_it_is_the_sum_weighted_by_the_cell() -> None:
    table = RNG.random((CELLS, 3))
    made = parts()
    model = Buckets(made, GRID, table)
    logs = np.stack([everything(part) for part in made.models], axis=2)
    signals = made.models[0].signals(made.models[0].begin(2).state, TOKENS)
    for row in range(2):
        for place in range(31):
            chances = np.exp(logs[row, place])
            unsure = -(chances[2] * logs[row, place, 2]).sum()
            at = float(np.interp(unsure, GRID.knots, range(3)))
            below = min(int(at), 1)
            length = sum(signals.matched[row, place] >= edge for edge in GRID.matched)
            often = int(signals.support[row, place] >= 2)
            sparse = int(signals.sparse[row, place])
            weights = table / table.sum(axis=1, keepdims=True)
            cell = weights.reshape(*GRID.shape, 3)[length, often, sparse]
            mine = (below + 1 - at) * cell[below] + (at - below) * cell[below + 1]
            got = np.exp(everything(model)[row, place])
            np.testing.assert_allclose(got, mine @ chances, atol=1e-6)
            assert got.sum() == pytest.approx(1, abs=1e-5)
    scored = np.take_along_axis(everything(model)[:, :-1], TOKENS[..., None].astype(int), 2)
    np.testing.assert_allclose(model.score(TOKENS), scored[..., 0], atol=1e-5)


def test_all_weight_on_one_part_is_that_part_to_the_last_bit() -> None:
    made = parts()
    for number, part in enumerate(made.models):
        table = np.zeros((CELLS, 3))
        table[:, number] = 0.3
        model = Buckets(made, GRID, table)
        np.testing.assert_array_equal(everything(model), everything(part))
        np.testing.assert_array_equal(model.score(TOKENS), part.score(TOKENS))


def test_what_decides_the_weights_ignores_the_token_to_come() -> None:
    made = parts()
    (seen,) = made.observe([TOKENS[0]])
    for target in range(TOKENS.shape[1]):
        changed = TOKENS[0].copy()
        changed[target] = (changed[target] + 1) % 3
        (again,) = made.observe([changed])
        upto = slice(0, target + 1)
        for mine, other in zip(seen.signals, again.signals, strict=True):
            np.testing.assert_array_equal(mine[upto], other[upto])
        np.testing.assert_array_equal(seen.entropy[upto], again.entropy[upto])


def test_without_guide_and_gauge_it_is_a_plain_mixture() -> None:
    made = parts(guide=None, gauge=None)
    plain = Grid()
    table = np.tile([1.0, 2.0, 3.0], (int(np.prod(plain.shape)), 1))
    expected = np.log(sum(w / 6 * np.exp(everything(p)) for w, p in zip((1, 2, 3), made.models)))  # noqa: B905
    np.testing.assert_allclose(everything(Buckets(made, plain, table)), expected, atol=1e-5)


def test_weights_run_on_between_knots() -> None:
    table = np.arange(CELLS, dtype=np.float64)[:, None]
    signals = Signals(np.zeros(5, np.int32), np.zeros(5, np.int32), np.zeros(5, bool))
    unsure = np.array([0.0, 0.5, 0.75, 1.2, 9.0])
    got = GRID.look_up(table, GRID.place(signals, unsure))[:, 0]
    np.testing.assert_allclose(got, [0, 0, 0.5, 1.5, 2])


def test_coarser_cells_are_those_that_differ_elsewhere_alone() -> None:
    assert len(np.unique(GRID.coarsen(()))) == 1
    assert len(np.unique(GRID.coarsen((0, 2)))) == GRID.shape[0] * 2
    np.testing.assert_array_equal(GRID.coarsen((0, 1, 2, 3)), np.arange(CELLS))
    where = np.indices(GRID.shape).reshape(4, -1)
    np.testing.assert_array_equal(GRID.coarsen((3,)), where[3])


def test_unsure_documents_of_all_lengths_are_read_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ToyModel(TOKENIZER, order=None)
    texts = [RNG.integers(0, 3, size).astype(np.int32) for size in (5, 0, 17, 1, 9, 17)]
    monkeypatch.setattr(buckets, "LOGPROBS_AT_ONCE", 4 * SIZE * 4)
    monkeypatch.setattr(buckets, "ROWS", 4)
    scores, unsure = read_unsure(model, texts)
    for text, mine, entropies in zip(texts, scores, unsure, strict=True):
        np.testing.assert_allclose(mine, model.score(text[None])[0], atol=1e-5)
        expected = find_entropy(everything(model, text[None])[0, :-1])
        np.testing.assert_allclose(entropies, expected, atol=1e-5)


def test_a_window_is_not_overrun_by_what_is_read_beside_it() -> None:
    model = ToyModel(TOKENIZER, context=6)
    scores, _ = read_unsure(model, [TOKENS[0, :6], TOKENS[1, :2]])
    np.testing.assert_allclose(scores[0], model.score(TOKENS[:1, :6])[0], atol=1e-5)


def test_it_comes_back_from_a_folder(tmp_path: Path) -> None:
    tokenizer = Bytes()
    documents = [tokenizer.encode(text).tokens for text in ("the cat sat", "the cat ate")]
    gram = NGram(estimate(documents, vocabulary_size=257, boundary=256, order=2), tokenizer)
    index = build_index(documents, names=["a", "b"], vocabulary_size=257, boundary=256)
    made = Parts([InfiniGram(index, gram), gram, RecentText(tokenizer)], guide=0, gauge=1)
    model = Buckets(made, GRID, RNG.random((CELLS, 3)))
    models.save(model, tmp_path / "model")
    loaded = models.load(tmp_path / "model")
    read = tokenizer.encode("a cat sat there").tokens[None]
    np.testing.assert_array_equal(loaded.score(read), model.score(read))


def test_what_makes_no_mixture_is_refused() -> None:
    toy = ToyModel(TOKENIZER)
    with pytest.raises(ForetellError, match="does not say what it matched"):
        Parts([toy], guide=0, gauge=None)
    with pytest.raises(ForetellError, match="there is no part 3"):
        Parts([toy], guide=None, gauge=3)
    with pytest.raises(ForetellError, match="share one tokenizer"):
        Parts([toy, ToyModel(ToyTokenizer("xyz"))], guide=None, gauge=None)
    with pytest.raises(ForetellError, match="needs a part"):
        Parts([], guide=None, gauge=None)
    made = parts()
    for table in (np.ones((2, 3)), -np.ones((CELLS, 3)), np.zeros((CELLS, 3))):
        with pytest.raises(ForetellError, match="weights"):
            Buckets(made, GRID, table)
    for edges in ({"matched": (3, 2)}, {"knots": ()}, {"knots": (1.0, float("nan"))}):
        with pytest.raises(ForetellError):
            Grid(**edges)
