"""Our models behind `nltk.lm.api.LanguageModel`; see nltk.py, which is the door.

    context                     what the model reads                  then P(word)
    ["<s>", "<s>"]              begin()
    ["<s>", "the", "cat"]       begin(), the, cat
    ["the", "cat"]              begin(mid_text=True), the, cat
    ["cat", "</s>"]             the padding that NLTK adds after an end: `</s>` for certain
    []                          nothing, of a model that foretells from nothing, as n-grams do;
                                of others, begin()

One `<s>` says that a text begins, as well as several; NLTK's own models of order 3 and above tell
them apart, so they are asked with all of them, as `ngrams(pad_both_ends(text, n=3), 3)` gives.

Of a model whose tokens are parts of words, a word's score is the product over the tokens of its
spelling: the chance that the text goes on with these letters. The scores of all words then do not
add up to one, since that of "cat" holds "cats" too.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError, MissingExtra
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.tokenizer import Tokenizer
from foretell.models.ngram import NGram, estimate
from foretell.models.sliding import unlimited
from foretell.tokenizers.spelling import Lexicon
from foretell.tokenizers.whitespace import Whitespace

try:
    from nltk.lm import Vocabulary
    from nltk.lm.api import LanguageModel as NLTKLanguageModel
except ModuleNotFoundError:
    raise MissingExtra('NLTK is not installed: pip install "foretell[nltk]"') from None

START, END = "<s>", "</s>"
"""NLTK's padding."""
KEPT = 1 << 24
"""Probabilities of words after earlier contexts that are kept, so that none is worked out twice."""


# Both: a refusal of ours, and what NLTK's own callers catch.
class NoCounts(ForetellError, NotImplementedError):
    """NLTK asked for counts, and the model is not made of them."""


@runtime_checkable
class Unconditional(Protocol):
    """A model that foretells from a state that has read nothing."""

    def distributions(self, state: Any) -> NDArray[np.float32]:
        """ln P of every token after each row of a state, (B, V)."""
        ...


@runtime_checkable
class Ordered(Protocol):
    """A model that looks back on so many words less one."""

    @property
    def order(self) -> int: ...


@runtime_checkable
class Counting(Protocol):
    """A model that can show NLTK's counts."""

    @property
    def counts(self) -> Any: ...


