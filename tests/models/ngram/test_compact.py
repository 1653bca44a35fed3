from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from foretell import models
from foretell.interop.arpa import read_arpa, write_arpa
from foretell.models.ngram import NGram, compact_lookup, estimate, quantize, quantizing
from foretell.models.ngram.compact import CompactTrie, Families, Packed, bits_of
from foretell.models.ngram.lines import estimate_lines
from foretell.models.ngram.merging import merge
from foretell.models.ngram.pruning import prune
from foretell.models.ngram.sections import Section, assemble, stack
from foretell.models.ngram.trie import Recipe, Trie
from foretell.tokenizers.whitespace import Whitespace
from tests.interop.test_arpa import SMALL, text_of


def trie_of(order: int, size: int, length: int = 3000, seed: int = 0) -> Trie:
    """Of draws in which few tokens are frequent, and what follows depends on what stands."""
    rng = np.random.default_rng(seed)
    ranks = np.minimum(rng.zipf(1.3, length), size - 1).astype(np.int32)
    ranks[1::3] = (7 * ranks[0::3][: len(ranks[1::3])] + 1) % (size - 1) + 1
    texts = np.array_split(ranks, 20)
    return estimate(texts, vocabulary_size=size, boundary=0, order=order)


def pack(trie: Trie) -> CompactTrie:
    return quantizing._pack(trie)


class Twin:
    """The definition, from the decoded numbers, one token at a time."""

    def __init__(self, trie: CompactTrie) -> None:
        self.order, self.size = trie.recipe.order, trie.recipe.vocabulary_size
        self.unigrams = np.exp(trie.unigrams.astype(np.float64))
        self.families: dict[tuple[int, ...], dict[int, float]] = {}
        contexts: list[tuple[int, ...]] = [(token,) for token in range(len(trie.unigrams))]
        for packed, families in zip(trie.packed, trie.families, strict=True):
            tokens = packed.unpack_tokens(trie.bits).tolist()
            values = packed.values[packed.codes].tolist()
            longer = []
            bounds = pairwise(families.children().tolist())
            for context, (begin, end) in zip(contexts, bounds, strict=True):
                found = dict(zip(tokens[begin:end], values[begin:end], strict=True))
                if found:
                    self.families[context] = found
                longer += [(*context, token) for token in tokens[begin:end]]
            contexts = longer

    def chance(self, context: tuple[int, ...], token: int) -> tuple[float, int]:
        found, order = float(self.unigrams[token]), 1
        for n in range(1, min(self.order - 1, len(context)) + 1):
            family = self.families.get(context[-n:], {})
            if family:
                found = family.get(token, 0.0) + (1 - sum(family.values())) * found
            if token in family:
                order = n + 1
        return found, order


CASES = [(1, 5), (2, 2), (2, 40), (3, 3), (3, 70_000), (4, 300), (5, 20)]


@pytest.mark.parametrize(("order", "size"), CASES)
def test_answers_are_those_of_the_definition(order: int, size: int) -> None:
    trie = pack(trie_of(order, size))
    twin = Twin(trie)
    rng = np.random.default_rng(1)
    stream = np.minimum(rng.zipf(1.2, 400), size - 1).astype(np.int32)
    stream[::17] = 0
    stream[::59] = -1
    found = trie.score_stream(stream)
    for at, token in enumerate(stream.tolist()):
        first = max([-1, *(i for i in range(at) if stream[i] < 0)]) + 1
        if token < 0:
            assert found.logprobs[at] == found.orders[at] == 0
            continue
        chance, decided = twin.chance(tuple(stream[first:at].tolist()), token)
        assert found.logprobs[at] == pytest.approx(np.log(chance), abs=1e-5)
        assert found.orders[at] == decided


@pytest.mark.parametrize(("order", "size"), CASES)
def test_distributions_sum_to_one_and_are_the_scores(order: int, size: int) -> None:
    plain = trie_of(order, size)
    trie = pack(plain)
    rng = np.random.default_rng(2)
    tokens = np.minimum(rng.zipf(1.2, (20, 5)), size - 1).astype(np.int32)
    known = np.arange(5) >= rng.integers(0, 3, 20)[:, None]
    logprobs = trie.distributions(tokens, known, 2)
    np.testing.assert_allclose(np.exp(logprobs.astype(np.float64)).sum(-1), 1, atol=1e-5)
    scores = trie.score(tokens, known)
    picked = np.take_along_axis(logprobs[:, 0], tokens[:, 4:].astype(np.int64), axis=1)[:, 0]
    np.testing.assert_allclose(picked, scores.logprobs[:, 4], atol=1e-5)
    theirs = plain.score(tokens, known)
    np.testing.assert_array_equal(scores.orders, theirs.orders)
    assert np.abs(scores.logprobs - theirs.logprobs).mean() < 0.02


