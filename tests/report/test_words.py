import string

import pytest

from foretell.report import words as said
from foretell.report.words import WORDS, words


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_languages_have_the_same_words():
    assert set(WORDS["en"]) == set(WORDS["zh"])
    for key in WORDS["en"]:
        assert fields_of(WORDS["en"][key]) >= fields_of(WORDS["zh"][key]), key
        assert fields_of(WORDS["en"][key]) <= fields_of(WORDS["zh"][key]), key


def test_unknown_language_is_refused():
    with pytest.raises(ValueError, match="fr"):
        words("fr")


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (said.write_bits, 1.9116, "1.912"),
        (said.write_signed, -0.187, "−0.187"),
        (said.write_signed, 2.2109, "+2.211"),
        (said.write_signed, -0.0001, "0.000"),
        (said.write_p, None, ""),
        (said.write_p, 0.0004, "<0.001"),
        (said.write_p, 0.0131, "0.013"),
        (said.write_size, 12, "12 B"),
        (said.write_size, 999, "999 B"),
        (said.write_size, 246_120, "246 kB"),
        (said.write_size, 999_700, "1.0 MB"),
        (said.write_size, 9_800_000, "9.8 MB"),
        (said.write_size, 52_000_000, "52 MB"),
        (said.write_clock, 0.4, "0:00"),
        (said.write_clock, 252, "4:12"),
        (said.write_clock, 59.7, "1:00"),
        (said.write_clock, 3725, "1:02:05"),
        (said.write_significant, 1.94, "1.9"),
        (said.write_significant, 0.0312, "0.031"),
        (said.write_significant, 142.0, "142"),
        (said.write_significant, 0.0, "0"),
        (said.write_percent, 0.004, "0.4%"),
        (said.write_percent, 0.03, "3%"),
        (said.write_percent, 0.88, "88%"),
        (said.write_percent, 0.0, "0%"),
        (said.one_line, " a\nb\tc\x1b[31m ", "a↵b c�[31m"),
    ],
)
def test_numbers_as_written(write, value, text):
    assert write(value) == text


def test_points_stand_above_one_another():
    assert said.align_points(["1.9", "0.031", "12"]) == ["1.9  ", "0.031", "12    "]


def test_order_is_said_in_both_languages():
    assert said.decided_said("order 3", "en") == "order 3"
    assert said.decided_said("order 3", "zh") == "3 阶"
    assert said.decided_said("head 2", "zh") == "head 2"