def contexts_kept(model: LanguageModel) -> int:
    """How many distributions of a model are kept."""
    return max(16, KEPT // model.tokenizer.vocabulary_size)


def as_nltk(model: LanguageModel, *, order: int | None = None, joiner: str = " ") -> Foretold:
    """A model of ours that can be used wherever NLTK takes a language model of its own.

    order: what NLTK is told, for its padding; an n-gram model has its own, others need one, and
    look back on all the context that they are given in any case. joiner: what stands between two
    words of a text, for models whose tokens are parts of words; "" for Chinese.

    Good: as_nltk(model, order=3).score("cat", ["the"])
    Bad:  as_nltk(lstm)                    it has no order of its own: ForetellError
    """
    if order is None:
        if not isinstance(model, Ordered):
            raise ForetellError(
                f"a model of family {model.family} has no order; say how many words your n-grams "
                "have: as_nltk(model, order=3)"
            )
        order = model.order
    return Foretold(model, order=order, joiner=joiner)


# NLTK has no types, so that its classes are of any type to a checker.
class Foretold(NLTKLanguageModel):  # type: ignore[misc, unused-ignore]
    """See the module and `as_nltk`. Never fitted again; `model` is what it was made of."""

    counted = False
    """Whether NLTK's own counts are there."""

    def __init__(self, model: LanguageModel, *, order: int, joiner: str = " ") -> None:
        words = _number_words(model.tokenizer)
        vocabulary = Vocabulary([*words, START, END]) if words else Spellable(model, joiner)
        super().__init__(order, vocabulary)
        self.joiner = joiner
        self._hold(model)

    def _hold(self, model: LanguageModel) -> None:
        self.model, self._reader = model, unlimited(model)
        self._after = lru_cache(contexts_kept(model))(self._read)
        self._tokens = _number_words(model.tokenizer)
        if self._tokens:
            self._tokens[END] = model.tokenizer.boundary
            if model.tokenizer.unknown is not None:
                self._tokens[self.vocab.unk_label] = model.tokenizer.unknown

    @property
    def counts(self) -> Any:
        """NLTK's own, of what was fitted here or made from a model of NLTK; else NoCounts."""
        if not self.counted and isinstance(self.model, Counting):
            return self.model.counts
        if not self.counted:
            raise NoCounts(
                f"a model of family {self.model.family} keeps no counts; ask score, or fit a "
                "ModifiedKneserNey of foretell.interop.nltk, which does"
            )
        return self._counts

    @counts.setter
    def counts(self, counts: Any) -> None:
        self._counts = counts

    def fit(self, text: Any, vocabulary_text: Any = None) -> None:
        """Refuses: the model has learned already."""
        raise ForetellError(
            "this model has learned already; train another by foretell.fit, or fit a "
            "ModifiedKneserNey of foretell.interop.nltk"
        )

    def unmasked_score(self, word: str, context: Sequence[str] | None = None) -> float:
        """P(word | context), the padding `<s>` never coming; see the module."""
        if word == START:
            return 0.0
        context = tuple(context or ())
        if context[-1:] == (END,):
            return float(word == END)
        logprobs, state = self._after(context)
        if word == END:
            return float(np.exp(logprobs[self.model.tokenizer.boundary], dtype=np.float64))
        if self._tokens:
            return float(np.exp(logprobs[self._tokens[word]], dtype=np.float64))
        tokens = self._spell(word, bool(_since_edge(context)[1]))
        if not len(tokens):
            raise ForetellError("an empty word has no probability; leave it out")
        total = float(logprobs[tokens[0]])
        if len(tokens) > 1:
            rest = self._reader.advance(state, tokens[None, :-1], keep=len(tokens) - 1).logprobs[0]
            total += float(rest[np.arange(len(rest)), tokens[1:]].sum(dtype=np.float64))
        return float(np.exp(total))

    def generate(
        self,
        num_words: int = 1,
        text_seed: Iterable[str] | None = None,
        random_seed: int | random.Random | None = None,
    ) -> str | list[str]:
        """Words drawn as NLTK draws them: one number of `random` a word, words in their order.

        A context after which all is 0 is shortened from its left, as there; after `</s>` the next
        text begins. Raises ForetellError for a model whose tokens are parts of words.
        """
        if not self._tokens:
            raise ForetellError(
                "the tokens of this model are parts of words; let foretell.generate(model, prompt) "
                "go on with a text, or take a model of words between white space"
            )
        drawn = (
            random_seed if isinstance(random_seed, random.Random) else random.Random(random_seed)
        )
        words = sorted(self._tokens)
        tokens = np.array([self._tokens[word] for word in words])
        context = tuple(self.vocab.lookup(list(text_seed or ())))
        out: list[str] = []
        logprobs, state = self._after(context)
        for _ in range(num_words):
            cumulated = np.cumsum(np.exp(logprobs[tokens], dtype=np.float64))
            while not cumulated[-1] and context:
                context = context[1:]
                logprobs, state = self._after(context)
                cumulated = np.cumsum(np.exp(logprobs[tokens], dtype=np.float64))
            place = np.searchsorted(cumulated, cumulated[-1] * drawn.random(), side="right")
            out.append(words[place])
            context = (*context, words[place])
            if len(out) < num_words:
                step = self._reader.advance(state, tokens[place].reshape(1, 1).astype(np.int32))
                logprobs, state = step.logprobs[0, -1], step.state
        return out[0] if num_words == 1 else out

    def _read(self, context: tuple[str, ...]) -> tuple[NDArray[np.float32], Any]:
        """ln P of what follows a context (V,), and the state that has read it."""
        begun, words = _since_edge(context)
        if not begun and not words:
            if isinstance(self._reader, Unconditional):
                state = self._reader.begin(mid_text=True).state
                return self._reader.distributions(state)[0], state
            begun = True
        step = self._reader.begin(mid_text=not begun)
        if self._tokens:
            tokens = np.array([self._tokens[word] for word in words], np.int32)
        else:
            tokens = self.model.tokenizer.encode(self.joiner.join(words)).tokens
        if len(tokens):
            step = self._reader.advance(step.state, tokens[None])
        return step.logprobs[0, -1], step.state

    def _spell(self, word: str, joined: bool) -> NDArray[np.int32]:
        """Tokens (T,) of a word, after another one or not."""
        return self.model.tokenizer.encode(self.joiner * joined + word).tokens


class ModifiedKneserNey(Foretold):
    """Our n-gram model, fitted as NLTK's own classes are.

        train, vocab = padded_everygram_pipeline(3, sentences)
        lm = ModifiedKneserNey(3)
        lm.fit(train, vocab)

    Modified Kneser-Ney with closed-form discounts and all that was not seen given its share, so
    that distributions add up to one; `model` is ours, to save, score and compare.
    """

    counted = True

    def __init__(self, order: int, vocabulary: Any = None) -> None:
        NLTKLanguageModel.__init__(self, order, vocabulary)
        self.joiner = " "
        self._texts: list[NDArray[np.int32]] = []

    def __getattr__(self, name: str) -> Any:
        if name in ("model", "_after", "_reader", "_tokens"):
            raise ForetellError("this model is not fitted; call its fit(text, vocabulary_text)")
        raise AttributeError(name)

    def fit(self, text: Any, vocabulary_text: Any = None) -> None:
        """text: sentences as everygrams, padded on both sides. Once more adds to what was learned,
        in the vocabulary of the first time."""
        sentences = [list(sentence) for sentence in text]
        NLTKLanguageModel.fit(self, sentences, vocabulary_text)
        spelled = list_words(self.vocab)
        words = Whitespace.of(word.encode("utf-8", "surrogateescape") for word in spelled)
        numbers = {word: token for token, word in enumerate(spelled, start=2)}
        for sentence in sentences:
            single = [gram[0] for gram in sentence if len(gram) == 1]
            if not single and sentence:
                raise ForetellError(
                    "a sentence holds n-grams but no single words; give everygrams, such as "
                    "padded_everygram_pipeline gives"
                )
            plain = [word for word in single if word not in (START, END)]
            self._texts.append(np.array([numbers.get(w, words.unknown) for w in plain], np.int32))
        trie = estimate(
            self._texts,
            vocabulary_size=words.vocabulary_size,
            boundary=words.boundary,
            order=self.order,
        )
        self._hold(NGram(trie, words))


class Spellable(Vocabulary):  # type: ignore[misc, unused-ignore]
    """The words that a model can spell, of which there is no list: it knows a word when asked."""

    def __init__(self, model: LanguageModel, joiner: str) -> None:
        self._tokenizer, self._joiner = model.tokenizer, joiner
        super().__init__()

    def __getitem__(self, word: str) -> int:
        if word in (START, END, self.unk_label):
            return int(self.cutoff)
        unknown = self._tokenizer.unknown
        if unknown is None:
            return int(self.cutoff)
        found = self._tokenizer.encode(self._joiner + word).tokens
        return 0 if unknown in found else int(self.cutoff)


def _number_words(tokenizer: Tokenizer) -> dict[str, int]:
    """The token of each word; empty of a tokenizer whose tokens are parts of words."""
    if not isinstance(tokenizer, Lexicon):
        return {}
    spelled = enumerate(tokenizer.words())
    edges = (tokenizer.boundary, tokenizer.unknown)
    return {
        w.decode("utf-8", "surrogateescape"): token for token, w in spelled if token not in edges
    }


def list_words(vocabulary: Any) -> list[str]:
    """The words of a vocabulary of NLTK, its padding and its label for unknown ones aside.

    Raises ForetellError for one that holds white space, or nothing.
    """
    found = [w for w in vocabulary if w not in (START, END, vocabulary.unk_label)]
    for word in found:
        if not isinstance(word, str) or not word or set(word) & set(" \t\n\r\0"):
            raise ForetellError(
                f"the vocabulary holds {word!r}, and our words stand between white space; replace "
                "it by a sign of its own, such as ▁, before you fit"
            )
    return found


def _since_edge(context: tuple[str, ...]) -> tuple[bool, tuple[str, ...]]:
    """Whether a text begins within a context, and its words since then."""
    edges = [place for place, word in enumerate(context) if word in (START, END)]
    return bool(edges), context[edges[-1] + 1 :] if edges else context
