"""Score the lines of a file, piece by piece: a thread reads, numbers, looks up and adds up a piece.

Whole, the tokens of a large text would come from memory again for each of these; a piece stays in
the cache, and no thread waits until another has read everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foretell.models.ngram.lines import map_file, stream_of
from foretell.models.ngram.model import NGram
from foretell.threads import in_threads
from foretell.tokenizers.whitespace import Whitespace, cut_lines

PIECE = 1 << 20
"""Bytes."""


@dataclass(frozen=True)
class LineScores:
    """Of some lines: ends of lines are tokens too, and are foretold like words."""

    sentences: int
    tokens: int
    unknown: int
    logprob: float
    """The sum of ln P of all tokens."""
    detail: tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]] | None
    """Tokens, ln P and deciding orders (T,), if they were asked for."""


def score_lines(model: NGram, path: Path, *, detail: bool = False) -> list[LineScores]:
    """The scores of a file with a sentence a line, in pieces in their order.

    Raises TextError if there is no text.
    """
    tokenizer = model.tokenizer
    unknown = getattr(tokenizer, "unknown", None)

    def score(stream: NDArray[np.int32]) -> LineScores:
        scores = model.trie.score_stream(stream)
        # The first boundary is where the text begins; it is read, not foretold.
        tokens, logprobs, orders = stream[1:], scores.logprobs[1:], scores.orders[1:]
        return LineScores(
            sentences=int(np.count_nonzero(tokens == tokenizer.boundary)),
            tokens=len(tokens),
            unknown=int(np.count_nonzero(tokens == unknown)),
            logprob=float(logprobs.sum(dtype=np.float64)),
            detail=(tokens, logprobs, orders) if detail else None,
        )

    if not isinstance(tokenizer, Whitespace):
        return [score(stream_of(tokenizer, path))]
    data = map_file(path)
    _ = tokenizer.table  # made once, not once a thread
    return in_threads(
        lambda low, high: score(tokenizer.encode_lines(data[low:high])), cut_lines(data, PIECE)
    )
