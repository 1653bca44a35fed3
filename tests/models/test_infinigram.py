"""The infinity-gram against brute force: longest matches, their shares, and what is left."""

from pathlib import Path

import numpy as np
import pytest

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import Signalling
from foretell.corpus.index import build_index
from foretell.models import infinigram
from foretell.models.grid import Grid
from foretell.models.infinigram import InfiniGram, default_own
from foretell.models.ngram import NGram, estimate
from foretell.testing.toys import ToyModel, ToyTokenizer
from foretell.tokenizers import Bytes

TOKENIZER = ToyTokenizer("abc", words=())
BOUNDARY, SIZE = TOKENIZER.boundary, TOKENIZER.vocabulary_size
OWN = np.random.default_rng(1).random(int(np.prod(Grid().shape)))


def texts(seed: int, count: int = 6, longest: int = 30) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 3, rng.integers(0, longest)).astype(np.int32) for _ in range(count)]


def index_of(documents):
    return build_index(
        documents,
        names=[str(number) for number in range(len(documents))],
        vocabulary_size=SIZE,
        boundary=BOUNDARY,
    )


def make(documents, *, longest=8, own=OWN) -> InfiniGram:
    beneath = ToyModel(TOKENIZER, order=2)
    return InfiniGram(index_of(documents), beneath, own=own, longest=longest)


def followers(documents, context: list[int]) -> list[int]:
    """What follows a context wherever it stands, the slow way."""
    found = []
    for document in documents:
        line = [BOUNDARY, *document.tolist(), BOUNDARY]
        for at in range(len(line) - len(context)):
            if line[at : at + len(context)] == context:
                found.append(line[at + len(context)])
    return found


def longest_match(documents, context: list[int], longest: int) -> tuple[int, list[int]]:
    for length in range(min(longest, len(context)), 0, -1):
        if found := followers(documents, context[-length:]):
            return length, found
    return 0, []


@pytest.mark.parametrize("seed", range(5))
def test_matches_and_shares_are_those_of_brute_force(seed: int) -> None:
    documents, longest = texts(seed), 5 + seed
    model = make(documents, longest=longest)
    read = [*texts(seed + 100, 3), np.concatenate([documents[0], documents[1]])]
    shares, told = model.match_documents(read)
    for document, share, signals in zip(read, shares, told, strict=True):
        line = [BOUNDARY, *document.tolist()]
        for at, token in enumerate(document.tolist()):
            length, found = longest_match(documents, line[: at + 1], longest)
            assert signals.matched[at] == length
            assert signals.support[at] == (len(found) if length else 0)
            assert signals.sparse[at] == (len(set(found)) == 1)
            assert share[at] == pytest.approx(found.count(token) / max(1, len(found)))


def test_a_distribution_is_own_part_match_and_the_rest_from_beneath() -> None:
    documents = texts(7)
    model = make(documents)
    tokens = np.array([[0, 1, 2, 0, 1, 1, 0]], np.int32)
    step = model.advance(model.begin().state, tokens, keep=7)
    beneath = model.beneath.advance(model.beneath.begin().state, tokens, keep=7).logprobs
    signals = model.signals(model.begin().state, tokens)
    cells = model.grid.place(signals, np.zeros(signals.matched.shape)).cells[0, 1:, 0]
    for place in range(7):
        _, found = longest_match(documents, [BOUNDARY, *tokens[0, : place + 1].tolist()], 8)
        share = np.bincount(found, minlength=SIZE) / len(found)
        own = OWN[cells[place]]
        expected = own * share + (1 - own) * np.exp(beneath[0, place])
        np.testing.assert_allclose(np.exp(step.logprobs[0, place]), expected, atol=1e-6)


def test_blocks_of_a_long_text_meet_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = texts(3, count=4, longest=60)
    model = make(documents, longest=7)
    read = texts(4, count=3, longest=200)
    whole = model.match_documents(read)
    monkeypatch.setattr(infinigram, "BLOCK", 11)
    pieces = model.match_documents(read)
    for one, other in zip(whole[0] + whole[1], pieces[0] + pieces[1], strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))


