import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.tasks.examples.spans import Matches, Span, allowed, decode, f1, spans_of, tags_of

TAGS = ("O", "B-a", "I-a", "B-b", "I-b")


def test_tags_and_spans() -> None:
    assert spans_of(["O", "B-a", "I-a", "B-a", "O"]) == [Span(1, 3, "a"), Span(3, 4, "a")]
    # What goes on with nothing begins, as in the CoNLL evaluation.
    assert spans_of(["I-a", "I-b", "I-b"]) == [Span(0, 1, "a"), Span(1, 3, "b")]
    for bad in ([Span(2, 5, "a")], [Span(1, 1, "a")], [Span(0, 2, "a"), Span(1, 3, "b")]):
        with pytest.raises(ValueError, match=r"outside|overlaps"):
            tags_of(bad, 4)


@given(st.lists(st.sampled_from(TAGS), max_size=8))
def test_spans_of_tags_are_the_tags_again(tags: list[str]) -> None:
    spans = spans_of(tags)
    assert spans_of(tags_of(spans, len(tags))) == spans


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_what_is_decoded_is_the_likeliest_that_may_stand(seed: int, words: int) -> None:
    logprobs = np.random.default_rng(seed).normal(size=(words, len(TAGS)))
    may = allowed(TAGS)

    def stands(tags: tuple[int, ...]) -> bool:
        return bool(may[-1, tags[0]]) and all(
            may[one, other] for one, other in itertools.pairwise(tags)
        )

    best = max(
        filter(stands, itertools.product(range(len(TAGS)), repeat=words)),
        key=lambda tags: sum(logprobs[place, tag] for place, tag in enumerate(tags)),
    )
    assert tuple(decode(logprobs, may)) == best


def test_a_span_is_right_if_edges_and_name_are() -> None:
    gold = [Span(0, 2, "a"), Span(3, 4, "b")]
    matches = Matches.of(gold, [Span(0, 2, "a"), Span(3, 5, "b"), Span(5, 6, "a")])
    assert matches == (1, 3, 2)
    assert f1([matches, Matches(1, 1, 1)]) == pytest.approx(2 * 2 / (4 + 3))
    assert f1([]) == 0