@pytest.mark.parametrize(("order", "size"), CASES)
def test_unpacked_it_says_the_same(order: int, size: int) -> None:
    plain = trie_of(order, size)
    trie = pack(plain)
    unpacked = trie.unpack()
    assert unpacked.sizes == trie.sizes == plain.sizes
    for n in range(1, order + 1):
        np.testing.assert_array_equal(unpacked.grams(n), plain.grams(n))
    stream = plain.grams(order).reshape(-1)[:3000].astype(np.int32)
    mine, theirs = trie.score_stream(stream), unpacked.score_stream(stream)
    np.testing.assert_allclose(mine.logprobs, theirs.logprobs, atol=2e-5)
    np.testing.assert_array_equal(mine.orders, theirs.orders)


def line_models() -> dict[str, NGram]:
    whole = estimate_lines(text_of(300), order=3)
    return {
        "whole": whole,
        "pruned": prune(whole, 1e-4),
        "merged": merge([whole, estimate_lines(text_of(200, seed=4), order=2)], [1, 2]),
        "by logs": merge([whole, whole], [0.5, 0.9], kind="loglinear"),
        "nothing long": prune(whole, np.inf),
    }


@pytest.fixture(scope="module")
def whole_models() -> dict[str, NGram]:
    return line_models()


@pytest.mark.parametrize("kind", ["whole", "pruned", "merged", "by logs", "nothing long"])
def test_little_is_lost_and_no_law(
    kind: str, whole_models: dict[str, NGram], tmp_path: Path
) -> None:
    plain = whole_models[kind]
    model = quantize(plain)
    models.save(model, tmp_path / "m")
    loaded = models.load(tmp_path / "m")
    assert isinstance(loaded, NGram)
    assert isinstance(loaded.trie, CompactTrie)
    assert loaded.trie.recipe == plain.trie.recipe
    texts = text_of(100, seed=1).decode().splitlines()
    tokens = [encoding.tokens for encoding in plain.tokenizer.encode_many(texts)]
    mine, theirs = (np.concatenate(m.score_documents(tokens)) for m in (loaded, plain))
    np.testing.assert_array_equal(mine, np.concatenate(model.score_documents(tokens)))
    assert np.exp(theirs.mean() - mine.mean()) < 1.005
    contexts = np.concatenate(tokens)[:400].reshape(200, 2)
    step = loaded.advance(loaded.begin(200).state, contexts)
    np.testing.assert_allclose(np.exp(step.logprobs.astype(np.float64)).sum(-1), 1, atol=1e-5)


def test_what_changes_models_unpacks_them(whole_models: dict[str, NGram], tmp_path: Path) -> None:
    model = quantize(whole_models["whole"])
    unpacked = NGram(model.trie.unpack(), model.tokenizer)
    for name, each in (("q", model), ("p", unpacked)):
        write_arpa(each, tmp_path / f"{name}.arpa")
    assert (tmp_path / "q.arpa").read_bytes() == (tmp_path / "p.arpa").read_bytes()
    assert prune(model, 1e-4).trie.sizes == prune(unpacked, 1e-4).trie.sizes
    merged = [merge([each, each], [1, 1]).trie.sizes for each in (model, unpacked)]
    assert merged[0] == merged[1]
    again = quantize(model)
    stream = again.trie.unpack().grams(3)[:500].reshape(-1)
    np.testing.assert_allclose(
        again.trie.score_stream(stream).logprobs,
        model.trie.score_stream(stream).logprobs,
        atol=1e-3,
    )


def test_a_file_that_does_not_sum_to_one_comes_out_with_what_does(tmp_path: Path) -> None:
    (tmp_path / "small.arpa").write_text(SMALL)
    plain = read_arpa(tmp_path / "small.arpa")
    model = quantize(plain)
    unigrams = np.exp(model.trie.unigrams.astype(np.float64)).sum()
    for context in ([2], [3], [2, 3], [3, 3]):
        step = model.advance(model.begin().state, np.array([context], np.int32))
        # What the file gives words without context is not for us to share out.
        total = np.exp(step.logprobs.astype(np.float64)).sum()
        assert min(1, unigrams) - 1e-5 <= total <= max(1, unigrams) + 1e-5
        assert not np.isnan(step.logprobs).any()


