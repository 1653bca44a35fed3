"""NLTK's language models behind our contract, ours behind theirs, and texts both ways.

    model = from_nltk(lm)             any fitted model of nltk.lm, for score, compare, verify
    lm = as_nltk(model)               lm.score("cat", ["the"]), lm.perplexity(ngrams), ...
    lm = ModifiedKneserNey(3)         lm.fit(train, vocab), as nltk.lm's own classes

NLTK pads a text and counts the padding; ours has one boundary, B. Of a model of order 3:

    ours        B         a     b     B
    NLTK     <s> <s>      a     b    </s>       P(a) after (<s>, <s>)
    in mid text           a     b               P(b) after (a,)

NLTK's `<s>` is a word too, that could come at any place; in ours nothing can, so what it gets there
is missing from a distribution. Measured on 80 padded lines of a play, order 3: after `<s> <s>` 0
is missing of MLE, 0.003 of Laplace, 0.16 of Witten-Bell, 0.25 of absolute discounting. Kneser-Ney
adds up to more than 1 there (by 1e-4 at its discount of 0.1): it counts `<s>` among what follows
`<s>`, but not among what continues it. And MLE gives 0 to everything after what it has not seen.
Such models fail the law that says so, and `renormalise` is offered.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.contracts.language_model import (
    LanguageModel,
    Lengths,
    Step,
    Tokens,
    full_lengths,
)
from foretell.models.replay import ReplayState
from foretell.storage import write_text
from foretell.tokenizers.whitespace import Whitespace

try:
    import nltk.lm
except ModuleNotFoundError:
    raise MissingExtra('NLTK is not installed: pip install "foretell[nltk]"') from None

from foretell.interop.nltk_scorers import (
    END,
    START,
    Foretold,
    ModifiedKneserNey,
    NoCounts,
    as_nltk,
    contexts_kept,
    list_words,
)
from foretell.interop.nltk_text import documents_of, lines_of, prepare, tokenizer_of

__all__ = [
    "Foretold",
    "FromNLTK",
    "ModifiedKneserNey",
    "NoCounts",
    "as_nltk",
    "documents_of",
    "from_nltk",
    "lines_of",
    "load_nltk",
    "prepare",
    "save_nltk",
    "tokenizer_of",
]

FORMAT = "nltk-lm-1"
SETTINGS = {
    "MLE": None,
    "Laplace": None,
    "Lidstone": "gamma",
    "WittenBellInterpolated": None,
    "AbsoluteDiscountingInterpolated": "discount",
    "KneserNeyInterpolated": "discount",
}
"""Classes of nltk.lm that can be written, and the number that each is made with beside counts."""


def from_nltk(lm: Any, *, renormalise: bool = False) -> LanguageModel:
    """A fitted model of NLTK as ours; its tokens are the words of its vocabulary but `<s>`.

    renormalise: make it another model, whose distributions add up to one: what `<s>` gets is
    shared out in proportion, and a context after which all is 0 is shortened from its left, as
    NLTK's own `generate` shortens it. Without it, probabilities are NLTK's own, and the law
    `normalised` fails wherever they do not add up; see the module.

    What `as_nltk` made is taken apart again. Raises ForetellError for StupidBackoff, whose scores
    are no probabilities, for a model that is not fitted, or a vocabulary that cannot be ours.

    Good: from_nltk(fitted)
    Bad:  from_nltk(nltk.lm.MLE(3))      it has learned nothing yet: ForetellError
    """
    if isinstance(lm, Foretold):
        return lm.model
    if not isinstance(lm, nltk.lm.api.LanguageModel):
        raise ForetellError(
            f"{type(lm).__name__} is no language model of NLTK; give one of nltk.lm"
        )
    return FromNLTK(lm, renormalise=renormalise)


class FromNLTK:
    """See the module and `from_nltk`. Slow: asks NLTK word by word, which leaves empty entries in
    its counts for contexts that it had not seen, as its own `score` does."""

    family = "nltk"
    context = None

    def __init__(self, lm: Any, *, renormalise: bool = False) -> None:
        if isinstance(lm, nltk.lm.StupidBackoff):
            raise ForetellError(
                "the scores of NLTK's StupidBackoff are no probabilities, as it says itself, so "
                "that nothing could be compared with them; fit another class of nltk.lm"
            )
        if not len(lm.vocab):
            raise ForetellError(
                f"this {type(lm).__name__} is not fitted; call its fit(text, vocabulary_text)"
            )
        words = list_words(lm.vocab)
        self.lm = lm
        self.renormalise = renormalise
        self.tokenizer = Whitespace.of(word.encode("utf-8", "surrogateescape") for word in words)
        self._words = [lm.vocab.unk_label, END, *words]
        self._opening = (START,) * (lm.order - 1) if START in lm.vocab else ()
        self._after = lru_cache(contexts_kept(self))(self._distribution)
        try:
            self._probability(Whitespace.unknown, self._opening)
        except ZeroDivisionError:
            raise ForetellError(
                f"this {type(lm).__name__} of order {lm.order} divides by zero; fit it on "
                "everygrams of order 2 or more, such as padded_everygram_pipeline gives"
            ) from None

    @property
    def order(self) -> int:
        return int(self.lm.order)

    @property
    def counts(self) -> Any:
        """NLTK's counts."""
        return self.lm.counts

    def begin(self, rows: int = 1, *, mid_text: bool = False) -> Step:
        read = np.array([] if mid_text else [self.tokenizer.boundary], np.int32)
        return self._step((read,) * rows, keep=0 if mid_text else 1)

    def advance(
        self, state: ReplayState, tokens: Tokens, *, lengths: Lengths | None = None, keep: int = 1
    ) -> Step:
        return self._step(state.read_on(tokens, full_lengths(tokens, lengths), keep).texts, keep)

    def distributions(self, state: ReplayState) -> NDArray[np.float32]:
        """ln P of every token after each row of a state, (B, V); of no context if nothing was
        read."""
        return np.stack([self._after(self._context(text)) for text in state.texts])

    def score(self, tokens: Tokens, *, lengths: Lengths | None = None) -> NDArray[np.float32]:
        lengths = full_lengths(tokens, lengths)
        out = np.zeros(tokens.shape, np.float32)
        first = np.array([self.tokenizer.boundary], np.int32)
        for row, length in enumerate(lengths):
            text = np.concatenate([first, tokens[row, :length]])
            for place in range(length):
                # Of one token, not of all V: NLTK answers word by word.
                context = self._context(text[: place + 1])
                out[row, place] = self._logprob(int(text[place + 1]), context)
        return out

    def save(self, folder: Path) -> None:
        """Refuses: what there is to keep is NLTK's, not a model folder of ours."""
        raise ForetellError(
            "a model of NLTK is no folder of ours; save_nltk(model, 'lm.json') of "
            "foretell.interop.nltk writes its counts, load_nltk reads them"
        )

    def _step(self, texts: tuple[NDArray[np.int32], ...], keep: int) -> Step:
        logprobs = np.empty((len(texts), keep, self.tokenizer.vocabulary_size), np.float32)
        for row, text in enumerate(texts):
            for place in range(keep):
                logprobs[row, place] = self._after(
                    self._context(text[: len(text) - keep + 1 + place])
                )
        return Step(logprobs, ReplayState(texts))

    def _context(self, text: NDArray[np.int32]) -> tuple[str, ...]:
        """What NLTK looks back on after the tokens (T,), boundaries and all."""
        width = self.order - 1
        ends = np.flatnonzero(text == self.tokenizer.boundary)
        since = text[ends[-1] + 1 :] if len(ends) else text
        words = tuple(self._words[token] for token in since[max(0, len(since) - width) :])
        if len(ends):
            words = self._opening + words
        return words[max(0, len(words) - width) :]

    def _probability(self, token: int, context: tuple[str, ...]) -> float:
        if token == self.tokenizer.boundary and END not in self.lm.vocab:
            return 0.0
        return float(self.lm.score(self._words[token], context))

    def _logprob(self, token: int, context: tuple[str, ...]) -> float:
        if self.renormalise:
            return float(self._after(context)[token])
        with np.errstate(divide="ignore"):
            return float(np.log(self._probability(token, context)))

    def _distribution(self, context: tuple[str, ...]) -> NDArray[np.float32]:
        """(V,)"""
        found = np.array([self._probability(token, context) for token in range(len(self._words))])
        if self.renormalise:
            if found.sum() == 0 and context:
                return self._after(context[1:])
            found /= found.sum()
        with np.errstate(divide="ignore"):
            logprobs = np.log(found).astype(np.float32)
        logprobs.flags.writeable = False
        return logprobs


