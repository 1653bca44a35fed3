from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("model", ["kn", "lstm"])
def test_the_same_seed_gives_the_same_text(model: str, run: Run) -> None:
    command = ["generate", model, "The cat", "--max_tokens", "30"]
    first = run(*command, "--seed", "1")
    assert first.code == 0, first.err
    assert first.out.startswith("The cat")
    assert first.out.endswith("\n")
    assert run(*command, "--seed", "1").out == first.out
    others = {run(*command, "--seed", str(seed)).out for seed in range(2, 6)}
    assert others != {first.out}


def test_the_stream_is_what_json_says(run: Run) -> None:
    command = ["generate", "kn", "小猫", "--max_tokens", "40", "--seed", "4"]
    assert run(*command).out == "小猫" + run(*command, "--json").json["text"] + "\n"


def test_greedy_needs_no_seed(run: Run) -> None:
    command = ["generate", "kn", "A sailor", "--max_tokens", "20", "--temperature", "0"]
    assert run(*command, "--seed", "1").out == run(*command, "--seed", "2").out


def test_a_text_is_begun_without_a_prompt(run: Run) -> None:
    assert run("generate", "kn", "--max_tokens", "20").out.strip()


def test_it_stops_before_a_text(run: Run) -> None:
    command = ["generate", "kn", "The cat", "--max_tokens", "200", "--stop", "day"]
    said = run(*command, "--json").json
    assert "day" not in said["text"]


def test_refusals(refused: Callable[..., str], here: Path) -> None:
    assert "nowhere" in refused("generate", "nowhere", "x")
    assert "--stop" in refused("generate", "kn", "x", "--stop", "")
    assert "temperature" in refused("generate", "kn", "x", "--temperature", "-1")
    assert "top-p" in refused("generate", "kn", "x", "--top_p", "1.5")
