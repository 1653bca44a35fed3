import json
import random
from pathlib import Path
from typing import Any

import pytest

from foretell import tasks
from foretell.contracts.errors import DamagedModel, OutputExists, TextError
from foretell.report.task_pages import render
from foretell.tasks import multiple_choice
from foretell.tasks.options import TextOptions
from foretell.tasks.teaching import record_of

KINDS = {
    "an animal": ("dog", "cat", "猫", "horse"),
    "a city": ("Paris", "Rome", "北京", "Boston"),
    "a fruit": ("apple", "pear", "梨", "plum"),
}
OPTIONS = TextOptions(text="asked", choices="options", target="right", budget="1 pass")


def draw(count: int, seed: int) -> list[dict[str, Any]]:
    chance, found = random.Random(seed), []
    for number in range(count):
        kind = chance.choice(sorted(KINDS))
        options = [chance.choice(KINDS[each]) for each in sorted(KINDS)]
        right = next(each for each in options if each in KINDS[kind])
        chance.shuffle(options)
        asked = f"Which is {kind}? ({number + seed * count})"
        found.append({"asked": asked, "options": options, "right": right})
    return found


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_a_choice_is_learned_kept_and_made(tmp_path: Path) -> None:
    data, test = write(tmp_path / "quiz.jsonl", draw(240, 1)), draw(60, 2)
    found = multiple_choice.train_into(tmp_path / "m", data, OPTIONS)
    assert [each.rung for each in found.tried] == ["count", "recurrent", "together"]
    assert found.choices == 3
    assert found.dev.accuracy.value > 0.9
    assert found.dev.floor == pytest.approx(1 / 3)
    gold = write(tmp_path / "test.jsonl", test)
    tried = multiple_choice.compare(tmp_path / "m", gold, OPTIONS)
    assert [each.rung for each in tried] == tasks.rungs_of(tmp_path / "m")
    assert tried[0].measures.accuracy.value > 0.9
    chooser = multiple_choice.load(tmp_path / "m", "count")
    answers = list(multiple_choice.answer(chooser, gold, OPTIONS))
    labels = chooser.choose([str(row["asked"]) for row in test], [row["options"] for row in test])
    assert [each.label.value for each in answers] == [each.value for each in labels]
    for row, each in zip(test, labels, strict=True):
        assert list(each.probabilities) == row["options"]
        assert sum(each.probabilities.values()) == pytest.approx(1)
    again = list(multiple_choice.answer(chooser, gold, OPTIONS, after=50, least=1.1))
    assert [each.place for each in again] == [each.place for each in answers[50:]]
    assert json.loads(again[0].json)["choice"] is None
    # In a table the choices stand in one cell.
    table = tmp_path / "one.csv"
    table.write_text("asked,options\nWhich is a city? 7,plum|Rome|dog\n", "utf-8")
    assert next(multiple_choice.answer(chooser, table, OPTIONS)).label.value == "Rome"
    assert "questions right" in render("m", record_of(tmp_path / "m"))
    with pytest.raises(OutputExists):
        multiple_choice.train_into(tmp_path / "m", data, OPTIONS)


def test_refusals_name_row_and_way_out(tmp_path: Path) -> None:
    rows = draw(30, 1)
    for wrong, said in (
        ({"right": "stone"}, r"bad\.jsonl:31: 'stone' is none of its 3 choices"),
        ({"options": ["one"]}, r"bad\.jsonl:31 has no choices in options"),
        ({"options": ["one", "one"]}, r"bad\.jsonl:31 has no choices in options"),
        ({"asked": " "}, r"bad\.jsonl:31 has nothing in asked"),
    ):
        path = write(tmp_path / "bad.jsonl", [*rows, rows[0] | wrong])
        with pytest.raises(TextError, match=said):
            multiple_choice.train_into(tmp_path / "m", path, OPTIONS)
    few = write(tmp_path / "few.jsonl", rows[:5])
    with pytest.raises(TextError, match="5 questions"):
        multiple_choice.train_into(tmp_path / "m", few, OPTIONS)
    assert not (tmp_path / "m").exists()
    with pytest.raises(DamagedModel):
        multiple_choice.load(tmp_path)
