"""How much of a test set the training data already holds, by two rules, before any training.

    13-gram rule       a document is contaminated if 13 of its words in a row stand in train
    longest matches    the share of its tokens that lie in matches of at least 11 tokens

Both look for the same tokens in the same order. Case, punctuation and spacing between the words
count, which they do not in the sources: what is found is there, but a copy in capitals is not
found. Does not see paraphrase or translation.

Sources: Brown et al. 2020 (GPT-3), appendix C; Touvron et al. 2023 (Llama 2), appendix A.6,
without its gaps of up to four tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell.audit.indexed import IndexedText, Matched, Source
from foretell.audit.trace import count_covered
from foretell.contracts.corpus import Document
from foretell.corpus.leaks import UNIT

WORDS, FEWEST_WORDS = 13, 8
"""Words in a gram; a shorter document is one gram, if it has at least the second number."""
LEAST_TOKENS = 11
CLEAN, DIRTY = 0.2, 0.8
"""Shares of tokens in matches below and from which Llama 2 calls a document so."""


@dataclass(frozen=True)
class Finding:
    """What one test document shares with the training data."""

    document: str
    words: int
    gram_words: int
    """Words in a gram, 13 but in a shorter document; 0 if it is too short to be judged."""
    grams: int
    shared_grams: int
    tokens: int
    covered: int
    """Tokens in matches of at least `least_tokens`."""
    longest: int
    """Tokens in the longest match."""
    source: Source | None
    """Where the longest match stands, if it has at least `least_tokens`."""

    @property
    def contaminated(self) -> bool:
        """By the 13-gram rule."""
        return self.shared_grams > 0

    @property
    def share(self) -> float:
        """Of tokens in long matches."""
        return self.covered / max(1, self.tokens)


@dataclass(frozen=True)
class Contamination:
    findings: tuple[Finding, ...]
    """In the order of the test set."""
    least_tokens: int

    @property
    def contaminated(self) -> int:
        """Documents that share a gram."""
        return sum(finding.contaminated for finding in self.findings)

    @property
    def judged(self) -> int:
        """Documents that are long enough for the 13-gram rule."""
        return sum(finding.grams > 0 for finding in self.findings)

    @property
    def shortened(self) -> int:
        """Documents that were judged as one gram of fewer than 13 words."""
        return sum(0 < finding.gram_words < WORDS for finding in self.findings)

    @property
    def share(self) -> float:
        """Of all tokens, those in long matches."""
        tokens = sum(finding.tokens for finding in self.findings)
        return sum(finding.covered for finding in self.findings) / max(1, tokens)

    @property
    def clean(self) -> int:
        return sum(finding.share < CLEAN for finding in self.findings)

    @property
    def dirty(self) -> int:
        return sum(finding.share >= DIRTY for finding in self.findings)


def find_contamination(
    indexed: IndexedText, documents: Sequence[Document], *, least_tokens: int = LEAST_TOKENS
) -> Contamination:
    """Judge each document of a test set against the training data that is indexed."""
    findings = tuple(_judge(indexed, document, least_tokens) for document in documents)
    return Contamination(findings, least_tokens)


def _judge(indexed: IndexedText, document: Document, least_tokens: int) -> Finding:
    matched = indexed.match(document.text)
    spans = find_words(document.text)
    gram_words = min(WORDS, len(spans)) if len(spans) >= FEWEST_WORDS else 0
    shared = share_grams(matched, spans, gram_words) if gram_words else np.zeros(0, np.bool_)
    longest, source = 0, None
    if len(matched.lengths):
        begin = int(matched.lengths.argmax())
        longest = int(matched.lengths[begin])
        if longest >= least_tokens:
            (source,) = indexed.find(matched.tokens[begin : begin + longest], most=1)[1]
    return Finding(
        document=document.name,
        words=len(spans),
        gram_words=gram_words,
        grams=len(shared),
        shared_grams=int(shared.sum()),
        tokens=len(matched.tokens),
        covered=count_covered(matched.lengths, least_tokens),
        longest=longest,
        source=source,
    )


def find_words(text: str) -> NDArray[np.int64]:
    """Where each word of a text begins and ends in its UTF-8 bytes, (W, 2); in scripts without
    spaces, as Chinese, each character is one."""
    spans = [match.span() for match in UNIT.finditer(text)]
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    sizes = 1 + (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
    return np.concatenate(([0], np.cumsum(sizes)))[np.array(spans, np.int64).reshape(-1, 2)]


def share_grams(matched: Matched, spans: NDArray[np.int64], words: int) -> NDArray[np.bool_]:
    """Which of a text's grams of so many words stand in the training data, (W - words + 1,).

    spans (W, 2) as `find_words` gives them. A gram stands there if the tokens do that hold it,
    from the one with its first letter to the one with its last.
    """
    size = len(spans) - words + 1
    first = np.searchsorted(matched.ends, spans[:size, 0], side="right")
    last = np.searchsorted(matched.ends, spans[words - 1 :, 1] - 1, side="right")
    shared: NDArray[np.bool_] = matched.lengths[first] >= last - first + 1
    return shared
