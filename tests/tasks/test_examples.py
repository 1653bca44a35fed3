from pathlib import Path

import pytest

from foretell.contracts.errors import TextError
from foretell.tasks.examples.rows import Example, keep_back, labels_of, read_labelled
from foretell.tasks.options import LabelOptions
from tests.tasks.moods import draw


def test_tables_and_records_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mood,review\n1,lovely film\n0,dull\n", "utf-8")
    (tmp_path / "a.jsonl").write_text(
        '{"mood": 1, "review": "lovely film"}\n{"mood": 0, "review": "dull"}\n', "utf-8"
    )
    for name, rows in (("a.csv", (2, 3)), ("a.jsonl", (1, 2))):
        found = read_labelled(tmp_path / name, LabelOptions(text="review", label="mood"))
        assert found == [
            Example("lovely film", "1", f"{name}:{rows[0]}"),
            Example("dull", "0", f"{name}:{rows[1]}"),
        ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\nfine,\n", r"a\.csv:2 has nothing in label"),
        ("text,label\n ,good\n", r"a\.csv:2 has nothing in text"),
        ("words,label\nfine,good\n", r"no field 'text'.*words, label.*--text"),
        ("text,mood\nfine,good\n", r"no field 'label'.*text, mood.*--label"),
        ("text,label\nfine,good\nfine\n", r"a\.csv:3 has 1 columns"),
    ],
)
def test_bad_rows_are_named(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content, "utf-8")
    with pytest.raises(TextError, match=said):
        read_labelled(tmp_path / "a.csv", LabelOptions())


def test_mixed_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("text,label\n好,a\n".encode() + "坏,b\n".encode("gb18030"))
    with pytest.raises(TextError, match=r"a\.csv"):
        read_labelled(tmp_path / "a.csv", LabelOptions())


def test_labels_that_cannot_be_learned_are_refused() -> None:
    with pytest.raises(TextError, match=r"too few"):
        labels_of(draw(5, 1))
    with pytest.raises(TextError, match=r"drawn:x: the label 'odd' stands only here"):
        labels_of([*draw(40, 1), Example("a", "odd", "drawn:x")])
    many = [Example("a", str(number), f"f:{number}") for number in range(100_000)]
    with pytest.raises(TextError, match=r"100,000 different labels .*f:99999.*--label"):
        labels_of(many)


def test_a_tenth_is_kept_back_and_copies_stand_on_one_side() -> None:
    examples = draw(2_000, 1)
    learn, dev = keep_back([*examples, *examples], 0, lambda each: each.text)
    assert len(dev) == pytest.approx(400, rel=0.25)
    assert not {each.text for each in learn} & {each.text for each in dev}
