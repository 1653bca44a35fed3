import re
import unicodedata

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from foretell.corpus.pairs import MARK
from foretell.tasks.counts.ngram_features import BEGIN, CHARACTERS, END, WORDS, ngrams

ODD = st.text(st.sampled_from("aB é1_.。 \n\t中文かأ😀\u0301"), max_size=12)


def words_of(text: str) -> list[str]:
    """One at a time, as the module says."""
    found: list[str] = []
    open_word = False
    for letter in text:
        ideograph = bool(re.match(r"[\u2e80-\ua4cf]", letter))
        joins = unicodedata.category(letter)[0] in "LNM" and not ideograph
        if letter.isspace():
            open_word = False
            continue
        if joins and open_word:
            found[-1] += letter
        else:
            found.append(letter)
        open_word = joins
    return found


def slow(text: str) -> list[tuple[str, ...]]:
    line = f"{BEGIN} {' '.join(text.lower().split())} {END}"
    words = words_of(line)
    parts = [
        ("word", *words[at : at + n])
        for n in range(1, WORDS + 1)
        for at in range(len(words) - n + 1)
    ]
    return parts + [
        ("letters", line[at : at + n])
        for n in range(2, CHARACTERS + 1)
        for at in range(len(line) - n + 1)
    ]


@given(st.lists(ODD, min_size=1, max_size=6))
def test_hashes_are_those_of_the_ngrams(texts: list[str]) -> None:
    """Found in all texts at once as one at a time: as often, and alike where they are alike."""
    rows, hashes = ngrams(texts)
    names: dict[int, tuple[str, ...]] = {}
    for row, text in enumerate(texts):
        alone_rows, alone = ngrams([text])
        assert not alone_rows.any()
        assert sorted(hashes[rows == row].tolist()) == sorted(alone.tolist())
        assert len(alone) == len(slow(text))
        assert len(set(alone.tolist())) == len(set(slow(text)))
        for name, value in zip(sorted_names(text), sorted_hashes(text), strict=True):
            assert names.setdefault(value, name) == name


def sorted_names(text: str) -> list[tuple[str, ...]]:
    """In the order in which the module gives them: words first, by length."""
    return slow(text)


def sorted_hashes(text: str) -> list[int]:
    return [int(value) for value in ngrams([text])[1]]


def test_letters_are_small_and_blanks_are_folded() -> None:
    a, b = ngrams(["What  a\tFILM !"]), ngrams(["what a film !"])
    assert np.array_equal(a[1], b[1])


def test_of_two_texts_what_both_have_is_told_from_what_one_has() -> None:
    pairs = [f"a b{MARK}b c", f"b c{MARK}a b", f"a b{MARK}a b"]
    numbers, hashes = ngrams(pairs)
    one, other, same = (set(hashes[numbers == row].tolist()) for row in range(3))
    # The same words in both, and those of the first text are not those of the second.
    assert one & other
    assert one - other
    assert len(same & one) >= len(one & other)
    numbers_again, hashes_again = ngrams(pairs[1:2])
    assert set(hashes_again.tolist()) == other
    assert not numbers_again.any()


def test_words_of_one_text_stand_with_those_of_the_other() -> None:
    pairs = [f"x y b{MARK}c b", f"x u v{MARK}c d", f"c{MARK}x", f"x b{MARK}b d"]
    numbers, hashes = ngrams(pairs)
    _, crossed = ngrams([f"x{MARK}c"])
    alone = set(ngrams([f"x{MARK}"])[1]) | set(ngrams([f"{MARK}c"])[1])
    both = set(crossed) - alone
    have = [both & set(hashes[numbers == row]) for row in range(len(pairs))]
    assert have[0] & have[1]
    # The other way round, or with a word that both have, is something else.
    assert not (have[0] & have[1]) & (have[2] | have[3])


def test_how_much_of_one_text_stands_in_the_other_is_told() -> None:
    numbers, hashes = ngrams([f"x y{MARK}x y", f"p q{MARK}p q", f"x y{MARK}u v", f"k l{MARK}m n"])
    alike, also, different, also_different = (
        set(hashes[numbers == row].tolist()) for row in range(4)
    )
    # Pairs without an n-gram in common but edges share what says how much they have in common.
    assert len(alike & also) > len(different & also_different)
