import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.tasks.moods import draw, write


@pytest.fixture
def reviews(here: Path) -> Path:
    write(here / "reviews.jsonl", draw(240, 1), text="review", label="mood")
    write(here / "test.jsonl", draw(60, 2), text="review", label="mood")
    return here


def test_train_evaluate_predict(reviews: Path, run: Run) -> None:
    fields = ("--text", "review", "--label", "mood")
    said = run("task", "sentiment", "train", "reviews.jsonl", *fields)
    assert said.code == 0, said.err
    assert "accuracy" in said.out
    folder = "models/reviews-sentiment"
    found = run("task", "sentiment", "evaluate", folder, "test.jsonl", *fields, "--json").json
    assert found["accuracy"]["value"] > 0.9
    assert found["texts"] == 60
    lines = run("task", "sentiment", "predict", folder, "test.jsonl", "--text", "review").out
    first, label, sure = lines.splitlines()[0].split("\t")
    assert first == "test.jsonl:1"
    assert label in ("good", "bad")
    assert 0.5 <= float(sure) <= 1
    assert len(lines.splitlines()) == 60
    command = ("task", "classify", "predict", folder, "test.jsonl", "--text", "review", "--json")
    content = json.loads(run(*command).out.splitlines()[0])
    assert content["label"] == label
    assert sum(content["probabilities"].values()) == pytest.approx(1)


def test_refusals(reviews: Path, run: Run) -> None:
    said = run("task", "classify", "train", "reviews.jsonl")
    assert said.code == 2
    assert "no field 'text'" in said.err
    assert "--text" in said.err
    assert not (reviews / "models").exists()
    assert run("task", "classify", "evaluate", "kn", "test.jsonl").code == 2
    assert run("task", "juggle", "train", "reviews.jsonl").code == 2
