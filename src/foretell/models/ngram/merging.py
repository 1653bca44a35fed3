"""One back-off model out of several, with fixed weights: linear, or log-linear.

    linear       p(w|h) = sum of weights[i] p_i(w|h)                for each n-gram that one has;
                 back-offs make the rest sum to one               (as SRILM's -mix-lm)
    log-linear   p(w|h) = product of p_i(w|h) ** weights[i] / Z(h)  for every n-gram, exactly

Z is exact at the price of one sum over the vocabulary: a token that follows h in no model costs
a_i(h) p_i(w|h') in each, so Z(h) needs only the tokens that follow h somewhere, and Z(h').

Facts: the linear one is close to `Mixture`, not equal to it, since a back-off model has one
back-off for all tokens that h has not seen; it is one file and one look-up instead of several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.models.mixture import fit_weights
from foretell.models.ngram.model import NGram
from foretell.models.ngram.sections import Section, assemble
from foretell.models.ngram.trie import Ids, Recipe, Trie
from foretell.tokenizers.whitespace import Whitespace

Kind = Literal["linear", "loglinear"]
Doubles = NDArray[np.float64]
PASSES = 50


def merge(models: Sequence[NGram], weights: Sequence[float], *, kind: Kind = "linear") -> NGram:
    """One model of the words that any of them knows. The words that a model lacks, and the unknown
    word, share what it has for its unknown word.

    Linear weights are divided by their sum; log-linear ones are powers, and need no sum.

    Raises ForetellError for weights that cannot be used, and models that are not of words between
    white space (as those of ARPA files are).
    """
    if kind not in get_args(Kind):
        raise ForetellError(f"kind is {kind!r}; give one of {', '.join(get_args(Kind))}")
    given = np.asarray(weights, np.float64)
    if len(given) != len(models) or len(models) < 2:
        raise ForetellError(
            f"{len(models)} models and {len(given)} weights; give 2 or more of each"
        )
    if (given < 0).any() or not np.isfinite(given).all() or given.sum() <= 0:
        raise ForetellError(f"weights must be 0 or more, and not all 0; got {list(weights)}")
    union = _unite(models)
    return (
        _mix_linearly(union, given / given.sum()) if kind == "linear" else _mix_logs(union, given)
    )


def tune(
    models: Sequence[NGram],
    texts: Sequence[str],
    *,
    kind: Kind = "linear",
    passes: int = PASSES,
) -> tuple[float, ...]:
    """Weights that foretell texts best: by EM if linear, by search if log-linear.

    The texts must be no part of what the models learned from. Raises ForetellError as `merge`.
    """
    if not any(text.split() for text in texts):
        raise ForetellError("there is no text to tune the weights on; give a file with some words")
    if kind == "loglinear":
        return _tune_logs(models, texts)
    _, translations = _unite_words(models)
    columns = []
    for model, translation in zip(models, translations, strict=True):
        logprobs, tokens = _score(model, texts)
        columns.append(logprobs + translation.log_share * (tokens == Whitespace.unknown))
    logs = np.stack(columns, axis=1)
    weights = np.full(len(models), 1 / len(models))
    for _ in range(passes):
        weights = fit_weights(logs, weights)
    return tuple(weights.tolist())


def _score(model: NGram, texts: Sequence[str]) -> tuple[Doubles, Ids]:
    """ln P of every token of the texts, ends included; and the tokens."""
    boundary = np.array([model.tokenizer.boundary], np.int32)
    encodings = model.tokenizer.encode_many(list(texts))
    documents = [np.concatenate([encoding.tokens, boundary]) for encoding in encodings]
    logprobs = np.concatenate(model.score_documents(documents)).astype(np.float64)
    return logprobs, np.concatenate(documents)


def _tune_logs(models: Sequence[NGram], texts: Sequence[str]) -> tuple[float, ...]:
    from scipy.optimize import minimize

    union = _unite(models)

    def cost(weights: Doubles) -> float:
        if (weights < 0).any() or weights.sum() <= 0:
            return np.inf
        return -float(_score(_mix_logs(union, weights), texts)[0].mean())

    start = np.full(len(models), 1 / len(models))
    found = minimize(cost, start, method="Nelder-Mead", options={"maxiter": 40, "xatol": 1e-2})
    return tuple(np.asarray(found.x).tolist())


@dataclass(frozen=True)
class _Translation:
    numbers: Ids
    """(V,) what each token of a model is in the union."""
    unknown: int
    """How many tokens of the union are the unknown word to the model."""

    @property
    def log_share(self) -> float:
        """ln of the part of P(unknown) that each of them gets."""
        return -float(np.log(self.unknown))


@dataclass(frozen=True)
class _Order:
    """All n-grams (G, n) that any model has; of order 1, the whole vocabulary by token."""

    grams: Ids
    contexts: NDArray[np.int64]
    """(G,) rows of the order below."""
    suffixes: NDArray[np.int64]
    """(G,) rows of the order below."""
    logprobs: Doubles
    """(M, G) ln P by each model."""
    backoffs: Doubles
    """(M, G) ln of what each model backs off with, after the n-gram; 0 where it lacks it."""


@dataclass(frozen=True)
class _Union:
    words: Whitespace
    orders: tuple[_Order, ...]


def _unite(models: Sequence[NGram]) -> _Union:
    words, translations = _unite_words(models)
    tries = [model.trie.unpack() for model in models]
    known: dict[int, list[Ids]] = {}
    for trie, translation in zip(tries, translations, strict=True):
        for n in range(2, trie.recipe.order + 1):
            known.setdefault(n, []).append(translation.numbers[trie.grams(n)])
    orders: list[_Order] = []
    above: Ids | None = None
    listed: list[Ids] = []
    for n in sorted(known, reverse=True):
        # Of pruned models, what longer n-grams end in too: Z needs every suffix.
        parts = known[n] + ([] if above is None else [above[:, 1:], above[:, :-1]])
        above = np.unique(np.concatenate(parts), axis=0)
        listed.append(above)
    listed.append(np.arange(words.vocabulary_size, dtype=np.int32)[:, None])
    for n, grams in enumerate(reversed(listed), start=1):
        find = _finder(orders[-1].grams) if orders else None
        orders.append(
            _Order(
                grams,
                find(grams[:, :-1]) if find else np.zeros(0, np.int64),
                find(grams[:, 1:]) if find else np.zeros(0, np.int64),
                *_values(tries, translations, words, grams, n),
            )
        )
    return _Union(words, tuple(orders))


def _unite_words(models: Sequence[NGram]) -> tuple[Whitespace, list[_Translation]]:
    """All words, by first appearance; and each model's part in them."""
    everyone: dict[bytes, int] = {}
    spelled = []
    for model in models:
        if not isinstance(model.tokenizer, Whitespace):
            raise ForetellError(
                f"only models of words between white space are merged, and one has "
                f"{model.tokenizer.name}; a Mixture takes any models of one tokenizer"
            )
        spelled.append(list(model.tokenizer.words()))
        for word in spelled[-1]:
            everyone.setdefault(word, len(everyone))
    numbers = [np.array([everyone[word] for word in each], np.int32) for each in spelled]
    translations = [_Translation(each, 1 + len(everyone) - len(each)) for each in numbers]
    return Whitespace.of(list(everyone)[2:]), translations


