import itertools

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError
from foretell.decoding.generate import DecodingSettings, generate
from foretell.decoding.search import BeamSettings, search
from foretell.testing.toys import ToyModel, ToyTokenizer

TOKENIZER = ToyTokenizer("abc")
PROMPTS = [TOKENIZER.encode(text).tokens for text in ("", "a", "ab", "cab")]
NEVER = () if TOKENIZER.unknown is None else (TOKENIZER.unknown,)


def every_text(model, prompt, longest):
    """All finished texts, with ln P: the slow twin."""
    tokens = [t for t in range(TOKENIZER.vocabulary_size) if t not in (*NEVER, TOKENIZER.boundary)]
    for length in range(longest):
        for text in itertools.product(tokens, repeat=length):
            row = np.array([[*prompt, *text, TOKENIZER.boundary]], np.int32)
            yield text, float(model.score(row)[0, len(prompt) :].sum())


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_a_search_that_is_wide_enough_finds_the_best_of_all(penalty) -> None:
    model = ToyModel(TOKENIZER, seed=3)
    settings = BeamSettings(beams=200, max_tokens=4, length_penalty=penalty)
    for prompt, found in zip(PROMPTS, search(model, PROMPTS, settings=settings), strict=True):
        best = sorted(
            every_text(model, prompt, 4),
            key=lambda each: settings.score(each[1], len(each[0]) + 1),
            reverse=True,
        )
        assert [each.tokens for each in found[:5]] == [text for text, _ in best[:5]]
        for hypothesis, (_, logprob) in zip(found[:5], best, strict=False):
            assert hypothesis.logprob == pytest.approx(logprob, abs=1e-4)
            assert hypothesis.finished


def test_one_beam_is_greedy() -> None:
    model = ToyModel(TOKENIZER, seed=4)
    found = search(model, PROMPTS, settings=BeamSettings(beams=1, max_tokens=12))
    texts = [TOKENIZER.decode(prompt) for prompt in PROMPTS]
    greedy = generate(model, texts, settings=DecodingSettings(max_tokens=12, temperature=0))
    for hypotheses, generation in zip(found, greedy, strict=True):
        tokens = [token for token in generation.tokens if token != TOKENIZER.boundary]
        # A beam looks at two tokens, so it may go on where greedy ends.
        assert list(hypotheses[0].tokens[: len(tokens)]) == tokens or hypotheses[0].score >= sum(
            generation.logprobs
        )


def test_prompts_end_apart_and_alone_they_give_the_same() -> None:
    model = ToyModel(TOKENIZER, seed=5)
    settings = BeamSettings(beams=3, max_tokens=10)
    together = search(model, PROMPTS, settings=settings)
    for prompt, found in zip(PROMPTS, together, strict=True):
        (alone,) = search(model, [prompt], settings=settings)
        assert [each.tokens for each in alone] == [each.tokens for each in found]
        assert [each.score for each in found] == sorted((e.score for e in found), reverse=True)
        assert len({each.tokens for each in found}) == len(found) == 3
    assert search(model, [], settings=settings) == []


def test_what_is_forbidden_does_not_come() -> None:
    model = ToyModel(TOKENIZER, seed=6)
    (found,) = search(
        model, PROMPTS[:1], settings=BeamSettings(max_tokens=6), forbidden=[TOKENIZER.boundary]
    )
    assert all(len(each.tokens) == 6 and not each.finished for each in found)


@pytest.mark.parametrize("wrong", [{"beams": 0}, {"max_tokens": 0}, {"length_penalty": -1.0}])
def test_settings_that_make_no_sense_are_refused(wrong) -> None:
    with pytest.raises(ForetellError, match="must be"):
        BeamSettings(**wrong)