def section(grams: list[list[int]], probabilities: list[float], backoffs: list[float]) -> Section:
    logs = [np.log(np.array(each, np.float32)) for each in (probabilities, backoffs)]
    return Section(np.array(grams, np.int32), *logs)


def test_holes_are_filled() -> None:
    recipe = Recipe(order=3, vocabulary_size=4, boundary=1, discounts=(), prune=(), compat="exact",
                    notices=())  # fmt: skip
    first = section([[0], [1], [2], [3]], [0.25] * 4, [1] * 4)
    # "2 3" is not there, though "0 2 3" ends in it.
    second = section([[0, 2]], [0.25], [0.5 / 0.75])
    third = section([[0, 2, 3]], [0.5], [1])
    sections = [first, second, third]
    model = quantize(NGram(stack(sections, recipe), Whitespace.of([b"a", b"b"])))
    whole = assemble(sections, recipe)
    assert model.trie.sizes == (4, 2, 1)
    line = np.array([[0, 2, 3], [0, 2, 0], [3, 2, 3]])
    known = np.ones(line.shape, bool)
    np.testing.assert_allclose(
        model.trie.score(line, known).logprobs, whole.score(line, known).logprobs, atol=1e-4
    )


def test_values_are_exact_where_they_are_few_and_near_where_they_are_many() -> None:
    rng = np.random.default_rng(0)
    few = rng.choice([0.25, 0.5, -0.01, 0.75], 1000)
    np.testing.assert_allclose(quantizing.choose_values(few), [-0.01, 0, 0.25, 0.5, 0.75])
    many = np.concatenate([10 ** rng.uniform(-7, -0.01, 50_000), -(10 ** rng.uniform(-6, 0, 99))])
    values = quantizing.choose_values(many)
    assert len(values) <= 256
    assert 0 in values
    nearest = values[np.abs(values[:, None] - many[:50_000:20]).argmin(0)]
    error = np.abs(nearest / many[:50_000:20] - 1)
    assert np.median(error) < 0.05
    assert error.max() < 0.3
    assert quantizing.choose_values(np.zeros(3)).tolist() == [0]
    assert quantizing.choose_values(np.zeros(0)).tolist() == [0]


@pytest.mark.parametrize("seed", range(5))
def test_a_context_always_leaves_something_and_nothing_is_negative(seed: int) -> None:
    """Whatever numbers come, those of no distribution too."""
    rng = np.random.default_rng(seed)
    counts = rng.choice([0, 1, 2, 5, 300], 200)
    children = np.concatenate([[0], np.cumsum(counts)])
    wanted = rng.normal(0, 0.3, children[-1]) * 10 ** rng.uniform(-6, 0, children[-1])
    own, lower = rng.random((2, children[-1])) * 10 ** rng.uniform(-9, 0, (2, children[-1]))
    values = quantizing.choose_values(np.minimum(wanted, 1))
    codes, lefts, chances = quantizing.choose_codes(
        children, wanted, own, lower, values, 10 ** rng.uniform(-9, 1, 200)
    )
    assert (lefts > 0).all()
    owners = np.repeat(np.arange(200), counts)
    assert (values[codes] + lefts[owners] * lower >= 0).all()
    np.testing.assert_allclose(chances, values[codes] + lefts[owners] * lower)
    sums = np.bincount(owners, values[codes], minlength=200)
    np.testing.assert_allclose(lefts, 1 - sums, atol=1e-9)


@pytest.mark.parametrize("size", [2, 3, 70_000, 1 << 20, (1 << 31) - 1])
def test_tokens_and_families_come_back(size: int) -> None:
    rng = np.random.default_rng(size)
    counts = rng.choice([0, 1, 3, 31, 32, 255, 1000], 333)
    children = np.concatenate([[0], np.cumsum(counts)])
    tokens = rng.integers(0, size, children[-1]).astype(np.uint32)
    bits = bits_of(size)
    packed = Packed.of(tokens, np.zeros(len(tokens), np.uint8), np.zeros(1), bits)
    np.testing.assert_array_equal(packed.unpack_tokens(bits), tokens)
    families = Families.of(children, np.arange(333.0))
    np.testing.assert_array_equal(families.children(), children)
    arrays = families.sizes, families.bases, families.listed, families.listed_sizes
    for row in range(333):
        begin, end, large = compact_lookup.family_of(*arrays, row)
        assert (begin, end) == (children[row], children[row + 1])
        left = families.listed_lefts[large] if large >= 0 else None
        assert left == (row if end - begin >= compact_lookup.LARGE else None)