def _finder(grams: Ids) -> Callable[[Ids], NDArray[np.int64]]:
    """Rows of n-grams among `grams`, which are sorted and hold them all."""
    packed = _pack(grams)

    def find(wanted: Ids) -> NDArray[np.int64]:
        return np.searchsorted(packed, _pack(wanted)).astype(np.int64)

    return find


def _pack(grams: Ids) -> NDArray[np.void]:
    """Rows as bytes that compare like the rows."""
    rows = np.ascontiguousarray(grams.astype(">u4"))
    return rows.view(f"V{rows.shape[1] * 4}").reshape(-1)


def _values(
    tries: Sequence[Trie], translations: list[_Translation], words: Whitespace, grams: Ids, n: int
) -> tuple[Doubles, Doubles]:
    """ln P and back-offs (M, G) of n-grams by each model."""
    logprobs, backoffs = np.zeros((2, len(tries), len(grams)))
    known = np.ones(grams.shape, bool)
    for m, (trie, translation) in enumerate(zip(tries, translations, strict=True)):
        numbers = translation.numbers
        back = np.full(words.vocabulary_size, Whitespace.unknown, np.int32)
        back[numbers] = np.arange(len(numbers), dtype=np.int32)
        theirs = back[grams]
        lacking = theirs[:, -1] == Whitespace.unknown
        logprobs[m] = trie.score(theirs, known).logprobs[:, -1]
        logprobs[m, lacking] += translation.log_share
        if n < trie.recipe.order:
            # An n-gram with a word that the model lacks is none of its contexts.
            found = trie.find(theirs)
            there = found.there & (numbers[theirs] == grams).all(axis=1)
            backoffs[m, there] = trie.orders[n - 1].backoffs[found.rows[there]]
    return logprobs, backoffs


