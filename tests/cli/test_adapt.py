"""`foretell adapt`: gained and forgotten, resumed, merged, and refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from foretell import models
from foretell.ladder import adapting
from tests.cli.conftest import Run

SMALL = ("--budget", "4k tokens", "--threads", "1")


@pytest.fixture(scope="module")
def gpt(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT of text.txt."""
    from foretell.cli.main import main

    out = tmp_path_factory.mktemp("adapt") / "gpt"
    command = ["train", str(made / "text.txt"), "--out", str(out), "--model", "gpt"]
    assert main([*command, "--tokenizer", "bytes", "--budget", "6k tokens", "--threads", "1"]) == 0
    return out


@pytest.mark.parametrize("method", ["lora", "all"])
def test_it_learns_a_text_and_tells_before_and_after(
    method: str, gpt: Path, run: Run, here: Path
) -> None:
    command = ["adapt", str(gpt), "chinese.txt", "--out", "new", "--method", method]
    said = run(*command, *SMALL, "--learning-rate", "0.003", "--json")
    assert said.code == 0, said.err
    own = said.json["held_out"]
    assert own["after"]["value"] < own["before"]["value"]
    assert own["difference"]["high"] < 0
    assert said.json["general"]["documents"] > 2
    assert (said.json["learned"] < said.json["parameters"]) == (method == "lora")
    parts = here / "new" / adapting.LOW_RANK
    assert parts.exists() == (method == "lora")
    if method == "lora":
        assert all(name.endswith((".A", ".B")) for name in load_file(parts))
    assert models.load(here / "new").family == "gpt"
    assert not (here / "new.checkpoints").exists()
    record = json.loads((here / "new" / adapting.RECORD).read_text("utf-8"))
    assert record["method"] == method


def test_what_it_says_and_where_it_goes(gpt: Path, run: Run, here: Path) -> None:
    said = run("adapt", str(gpt), "text.txt", *SMALL, "--general", "chinese.txt")
    assert said.code == 0, said.err
    assert "your text" in said.out
    assert "chinese" in said.out
    assert (here / "models" / "gpt-text" / "manifest.json").exists()


def test_stopped_it_goes_on_to_the_same_weights(
    gpt: Path, run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["adapt", str(gpt), "text.txt", "--method", "lora", *SMALL]
    assert run(*command, "--out", "whole").code == 0
    real = adapting.fit

    def stopped(*arguments: object, **more: object) -> object:
        looks = iter(range(1))
        more["stop"] = lambda: next(looks, None) is None
        return real(*arguments, **more)

    monkeypatch.setattr(adapting, "fit", stopped)
    assert run(*command, "--out", "parts").code != 0
    assert not (here / "parts").exists()
    monkeypatch.setattr(adapting, "fit", real)
    assert run(*command, "--out", "parts").code == 0
    for name in ("model.safetensors", adapting.LOW_RANK):
        assert (here / "parts" / name).read_bytes() == (here / "whole" / name).read_bytes()


def test_what_is_wrong_is_said_in_one_line(gpt: Path, refused: Callable, here: Path) -> None:
    assert "ngram" in refused("adapt", "kn", "text.txt", *SMALL)
    assert "there is no model" in refused("adapt", "none", "text.txt", *SMALL)
    assert "pull" in refused("adapt", "smollm2-135m", "text.txt", *SMALL)
    assert "--method all" in refused("adapt", "lstm", "text.txt", "--method", "lora", *SMALL)
    assert "budget" in refused("adapt", str(gpt), "text.txt", "--budget", "soon")
    assert "--rank" in refused("adapt", str(gpt), "text.txt", "--rank", "0", *SMALL)
    assert "--learning-rate" in refused("adapt", str(gpt), "text.txt", "--learning-rate", "-1")
    (here / "short.txt").write_text("short")
    assert "too short" in refused("adapt", str(gpt), "text.txt", *SMALL, "--general", "short.txt")


def write_pairs(file: Path, count: int = 120) -> None:
    """Sums, asked in words."""
    rows = ((first, second) for first in range(12) for second in range(10))
    lines = (
        {"question": f"What is {a} plus {b}? 问", "answer": f"It is {a + b}."} for a, b in rows
    )
    text = "".join(json.dumps(line) + "\n" for _, line in zip(range(count), lines, strict=False))
    file.write_text(text, "utf-8")


def test_of_questions_with_answers_only_answers_are_charged(
    gpt: Path, run: Run, here: Path
) -> None:
    write_pairs(here / "sums.jsonl")
    command = ["adapt", str(gpt), "sums.jsonl", "--out", "sums", "--field", "question"]
    said = run(*command, "--answer", "answer", *SMALL, "--method", "all", "--json")
    assert said.code == 0, said.err
    own = said.json["held_out"]
    assert own["difference"]["high"] < 0
    assert "bits_per_byte_of_answers" in own["signature"]
    assert said.json["left_out"] == 0


def test_pairs_that_cannot_be_used_are_refused(gpt: Path, refused: Callable, here: Path) -> None:
    write_pairs(here / "sums.jsonl")
    command = ["adapt", str(gpt), "sums.jsonl", *SMALL]
    assert "--field" in refused(*command, "--answer", "answer")
    assert "no field 'reply'" in refused(*command, "--field", "question", "--answer", "reply")
    (here / "few.jsonl").write_text('{"question": "a", "answer": ""}\n')
    few = ["adapt", str(gpt), "few.jsonl", "--field", "question", "--answer", "answer"]
    assert "few.jsonl:1 has nothing in answer" in refused(*few, *SMALL)