def save_nltk(lm: Any, path: str | Path) -> None:
    """Write the counts of a fitted model of NLTK, or of one that `from_nltk` gave, as JSON; that it
    was renormalised is not written.

    Raises ForetellError for a class that is not in SETTINGS.
    """
    lm = lm.lm if isinstance(lm, FromNLTK) else lm
    kind = type(lm).__name__
    if kind not in SETTINGS or type(lm) is not getattr(nltk.lm, kind, None):
        raise ForetellError(
            f"{kind} cannot be written as counts; choose one of {', '.join(SETTINGS)}, or, for a "
            "model of foretell, give foretell.models.save its `model`"
        )
    setting = SETTINGS[kind]
    holder = lm if setting is None or hasattr(lm, setting) else lm.estimator
    contexts = [[[], list(lm.counts.unigrams.items())]]
    for order in range(2, len(lm.counts) + 1):
        contexts += [
            [list(context), list(seen.items())]
            for context, seen in lm.counts[order].items()
            if seen
        ]
    content = {
        "format": FORMAT,
        "kind": kind,
        "order": lm.order,
        "settings": {} if setting is None else {setting: getattr(holder, setting)},
        "unknown": lm.vocab.unk_label,
        "cutoff": lm.vocab.cutoff,
        "vocabulary": list(lm.vocab.counts.items()),
        "counts": contexts,
    }
    write_text(Path(path), json.dumps(content) + "\n")


def load_nltk(path: str | Path) -> Any:
    """The model of NLTK whose counts `save_nltk` wrote. Raises DamagedModel."""
    try:
        content = json.loads(Path(path).read_text("utf-8"))
        kind, settings = content["kind"], content["settings"]
        if content["format"] != FORMAT or kind not in SETTINGS:
            raise ValueError(f"format {content['format']!r} of {kind!r}")
        vocabulary = nltk.lm.Vocabulary(
            dict(content["vocabulary"]),
            unk_cutoff=content["cutoff"],
            unk_label=content["unknown"],
        )
        counts = nltk.lm.NgramCounter()
        for context, seen in content["counts"]:
            found = counts[len(context) + 1][tuple(context)] if context else counts.unigrams
            for word, count in seen:
                found[word] = int(count)
        model = getattr(nltk.lm, kind)
        return model(order=int(content["order"]), vocabulary=vocabulary, counter=counts, **settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise DamagedModel(
            f"{path} holds no counts of NLTK that can be read ({type(problem).__name__}: "
            f"{str(problem)[:80]}); write it again by save_nltk"
        ) from problem