def _mix_linearly(union: _Union, weights: Doubles) -> NGram:
    mixed = [np.tensordot(weights, np.exp(order.logprobs), 1) for order in union.orders]
    sections = []
    for n, order in enumerate(union.orders, start=1):
        backoffs = np.zeros(len(order.grams))
        if n < len(union.orders):
            longer = union.orders[n]
            size = len(order.grams)
            left = 1.0 - np.bincount(longer.contexts, mixed[n], size)
            left_below = 1.0 - np.bincount(longer.contexts, mixed[n - 1][longer.suffixes], size)
            context = np.bincount(longer.contexts, minlength=size) > 0
            tiny = np.finfo(np.float64).tiny
            ratio = np.maximum(left, tiny)[context] / np.maximum(left_below, tiny)[context]
            backoffs[context] = np.log(ratio)
        sections.append(_section(order, np.log(mixed[n - 1]), backoffs))
    return _finish(union, sections, "linear")


def _mix_logs(union: _Union, weights: Doubles) -> NGram:
    scores = [np.tensordot(weights, order.logprobs, 1) for order in union.orders]
    totals = [np.array([np.exp(scores[0]).sum()])]
    """Z of each context, by order of the context: of none, of tokens, of pairs, ..."""
    backoffs = []
    for n, order in enumerate(union.orders[:-1], start=1):
        longer, size = union.orders[n], len(order.grams)
        alone = np.tensordot(weights, order.backoffs, 1)
        below = totals[0][np.zeros(size, np.int64)] if n == 1 else totals[n - 1][order.suffixes]
        seen = np.bincount(longer.contexts, np.exp(scores[n]), size)
        seen_below = np.bincount(longer.contexts, np.exp(scores[n - 1][longer.suffixes]), size)
        totals.append(seen + np.exp(alone) * np.maximum(below - seen_below, 0.0))
        backoffs.append(alone + np.log(below) - np.log(totals[n]))
    backoffs.append(np.zeros(len(union.orders[-1].grams)))
    sections = []
    for n, order in enumerate(union.orders, start=1):
        total = totals[0][0] if n == 1 else totals[n - 1][order.contexts]
        sections.append(_section(order, scores[n - 1] - np.log(total), backoffs[n - 1]))
    return _finish(union, sections, "loglinear")


def _section(order: _Order, logprobs: Doubles, backoffs: Doubles) -> Section:
    floats = np.minimum(logprobs, 0.0).astype(np.float32), backoffs.astype(np.float32)
    return Section(order.grams, *floats)


def _finish(union: _Union, sections: list[Section], kind: str) -> NGram:
    words = union.words
    recipe = Recipe(len(sections), words.vocabulary_size, words.boundary, (), (), kind, ())
    return NGram(assemble(sections, recipe), words)
