"""A model's score on texts, signed, with its interval; and one score against another.

a, b = measure(first, texts), measure(second, texts)
a.against(b).interval        bits per byte saved (or lost), paired by document
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.evidence import Evidence, Signature
from foretell.contracts.language_model import LanguageModel
from foretell.evaluation.intervals import Difference, paired_difference, ratio_interval
from foretell.evaluation.results import Interval
from foretell.evaluation.scoring import score_texts, sign


@dataclass(frozen=True)
class Score:
    """What texts cost a model, document by document, and the recipe of that number."""

    evidence: tuple[Evidence, ...]
    signature: Signature

    @property
    def total(self) -> Evidence:
        return Evidence.sum(self.evidence)

    @property
    def bits(self) -> NDArray[np.float64]:
        """Bits of each document, unknown tokens spelled, (N,)."""
        return np.array([each.spelled_nats for each in self.evidence]) / log(2)

    @property
    def bytes(self) -> NDArray[np.float64]:
        """UTF-8 bytes of each document, (N,)."""
        return np.array([each.bytes for each in self.evidence], np.float64)

    @property
    def bits_per_byte(self) -> Interval:
        """With its 95% interval over documents. Raises ForetellError for one document alone."""
        return ratio_interval(self.bits, self.bytes)

    def against(self, other: Score) -> Difference:
        """This score minus the other's, paired by document. Raises Incomparable.

        Good: measure(a, texts).against(measure(b, texts))
        Bad:  measure(a, texts).against(measure(b, other_texts))
        """
        self.signature.check_comparable(other.signature)
        return paired_difference(self.bits, other.bits, self.bytes)


def measure(model: LanguageModel, texts: Sequence[str], *, end_of_text: bool) -> Score:
    """Read each text from its beginning; see `scoring.read_texts`."""
    evidence = score_texts(model, texts, end_of_text=end_of_text)
    return Score(tuple(evidence), sign(model, texts, end_of_text=end_of_text))
