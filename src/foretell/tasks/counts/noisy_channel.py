"""The floor of translation: a noisy channel, as Brown et al. 1993 have it.

    of all target texts take the one with most   P(target) . product over source words of t(s | t)

t: how a target word comes out in the source, from pairs of sentences (model 1, by EM); P: a 3-gram
of target words. Words keep their order, each source word comes from one target word or from none,
and what was never seen is copied.

S different source words, T of the target, the last of which is no word at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell import models
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.learner import Budget
from foretell.corpus.pairs import MARK
from foretell.tasks.examples.texts import TextExample, Written, one_text
from foretell.tasks.examples.words import split
from foretell.tokenizers.subwords import Words
from foretell.training.fit import fit
from foretell.training.recipes import build_learner

LEXICON, LANGUAGE = "lexicon.json", "language"
ROUNDS, ORDER = 6, 3
MOST_PAIRS = 60_000
"""That are learned from."""
MOST_WORDS = 100
"""Of a text that are translated."""
CHOICES, LEAST = 6, 0.02
"""Target words of a source word, and the share of it that each explains at least."""
BEAMS = 6
UNKNOWN = -12.0
"""ln P of a word that is copied."""
PER_WORD = 2.5
"""Nats for each word that is written: no word at all is the likeliest source of many."""


class Choice(NamedTuple):
    token: int
    """Of the target, or NOTHING."""
    logprob: float
    """ln t of the source word."""


NOTHING = -1
Lexicon = dict[str, list[Choice]]


class _Text(NamedTuple):
    """In the making."""

    pieces: tuple[str, ...]
    score: float
    row: int
    """Of the language model's state."""


@dataclass(frozen=True)
class NoisyChannel:
    """A writer."""

    lexicon: Lexicon
    language: LanguageModel

    rung = "count"

    @cached_property
    def _spellings(self) -> list[str]:
        tokenizer = self.language.tokenizer
        size = tokenizer.vocabulary_size
        return [tokenizer.decode(np.array([token], np.int32)) for token in range(size)]

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        return [self._write(text, alternatives) for text in texts]

    def _write(self, text: str, alternatives: int) -> list[Written]:
        boundary = self.language.tokenizer.boundary
        step = self.language.begin()
        state, logprobs = step.state, step.logprobs[:, -1]
        beam = [_Text((), 0.0, 0)]
        for word in _words(text)[:MOST_WORDS]:
            grown: list[tuple[_Text, int]] = []
            choices = self.lexicon.get(word.strip().lower())
            for each in beam:
                if choices is None:
                    copied = (*each.pieces, word if each.pieces else word.strip())
                    grown.append((_Text(copied, each.score + UNKNOWN, each.row), NOTHING))
                for token, logprob in choices or ():
                    score, pieces = each.score + logprob, each.pieces
                    if token != NOTHING:
                        score += float(logprobs[each.row, token]) + PER_WORD
                        pieces = (*pieces, self._spellings[token])
                    grown.append((_Text(pieces, score, each.row), token))
            best = sorted(grown, key=lambda pair: -pair[0].score)[: max(BEAMS, alternatives)]
            stay = [text for text, token in best if token == NOTHING]
            go = [(text, token) for text, token in best if token != NOTHING]
            kept = state.select([each.row for each in stay]) if stay else None
            found = [logprobs[[each.row for each in stay]]] if stay else []
            if go:
                tokens = np.array([[token] for _, token in go], np.int32)
                step = self.language.advance(state.select([each.row for each, _ in go]), tokens)
                kept = step.state if kept is None else kept.join(step.state)
                found.append(step.logprobs[:, -1])
            assert kept is not None
            state, logprobs = kept, np.concatenate(found)
            beam = [each._replace(row=row) for row, each in enumerate([*stay, *(t for t, _ in go)])]
        scored = [(each.score + float(logprobs[each.row, boundary]), each) for each in beam]
        said: dict[str, float] = {}
        for score, each in sorted(scored, key=lambda pair: -pair[0]):
            said.setdefault("".join(each.pieces).strip(), score)
        return [Written(text, None) for text in list(said)[:alternatives]]

    @property
    def facts(self) -> dict[str, Any]:
        return {"channel": True}

    def save(self, folder: Path) -> None:
        content = json.dumps(self.lexicon, ensure_ascii=False)
        (folder / LEXICON).write_text(content, "utf-8")
        (folder / LANGUAGE).mkdir()
        models.write(self.language, folder / LANGUAGE)


def learn(examples: Sequence[TextExample]) -> NoisyChannel:
    examples = examples[:MOST_PAIRS]
    targets = [each.targets[0] for each in examples]
    tokenizer = Words.train(targets, minimum_count=1)
    learner = build_learner("kneser-ney", tokenizer, order=ORDER)
    fit(learner, targets, budget=Budget(passes=1))
    sources = [[word.strip().lower() for word in _words(each.text)] for each in examples]
    written = [encoding.tokens for encoding in tokenizer.encode_many(targets)]
    return NoisyChannel(_learn_lexicon(sources, written), learner.model())


def _words(text: str) -> list[str]:
    return split(one_text(text).replace(MARK, " "))


def _learn_lexicon(
    sources: Sequence[Sequence[str]], targets: Sequence[NDArray[np.int32]]
) -> Lexicon:
    """Model 1: each source word comes from one of the target's, or from none."""
    names: dict[str, int] = {}
    ids = [np.array([names.setdefault(w, len(names)) for w in row], np.int64) for row in sources]
    nothing = 1 + max(int(row.max(initial=0)) for row in targets)
    ends = [np.append(row.astype(np.int64), nothing) for row in targets]
    from_source = np.concatenate([np.repeat(s, len(t)) for s, t in zip(ids, ends, strict=True)])
    from_target = np.concatenate([np.tile(t, len(s)) for s, t in zip(ids, ends, strict=True)])
    # Where the words of a text that one source word may come from begin.
    sizes = np.repeat([len(t) for t in ends], [len(s) for s in ids])
    starts = np.cumsum(sizes) - sizes
    pairs, where = np.unique(from_source * (nothing + 1) + from_target, return_inverse=True)
    of_source, of_target = np.divmod(pairs, nothing + 1)
    share: NDArray[Any] = np.ones(len(pairs))
    counts = share
    for _ in range(ROUNDS):
        each = share[where]
        each /= np.repeat(np.add.reduceat(each, starts), sizes)
        counts = np.bincount(where, each, len(pairs))
        share = counts / np.bincount(of_target, counts)[of_target]
    explained = counts / np.bincount(of_source, counts)[of_source]
    lexicon: Lexicon = {}
    spelled = list(names)
    for at in np.lexsort((-explained, of_source)):
        chosen = lexicon.setdefault(spelled[of_source[at]], [])
        if len(chosen) < CHOICES and (explained[at] >= LEAST or not chosen):
            token = NOTHING if of_target[at] == nothing else int(of_target[at])
            chosen.append(Choice(token, float(np.log(max(share[at], 1e-12)))))
    return lexicon


def load(folder: Path) -> NoisyChannel:
    content = json.loads((folder / LEXICON).read_text("utf-8"))
    lexicon = {word: [Choice(*choice) for choice in each] for word, each in content.items()}
    return NoisyChannel(lexicon, models.load(folder / LANGUAGE))
