"""Correct models, each with one classic bug planted in it, and the law that must catch it."""

from dataclasses import replace

import numpy as np

from foretell.contracts.language_model import Step, full_lengths
from foretell.models.replay import Replay


class Wrapped:
    """A model that is another model; subclasses spoil one thing."""

    def __init__(self, model):
        self.model = model
        self.family, self.tokenizer, self.context = model.family, model.tokenizer, model.context

    def begin(self, rows=1, *, mid_text=False):
        return self.model.begin(rows, mid_text=mid_text)

    def advance(self, state, tokens, *, lengths=None, keep=1):
        return self.model.advance(state, tokens, lengths=lengths, keep=keep)

    def score(self, tokens, *, lengths=None):
        return self.model.score(tokens, lengths=lengths)

    def save(self, folder):
        self.model.save(folder)


class MutatedState(Wrapped):
    """Reading on writes into the state that it was given."""

    def advance(self, state, tokens, *, lengths=None, keep=1):
        step = super().advance(state, tokens, lengths=lengths, keep=keep)
        state.history[:] = step.state.history
        return step


class LeakingPad(Wrapped):
    """Pads are read as if they were text."""

    def advance(self, state, tokens, *, lengths=None, keep=1):
        real = full_lengths(tokens, lengths)
        step = super().advance(state, tokens, keep=keep)
        return Step(step.logprobs, replace(step.state, lengths=state.lengths + real))


class FirstTokenSlip(Wrapped):
    """The first token is scored as if something had come before it."""

    def score(self, tokens, *, lengths=None):
        scores = super().score(tokens, lengths=lengths).copy()
        if tokens.shape[1]:
            middle = self.model.begin(len(tokens), mid_text=True).state
            a = np.full((len(tokens), 1), 97, np.int32)
            after = self.model.advance(middle, a).logprobs[:, 0]
            scores[:, 0] = np.take_along_axis(after, tokens[:, :1].astype(np.int64), 1)[:, 0]
        return scores


class UnnormalisedMixture(Wrapped):
    """Two probabilities added, and their weights forgotten."""

    def _both(self, logprobs):
        flat = np.float32(-np.log(self.tokenizer.vocabulary_size))
        return np.logaddexp(logprobs, flat)

    def begin(self, rows=1, *, mid_text=False):
        step = super().begin(rows, mid_text=mid_text)
        return Step(self._both(step.logprobs), step.state)

    def advance(self, state, tokens, *, lengths=None, keep=1):
        step = super().advance(state, tokens, lengths=lengths, keep=keep)
        return Step(self._both(step.logprobs), step.state)

    def score(self, tokens, *, lengths=None):
        return self._both(super().score(tokens, lengths=lengths))


class TwoWays(Replay):
    """A bidirectional network sold as a language model: what it says after a token depends on
    the tokens that follow."""

    def __init__(self, model):
        super().__init__(self._forward, model.tokenizer)

    def _forward(self, tokens):
        size = self.tokenizer.vocabulary_size
        following = np.append(tokens[0, 1:], self.tokenizer.boundary)
        logits = np.zeros((1, tokens.shape[1], size), np.float32)
        logits[0, np.arange(tokens.shape[1]), following] = 5.0
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


BUGS = {
    "a mutated state": (MutatedState, "persistence"),
    "a leaking pad": (LeakingPad, "padding"),
    "a first-token slip": (FirstTokenSlip, "scoring"),
    "look-ahead": (TwoWays, "causality"),
    "an unnormalised mixture": (UnnormalisedMixture, "normalised"),
}
