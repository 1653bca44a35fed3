"""Sums to one: distributions after 10,000 random contexts of every model and mixture; and the
index says of random strings what a slow search says.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Result, say
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.learner import Budget
from foretell.corpus.builtin import builtin_documents
from foretell.corpus.index import Index, build_index
from foretell.models.buckets import Buckets, Parts
from foretell.models.grid import Grid
from foretell.models.infinigram import InfiniGram, default_own
from foretell.models.mixture import Mixture
from foretell.models.ngram import NGram, estimate
from foretell.models.ngram.pruning import prune
from foretell.models.recent import RecentText
from foretell.models.sliding import Sliding
from foretell.tokenizers import train_tokenizer
from foretell.training.fit import fit
from foretell.training.recipes import build_learner

TOLERANCE = 1e-5
CONTEXTS, QUICK_CONTEXTS = 10_000, 600
ROWS = 250
LONGEST = 40
DOCUMENTS = 150
SIZE = 512
STRINGS, QUICK_STRINGS = 60, 10
Documents = list[NDArray[np.int32]]


def build_models() -> tuple[dict[str, LanguageModel], Documents]:
    """Every model and mixture, small, and the texts they learned from."""
    texts = [document.text for document in islice(builtin_documents(), DOCUMENTS)]
    tokenizer = train_tokenizer("bpe", texts, size=SIZE)
    tokens = [encoding.tokens for encoding in tokenizer.encode_many(texts)]
    size, boundary = tokenizer.vocabulary_size, tokenizer.boundary

    def ngram(order: int, cut: tuple[int, ...] = (0,)) -> NGram:
        trie = estimate(tokens, vocabulary_size=size, boundary=boundary, order=order, prune=cut)
        return NGram(trie, tokenizer)

    models: dict[str, LanguageModel] = {
        **{f"order {order}": ngram(order) for order in (1, 2, 3, 4, 5)},
        "order 5 pruned by count": ngram(5, (0, 0, 1, 1, 2)),
        "order 3 pruned by worth": prune(ngram(3), 1e-6),
    }
    index = build_index(
        tokens,
        names=[str(number) for number in range(len(tokens))],
        vocabulary_size=size,
        boundary=boundary,
        tokenizer_fingerprint=tokenizer.fingerprint,
    )
    five = models["order 5"]
    infinigram = InfiniGram(index, five, own=default_own(Grid(), beyond=0))
    recent = RecentText(tokenizer)
    models |= {"infinity-gram": infinigram, "recent": recent}
    for family in ("lstm", "gpt"):
        learner = build_learner(family, tokenizer)
        fit(learner, texts, budget=Budget(tokens=20_000))
        network = learner.model()
        whole = Sliding(network) if network.context is not None else network
        grid = Grid(knots=(1.0, 3.0, 5.0))
        table = np.random.default_rng(0).dirichlet(np.ones(4), int(np.prod(grid.shape)))
        parts = [five, infinigram, recent, whole]
        models |= {
            family: network,
            f"mixture with {family}": Mixture(parts, [1, 2, 3, 4]),
            f"buckets with {family}": Buckets(Parts(parts, guide=1, gauge=3), grid, table),
        }
    return models, tokens


def draw_contexts(documents: Documents, size: int, count: int) -> Documents:
    """Contexts of 0 to LONGEST tokens, the shorter first: half from the texts, half of any tokens
    at all, the boundary among them."""
    rng = np.random.default_rng(0)
    stream = np.concatenate(documents)
    contexts = []
    for number in range(count):
        length = int(rng.integers(0, LONGEST + 1))
        start = int(rng.integers(0, len(stream) - length))
        context = stream[start : start + length]
        contexts.append(context if number % 2 else rng.integers(0, size, length, np.int32))
    return sorted(contexts, key=len)


def worst_sum(model: LanguageModel, contexts: Documents) -> float:
    """The largest distance from one of a sum of probabilities."""
    worst = 0.0
    for first in range(0, len(contexts), ROWS):
        group = contexts[first : first + ROWS]
        lengths = np.array([len(context) for context in group], np.int32)
        step = model.begin(len(group))
        logprobs = step.logprobs[:, -1].copy()
        read = np.flatnonzero(lengths > 0)
        tokens = np.zeros((len(read), max(1, int(lengths.max(initial=0)))), np.int32)
        for row, number in enumerate(read.tolist()):
            tokens[row, : lengths[number]] = group[number]
        if len(read):
            later = model.advance(step.state.select(read), tokens, lengths=lengths[read])
            logprobs[read] = later.logprobs[:, -1]
        sums = np.exp(logprobs.astype(np.float64)).sum(axis=1)
        worst = max(worst, float(np.abs(sums - 1).max()))
    return worst


def search_strings(count: int) -> dict[str, int]:
    """Random strings, and how often the index differs from a slow search."""
    rng = np.random.default_rng(0)
    asked = wrong = 0
    for number in range(count):
        letters = int(rng.integers(1, 6))
        documents = [
            rng.integers(0, letters, rng.integers(0, 40)).astype(np.int32)
            for _ in range(rng.integers(1, 8))
        ]
        index = build_index(
            documents,
            names=[str(each) for each in range(len(documents))],
            # Wide tokens are another type, and so another compiled search.
            vocabulary_size=letters + 1 if number % 2 else 70_000,
            boundary=letters,
        )
        lines = [[letters, *document.tolist(), letters] for document in documents]
        for _ in range(30):
            phrase = rng.integers(0, letters, rng.integers(1, 7)).tolist()
            if rng.random() < 0.2:
                phrase = [letters, *phrase]
            if rng.random() < 0.2:
                phrase = [*phrase, letters]
            asked += 1
            wrong += differs(index, lines, phrase, letters)
    return {"strings": count, "questions": asked, "wrong": wrong}


def differs(index: Index, lines: list[list[int]], phrase: list[int], boundary: int) -> bool:
    """Whether the index errs about a phrase: count, places, what follows, longest suffix."""
    places = find_slowly(lines, phrase)
    low, high = index.find(phrase)
    if index.count(phrase) != len(places) or sorted(index.places[low:high].tolist()) != places:
        return True
    stream = [boundary] + [token for line in lines for token in line[1:]]
    context = phrase[:-1] if phrase[-1] == boundary else phrase
    following: dict[int, int] = {}
    for place in find_slowly(lines, context):
        token = stream[place + len(context)]
        following[token] = following.get(token, 0) + 1
    tokens, counts = index.continuations(context)
    if dict(zip(tokens.tolist(), counts.tolist(), strict=True)) != following:
        return True
    longest = next((n for n in range(len(context), 0, -1) if find_slowly(lines, context[-n:])), 0)
    match = index.longest_suffix(context)
    if match.length != longest:
        return True
    return longest > 0 and match.high - match.low != len(find_slowly(lines, context[-longest:]))


def find_slowly(lines: list[list[int]], phrase: Sequence[int]) -> list[int]:
    """Places in the stream where a phrase stands in one document, with its boundaries."""
    found, start = [], 0
    for line in lines:
        size = len(phrase)
        found += [start + k for k in range(len(line) - size + 1) if line[k : k + size] == phrase]
        start += len(line) - 1  # the closing boundary opens the next document
    return found


def measure(*, quick: bool) -> Result:
    models, documents = build_models()
    size = models["order 1"].tokenizer.vocabulary_size
    contexts = draw_contexts(documents, size, QUICK_CONTEXTS if quick else CONTEXTS)
    sums = {}
    for name, model in models.items():
        sums[name] = worst_sum(model, contexts)
        say(f"{name}: {sums[name]:.2e}")
    searched = search_strings(QUICK_STRINGS if quick else STRINGS)
    say(f"{searched}")
    figures: dict[str, Any] = {
        "contexts": len(contexts),
        "worst_distance_from_one": sums,
        "index_against_slow_search": searched,
    }
    return Result(max(sums.values()) <= TOLERANCE and searched["wrong"] == 0, figures)
