import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.corpus.cleaning import clean


@pytest.mark.parametrize(
    ("dirty", "cleaned"),
    [
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\r\0\nb", "a\nb"),
        ("e\u0301", "é"),
        ("e\0\u0301", "é"),
        ("\ufefftab\tstays\x07\x1b\x7f\x85", "tab\tstays"),
        ("\ud83d lone", "\ufffd lone"),
        ("全角，ＡＢＣ！ﬁ\u2028", "全角，ＡＢＣ！ﬁ\u2028"),
    ],
)
def test_clean(dirty: str, cleaned: str) -> None:
    assert clean(dirty) == cleaned


@given(st.text(st.characters(codec=None), max_size=40))
def test_clean_twice_is_clean_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not any(c not in "\n\t" and unicodedata.category(c) in ("Cc", "Cs") for c in once)
    once.encode("utf-8")
