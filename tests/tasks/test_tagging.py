import json
from pathlib import Path

import pytest

from foretell.contracts.errors import DamagedModel, ForetellError, TextError
from foretell.storage import seal
from foretell.tasks import labelling, roles, tagging
from foretell.tasks.examples.spans import Span
from foretell.tasks.examples.tagged import names_of, read_tagged
from foretell.tasks.options import LabelOptions, TeachOptions
from tests.tasks.requests import draw, write


def read(tmp_path: Path, name: str, content: str) -> list[object]:
    (tmp_path / name).write_text(content, "utf-8")
    return list(read_tagged(tmp_path / name))


def test_the_shapes_that_people_have_are_read_alike(tmp_path: Path) -> None:
    words = {"words": ["to", "New", "York", "!"], "tags": ["O", "B-city", "I-city", "O"]}
    text = {"text": "to New  York!", "spans": [[3, 12, "city"]], "label": "go"}
    columns = "# label = go\nto\tX\tO\nNew\tX\tB-city\nYork\tX\tI-city\n!\tX\tO\n\n"
    expected = (Span(1, 3, "city"),)
    for name, content in (
        ("a.jsonl", json.dumps({**words, "label": "go"}) + "\n\n"),
        ("a.json", json.dumps(text)),
        ("a.conll", columns + columns.replace("\t", " ")),
    ):
        for found in read_tagged(write_text(tmp_path / name, content)):
            assert (found.spans, found.label) == (expected, "go")
            assert [word.strip() for word in found.words] == ["to", "New", "York", "!"]
    assert found.place == "a.conll:8"


def write_text(path: Path, content: str) -> Path:
    path.write_text(content, "utf-8")
    return path


def test_chinese_stands_without_blanks(tmp_path: Path) -> None:
    row = {"text": "从北京到上海", "spans": [[1, 3, "start"], [4, 6, "end"]]}
    found = read_tagged(write_text(tmp_path / "a.jsonl", json.dumps(row)))[0]
    assert found.words == tuple("从北京到上海")
    assert found.spans == (Span(1, 3, "start"), Span(4, 6, "end"))
    listed = {"words": ["从", "北", "京", "to", "x"], "tags": ["O", "B-a", "I-a", "O", "O"]}
    assert "".join(read_tagged(write_text(tmp_path / "b.jsonl", json.dumps(listed)))[0].words) == (
        "从北京 to x"
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"words": ["a"], "tags": []}', r"a\.jsonl:1 has 1 words and 0 tags"),
        ("a.jsonl", '\n{"words": ["a"], "tags": ["city"]}', r"a\.jsonl:2: the tag 'city'"),
        ("a.jsonl", '{"text": "abc", "spans": [[2, 9, "x"]]}', r"a\.jsonl:1: the span \[2, 9, 'x'"),
        ("a.jsonl", '{"text": "abc", "spans": [[2]]}', r"a\.jsonl:1: the span \[2\]"),
        ("a.jsonl", '{"text": "a bc", "spans": [[0, 3, "x"], [3, 4, "y"]]}', r"overlaps"),
        ("a.jsonl", '{"text": " "}', r"a\.jsonl:1 has neither"),
        ("a.jsonl", "{", r"a\.jsonl:1 is no record"),
        ("a.jsonl", "[1]", r"a\.jsonl:1 is no record"),
        ("a.jsonl", '{"text": "a", "label": 3}', r"a\.jsonl:1: its label is no text"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n{"text": "b"}', r"a\.jsonl:2 has no label"),
        ("a.conll", "word\n", r"a\.conll:1 has one column"),
        ("a.conll", "word\tQ\n", r"a\.conll:1: the tag 'Q'"),
        ("a.conll", "\n", r"holds no examples"),
    ],
)
def test_bad_rows_are_named(name: str, content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(TextError, match=said):
        read(tmp_path, name, content)


def test_mixed_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_bytes("好\tO\n".encode() + "坏\tO\n".encode("gb18030"))
    with pytest.raises(TextError, match=r"a\.conll:2 is not UTF-8"):
        read_tagged(tmp_path / "a.conll")


def test_examples_that_cannot_be_learned_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="too few"):
        names_of(draw(5, 1))
    bare = [each._replace(spans=(), label="") for each in draw(50, 1)]
    with pytest.raises(TextError, match="0 kinds of spans and 0 labels are too few"):
        names_of(bare)
    dev = [*draw(20, 2), draw(1, 3)[0]._replace(label="taxi")]
    options = TeachOptions(dev=str(write(tmp_path / "dev.jsonl", dev)))
    with pytest.raises(TextError, match=r"dev\.jsonl:21: 'taxi' is none of the names"):
        tagging.train_into(tmp_path / "m", write(tmp_path / "a.jsonl", draw(60, 1)), options)
    assert not (tmp_path / "m").exists()


def test_every_kind_learns_and_what_is_saved_answers_the_same(tmp_path: Path) -> None:
    train, test = write(tmp_path / "a.jsonl", draw(300, 1)), draw(50, 2)
    found = tagging.train_into(tmp_path / "m", train, TeachOptions(budget="6 passes"))
    assert [each.rung for each in found.tried] == ["count", "recurrent"]
    assert not [path for path in tmp_path.iterdir() if "checkpoints" in path.name]
    strange = test[0]._replace(label="taxi", spans=(Span(0, 1, "number"),))
    gold = write(tmp_path / "test.jsonl", [*test[1:], strange])
    for tried in tagging.compare(tmp_path / "m", gold):
        assert tried.measures.f1.value > 0.9, tried.rung
        assert tried.measures.strange == 1
        assert tried.measures.exact.value < 1
        again = tagging.load(tmp_path / "m", tried.rung)
        alone = again.predict([test[3].words])[0]
        together = again.predict([each.words for each in test])[3]
        assert alone.spans == together.spans
        assert alone.sure == pytest.approx(together.sure, abs=1e-4)
        assert alone.label is not None
        assert sum(alone.label.probabilities.values()) == pytest.approx(1)
    assert again.predict([]) == []


@pytest.mark.parametrize(
    ("wrong", "said"), [({"budget": "5"}, "cannot read the budget"), ({"adapt": "x"}, "no model x")]
)
def test_options_that_cannot_be_used_are_refused_before_anything_is_read(
    wrong: dict[str, str], said: str, tmp_path: Path
) -> None:
    for train_into in (tagging.train_into, roles.train_into):
        with pytest.raises(ForetellError, match=said):
            train_into(tmp_path / "m", tmp_path / "nothing.jsonl", TeachOptions(**wrong))
    with pytest.raises(ForetellError, match=said):
        labelling.train_into(tmp_path / "m", tmp_path / "nothing.jsonl", LabelOptions(**wrong))
    assert list(tmp_path.iterdir()) == []


def test_other_folders_are_refused(tmp_path: Path) -> None:
    seal(tmp_path, {"chosen": "count"})
    with pytest.raises(DamagedModel, match="holds no predictor of spans"):
        tagging.load(tmp_path)
    (tmp_path / "manifest.json").unlink()
    seal(tmp_path, {"chosen": "count", "tags": ["O"]})
    with pytest.raises(ForetellError, match="holds no count"):
        tagging.load(tmp_path)
