"""Answers are charged in the light of their questions, and questions are not."""

import numpy as np

from foretell.corpus.pairs import MARK, Pair
from foretell.evaluation.answers import Frame, measure_answers, read_answers
from foretell.evaluation.comparing import measure
from foretell.models.ngram import NGram, estimate
from foretell.tokenizers import Bytes

TOKENIZER = Bytes()
TEXTS = ["what sea? the north sea", "what moon? 明月", "what sea? the dead sea"] * 3


def model() -> NGram:
    tokens = [encoding.tokens for encoding in TOKENIZER.encode_many(TEXTS)]
    return NGram(estimate(tokens, vocabulary_size=257, boundary=256, order=4), TOKENIZER)


def test_an_answer_costs_what_it_costs_after_its_question() -> None:
    ngram, frame = model(), Frame(before="Q: ", behind=" A: ")
    (reading,) = read_answers(ngram, [f"what moon?{MARK}明月"], frame)
    whole = ngram.score(TOKENIZER.encode("Q: what moon? A: 明月").tokens[None])[0]
    np.testing.assert_allclose(reading.logprobs[:-1], whole[-6:], atol=1e-6)
    assert reading.evidence.bytes == 6
    assert reading.evidence.characters == 2
    # The end of an answer is charged: a model that never stops answers badly.
    assert len(reading.logprobs) == 7


def test_a_score_of_answers_is_not_held_against_one_of_texts() -> None:
    ngram = model()
    texts = [f"what sea?{MARK}the sea", f"what moon?{MARK}明"]
    answers = measure_answers(ngram, texts, Frame())
    assert answers.signature.metric != measure(ngram, texts, end_of_text=True).signature.metric
    assert Pair.of(texts[0]) == ("what sea?", "the sea")
