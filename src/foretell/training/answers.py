"""Learning from questions with answers, of which only the answers are charged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import TextError
from foretell.contracts.evidence import Evidence
from foretell.corpus.batches import Batch, lanes, pack
from foretell.corpus.pairs import Pair
from foretell.evaluation.answers import Frame, score_answers
from foretell.training.gradient import GradientLearner


class AnswerLearner(GradientLearner):
    """A GradientLearner fed with documents of `corpus.pairs`.

    Pairs that are longer than a row are left out, since an answer without its question would teach
    another thing; `left_out` counts them.
    """

    def __init__(self, *given: Any, frame: Frame, **named: Any) -> None:
        super().__init__(*given, **named)
        self.frame = frame
        self.left_out = 0
        self._charged: list[NDArray[np.int32]] = []

    @property
    def recipe(self) -> str:
        return f"{super().recipe} {self.frame}"

    def feed(self, texts: Sequence[str]) -> None:
        first = np.array([self.network.first_token(self.tokenizer)], np.int32)
        documents, charged = [], []
        self.left_out = 0
        for text in texts:
            read, answer = self.frame.encode(self.tokenizer, Pair.of(text))
            document = np.concatenate([first, read, answer.tokens])
            if len(document) > self.settings.width + 1:
                self.left_out += 1
                continue
            documents.append(document)
            marks = np.zeros(len(document), np.int32)
            marks[-len(answer.tokens) :] = 1
            charged.append(marks)
        if not documents:
            raise TextError(
                f"all {len(texts)} pairs are longer than {self.settings.width} tokens; give "
                "shorter ones"
            )
        self._documents, self._charged = documents, charged

    def batches(self, pass_number: int) -> Iterable[Batch]:
        arrange = lanes if self.network.context is None else pack
        rows, width = self.settings.rows, self.settings.width
        key = (self.settings.seed, pass_number)
        # What is charged has the lengths of what is read, so it comes to lie in the same places.
        read = arrange(list(self._documents), rows=rows, width=width, key=key)
        charged = arrange(self._charged, rows=rows, width=width, key=key)
        for batch, marks in zip(read, charged, strict=True):
            yield replace(batch, scored=batch.scored & (marks.targets > 0))

    def judge(self, texts: Sequence[str]) -> Sequence[Evidence]:
        """What the answers of held-out pairs cost."""
        return score_answers(self.model(), texts, self.frame)