def test_no_match_crosses_a_boundary() -> None:
    a, b = np.array([0, 1], np.int32), np.array([2, 0], np.int32)
    model = make([a, b], own=np.ones(len(OWN)))
    # `a b` ends the first text and `c` begins the second, which is no place where `a b c` stands.
    signals = model.signals(model.begin(mid_text=True).state, np.array([[0, 1, 2]], np.int32))
    assert signals.matched[0].tolist() == [0, 1, 2, 1]
    # Reading a boundary begins a text: what follows is what texts begin with.
    after = model.advance(model.begin().state, np.array([[0, 1, BOUNDARY]], np.int32)).logprobs
    np.testing.assert_array_equal(after, model.begin().logprobs)
    assert np.exp(after[0, 0]) == pytest.approx([0.5, 0, 0.5, 0, 0][:SIZE])


def test_without_trust_it_is_the_model_beneath_to_the_last_bit() -> None:
    model = make(texts(2), own=np.zeros(len(OWN)))
    tokens = np.array([[0, 1, 2, 2, 1]], np.int32)
    np.testing.assert_array_equal(model.score(tokens), model.beneath.score(tokens))
    step = model.advance(model.begin().state, tokens, keep=5)
    theirs = model.beneath.advance(model.beneath.begin().state, tokens, keep=5)
    np.testing.assert_array_equal(step.logprobs, theirs.logprobs)


def test_signals_know_nothing_of_what_comes() -> None:
    model = make(texts(5))
    assert isinstance(model, Signalling)
    tokens = texts(6, count=1, longest=40)[0][None]
    told = model.signals(model.begin().state, tokens)
    for target in range(tokens.shape[1]):
        changed = tokens.copy()
        changed[0, target] = (changed[0, target] + 1) % 3
        again = model.signals(model.begin().state, changed)
        for mine, other in zip(told, again, strict=True):
            np.testing.assert_array_equal(mine[0, : target + 1], other[0, : target + 1])


def test_default_own_trusts_what_is_longer_than_what_beneath_sees() -> None:
    grid = Grid(matched=(3, 5), support=(4,))
    own = default_own(grid, beyond=3).reshape(grid.shape)[..., 0]
    assert own[:2].max() == 0
    np.testing.assert_allclose(own[2], [[1 / 3, 1 / 2], [4 / 6, 4 / 5]])


def test_it_comes_back_from_a_folder(tmp_path: Path) -> None:
    tokenizer = Bytes()
    documents = [tokenizer.encode(text).tokens for text in ("the cat sat", "the cat ate")]
    beneath = NGram(estimate(documents, vocabulary_size=257, boundary=256, order=2), tokenizer)
    index = build_index(
        documents,
        names=["a", "b"],
        vocabulary_size=257,
        boundary=256,
        tokenizer_fingerprint=tokenizer.fingerprint,
    )
    model = InfiniGram(index, beneath, longest=9)
    models.save(model, tmp_path / "model")
    loaded = models.load(tmp_path / "model")
    read = tokenizer.encode("a cat sat there").tokens[None]
    np.testing.assert_array_equal(loaded.score(read), model.score(read))
    assert loaded.longest == 9


@pytest.mark.parametrize(
    "bad",
    [
        {"own": np.ones(3)},
        {"own": 2 * np.ones(len(OWN))},
        {"longest": 0},
        {"grid": Grid(knots=(1.0, 2.0)), "own": np.zeros(2 * len(OWN))},
    ],
)
def test_what_makes_no_model_is_refused(bad) -> None:
    with pytest.raises(ForetellError):
        InfiniGram(index_of(texts(0)), ToyModel(TOKENIZER), **bad)


def test_an_index_of_other_tokens_is_refused() -> None:
    with pytest.raises(ForetellError, match="another tokenizer"):
        InfiniGram(index_of(texts(0)), ToyModel(ToyTokenizer("abcdef")))
