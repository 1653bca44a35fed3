"""Facts that others wrote: what is asked for comes, and what cannot be is refused by name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.contracts.errors import DamagedModel
from foretell.fields import Fields, read_fields

FACTS = {
    "n": 3,
    "x": 0.5,
    "yes": True,
    "word": "silu",
    "nothing": None,
    "inner": {"n": 4},
    "several": [7, 8],
    "huge": 10**5000,
}
FIELDS = Fields("config.json", FACTS)


def test_facts_come_as_asked() -> None:
    assert FIELDS.whole("n") == 3
    assert FIELDS.whole("nothing", 5) == FIELDS.whole("missing", 5) == 5
    assert FIELDS.real("x") == 0.5
    assert FIELDS.real("n") == 3.0
    assert FIELDS.flag("yes") is True
    assert FIELDS.word("word") == "silu"
    assert FIELDS.inside("inner").whole("n") == 4
    assert FIELDS.inside("nothing").facts == {}
    assert FIELDS.token("n", 4) == 3
    assert FIELDS.token("several", 9) == 7
    assert FIELDS.token("nothing", 9) is None


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda: FIELDS.whole("missing"), "missing is missing"),
        (lambda: FIELDS.whole("x"), "x is 0.5"),
        (lambda: FIELDS.whole("yes"), "yes is True"),
        (lambda: FIELDS.whole("n", least=4), "n is 3"),
        (lambda: FIELDS.whole("huge"), "huge is a number too long to spell"),
        (lambda: FIELDS.real("huge"), "huge is a number"),
        (lambda: FIELDS.real("word"), "word is 'silu'"),
        (lambda: Fields("f", {"x": float("nan")}).real("x"), "x is nan"),
        (lambda: Fields("f", {"x": -1.0}).real("x"), "x is -1.0"),
        (lambda: FIELDS.flag("n"), "n is 3"),
        (lambda: FIELDS.word("n"), "n is 3"),
        (lambda: FIELDS.token("n", 3), "n is 3"),
        (lambda: FIELDS.token("word", 3), "word is 'silu'"),
        (lambda: FIELDS.inside("n"), "n is 3"),
        (lambda: FIELDS.inside("inner").whole("m"), "config.json: inner: m is missing"),
    ],
)
def test_what_cannot_be_is_refused_by_name(ask: Callable[[], object], named: str) -> None:
    with pytest.raises(DamagedModel, match="get the file again") as caught:
        ask()
    assert named in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a": ' + b"1" * 6000 + b"}"]
)
def test_what_is_no_object_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DamagedModel, match=r"config\.json"):
        read_fields(tmp_path / "config.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedModel, match="missing"):
        read_fields(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"a": 1,\n b: 2}', "at line 2, column 2"),
        (b'{"a": "\xff"}', "at byte 7: no utf-8"),
        (b"[" * 200_000, "nest too deep"),
        (b'{"a": ' + b"1" * 6000 + b"}", "thousands of digits"),
    ],
)
def test_where_a_file_is_no_json_is_said(content: bytes, place: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DamagedModel, match=place):
        read_fields(tmp_path / "config.json")
