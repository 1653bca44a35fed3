"""Learners by name, with every number in sight: sizes and settings that did best per minute on
two cores. What was tried stands in docs/decisions/ladder.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from foretell.contracts.errors import ForetellError, MissingExtra
from foretell.contracts.learner import Budget, Learner
from foretell.contracts.tokenizer import Tokenizer
from foretell.training.counting import CountingLearner, CountingSettings
from foretell.training.ranks import ALONE, Ranks

COUNTING = ("unigram", "kneser-ney", "infinity-gram")
TRANSFORMERS = ("gpt2", "llama", "gpt")
NETWORKS = ("rnn", "gru", "lstm", *TRANSFORMERS)
TOKENS_A_SECOND = 10_000
"""About what a small network learns from on two cores; turns a budget of tokens into time."""
BYTES_A_TOKEN = 3


@dataclass(frozen=True)
class Scope:
    """What the size of a network, its batches and its dropout are derived from."""

    seconds: float = 60.0
    """Time that it may learn."""
    bytes: int = 1_000_000
    """Size of the text that it learns from."""
    tokens: int | None = None
    """To learn from, where the budget says so; None: as many as the time allows."""
    passes: float | None = None
    """Over the text, where the budget says so."""
    parameters: int | None = None
    """About how many the layers of a transformer have, tables by tokens not counted; None: as
    suits the time."""
    learning_rate: float | None = None
    """Of AdamW at its highest, Muon's in proportion; None: as suits the others."""
    rows_at_once: int | None = None
    """Rows of a batch read together; None: all. Decides memory, and nothing that is learned."""

    @staticmethod
    def of(budget: Budget, size: int, parameters: int | None = None) -> Scope:
        """Of a run on a text of `size` bytes. Tokens and passes count as the time that they would
        take of a small network, roughly: other budgets may derive other networks."""
        tokens = budget.tokens or (budget.passes or 0) * size / BYTES_A_TOKEN
        seconds = budget.seconds or tokens / TOKENS_A_SECOND
        return Scope(seconds, size, budget.tokens, budget.passes, parameters)


DEFAULT = Scope()


@dataclass(frozen=True)
class Needs:
    """What training a network takes."""

    parameters: int
    memory: int
    """Bytes, an estimate: weights, gradient, optimiser, activations, and PyTorch itself."""
    inner: int
    """Of the parameters, those between the tables that have a row a token or n-gram."""
    batch: int
    """Tokens in an update."""
    rows: int
    """Texts side by side in it."""


def estimate_needs(family: str, tokenizer: Tokenizer, scope: Scope) -> Needs:
    """Of a network, without building its weights. Raises as `build_learner` does."""
    needs: Needs = _networks(family).estimate_needs(family, tokenizer, scope)
    return needs


def build_learner(
    family: str,
    tokenizer: Tokenizer,
    *,
    seed: int = 0,
    order: int = 5,
    prune: tuple[int, ...] = (0,),
    scope: Scope = DEFAULT,
    ranks: Ranks = ALONE,
) -> Learner:
    """A learner that has read nothing yet. order and prune are for Kneser-Ney, also where it lies
    beneath an infinity-gram; scope and ranks are for networks.

    Raises ForetellError for an unknown family, MissingExtra for a network without PyTorch.
    """
    if family in COUNTING:
        order = 1 if family == "unigram" else order
        index = family == "infinity-gram"
        return CountingLearner(tokenizer, CountingSettings(order, prune, index=index))
    learner: Learner = _networks(family).build(family, tokenizer, scope, seed=seed, ranks=ranks)
    return learner


def _networks(family: str) -> Any:
    """The module that knows networks, once PyTorch is known to be there."""
    if family not in NETWORKS:
        raise ForetellError(
            f"there is no family {family!r}; choose from {', '.join((*COUNTING, *NETWORKS))}"
        )
    try:
        return import_module("foretell.training.networks")
    except ModuleNotFoundError as problem:
        if problem.name not in ("torch", "safetensors"):
            raise
        raise MissingExtra(f'a {family} needs PyTorch: pip install "foretell[neural]"') from None
