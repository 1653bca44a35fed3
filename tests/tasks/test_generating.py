import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretell.contracts.errors import DamagedModel, ForetellError, TextError
from foretell.tasks import generating
from foretell.tasks.examples.forms import Form, blanks_of, check, learn_forms, rhyme_class
from foretell.tasks.options import GenerateOptions

OPEN, CLOSED = "天年间前山边", "东风中红空同"
FIRST = "春花秋月江水云雨"
OPTIONS = GenerateOptions(text="lines", topic="tune", budget="1 pass")


def poems(count: int, seed: int) -> list[dict[str, Any]]:
    """Two tunes: couplets of 5 that rhyme, and lines of 3 without a rhyme."""
    chance, found = np.random.default_rng(seed), []

    def draw(letters: str, size: int) -> str:
        return "".join(chance.choice(list(letters), size))

    for number in range(count):
        if number % 2:
            ends = chance.permutation(list(OPEN if number % 4 == 1 else CLOSED))[:2]
            lines = [f"{draw(FIRST, 4)}{ends[0]}，", f"{draw(FIRST, 4)}{ends[1]}。"]
            found.append({"tune": "对句", "lines": lines})
        else:
            found.append({"tune": "三字", "lines": [f"{draw(FIRST, 3)}。"]})
    return found


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, "utf-8")
    return path


def test_forms_are_learned_with_what_rhymes() -> None:
    rows = poems(40, 1)
    forms = learn_forms((row["tune"], "\n".join(row["lines"])) for row in rows)
    assert forms["对句"] == [Form("字字字字字，\n字字字字字。", ((11, 4),))]
    assert forms["三字"][0].lines == [3]
    assert blanks_of("春、花。") == "字、字。"
    assert rhyme_class("天") == rhyme_class("山") != rhyme_class("东")
    assert rhyme_class("a") is None


def test_what_is_checked_is_the_text_alone() -> None:
    form = Form("字字字，字字字。", ((6, 2),))
    good = check("春花天，秋月山。", [form])
    assert (good.lines, good.right_length, good.rhymes, good.rhymed) == (2, 2, 1, 1)
    assert check("春花天，秋月东。", [form]).rhymed == 0
    short = check("春花天，月山。", [form])
    assert (short.right_length, short.rhymed) == (1, 0)
    assert check("", [form]).right_length == 0


def test_a_generator_keeps_to_forms_and_tells_what_is_copied(tmp_path: Path) -> None:
    data = write(tmp_path / "poems.jsonl", poems(200, 1))
    found = generating.train_into(tmp_path / "m", data, OPTIONS)
    assert (found.topics, found.forms) == (2, 2)
    generator = generating.load(tmp_path / "m")
    topics = ["对句", "三字", "对句", "无名"]
    pieces = generator.write(topics)
    for piece in pieces[:3]:
        assert piece.kept is not None
        assert piece.kept.right_length == piece.kept.lines
        assert piece.kept.rhymed == piece.kept.rhymes
    assert pieces[3].kept is None
    assert generator.write(topics)[2] == pieces[2] != generator.write(topics, seed=1)[2]
    # The third of four is the first after two.
    assert generator.write(topics[2:], first=2)[0] == pieces[2]
    whole = "\n".join(json.loads(data.read_text("utf-8").splitlines()[1])["lines"])
    assert generator.judge("对句", whole).copied == 1
    assert generator.judge("对句", "一二三四五六七八九").copied == 0
    ours, theirs = generating.evaluate(generator, data, OPTIONS)
    assert ours.right is not None
    assert theirs.right is not None
    assert ours.right.value == theirs.right.value == 1
    with pytest.raises(ForetellError, match="holds no adapted"):
        generating.load(tmp_path / "m", "adapted")


def test_texts_without_forms_are_generated_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What rhymes in Chinese is nothing that they need.
    monkeypatch.setitem(sys.modules, "pypinyin", None)
    (tmp_path / "notes.txt").write_text(
        "".join(f"The {x} sings {n} songs.\n" for n in range(30) for x in ("bird", "dog")), "utf-8"
    )
    lines = [{"a": "birds", "text": f"The bird {n} sings."} for n in range(10, 60)]
    write(tmp_path / "notes.jsonl", lines)
    of_topics = GenerateOptions(topic="a", budget="1 pass")
    assert generating.train_into(tmp_path / "t", tmp_path / "notes.jsonl", of_topics).forms == 0
    found = generating.train_into(
        tmp_path / "m", tmp_path / "notes.txt", GenerateOptions(budget="1 pass")
    )
    assert (found.topics, found.forms) == (1, 0)
    assert generating.load(tmp_path / "m", "count").write([""])[0].text


def test_refusals(tmp_path: Path) -> None:
    data = write(tmp_path / "few.jsonl", poems(4, 1))
    with pytest.raises(TextError, match="too few"):
        generating.train_into(tmp_path / "m", data, OPTIONS)
    with pytest.raises(TextError, match="--topic"):
        generating.read_topics(data, GenerateOptions(text="lines", topic="name"))
    with pytest.raises(DamagedModel):
        generating.load(tmp_path)
