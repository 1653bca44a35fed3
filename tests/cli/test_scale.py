import json
from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.ladder import grid, scaling
from tests.cli.conftest import Run


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (3_000, 12_000, 28_000)
    monkeypatch.setattr(grid, "SIZES", sizes)
    monkeypatch.setattr(scaling, "SIZES", sizes)
    monkeypatch.setattr(grid, "HALVINGS", 2)
    monkeypatch.setattr(scaling, "_passes", lambda material: 1)


COMMON = ("--size", "300", "--threads", "1")


@pytest.mark.usefixtures("tiny")
def test_a_law_and_a_model_held_against_it(run: Run, here: Path) -> None:
    planned = run("scale", "text.txt", "--budget", "60s", *COMMON, "--dry-run", "--json")
    assert planned.code == 0, planned.err
    assert len(planned.json) == 9
    assert not (here / "scale").exists()

    said = run("scale", "text.txt", "--budget", "60s", *COMMON)
    assert said.code == 0, said.err
    for words in ("Twice the text", "Four times the parameters", "L = ", "balance"):
        assert words in said.out
    assert (here / "scale" / "text" / "scale.png").read_bytes().startswith(b"\x89PNG")

    train = ("train", "text.txt", "--parameters", "100k", "--budget", "1 pass", *COMMON)
    trained = run(*train, "--out", "larger")
    assert trained.code == 0, trained.err
    assert "Predicted" in trained.out
    checks = json.loads((here / "scale" / "text" / "checks.json").read_text("utf-8"))
    assert [each["model"] for each in checks] == ["larger"]

    check = run("scale", "text.txt", "--check", "larger", "--json")
    assert check.code == 0, check.err
    assert check.json["measured"] == pytest.approx(checks[0]["measured"])
    assert check.json["error"] == pytest.approx(
        check.json["predicted"]["value"] / check.json["measured"] - 1
    )

    stranger = run("scale", "text.txt", "--check", "lstm")
    assert stranger.code == 2
    assert "its family is lstm" in stranger.err


def test_what_is_refused(refused: Callable[..., str]) -> None:
    assert "no scaling law" in refused("scale", "text.txt", "--check", "lstm")
    assert "budget of time" in refused("scale", "text.txt", "--budget", "3 passes", *COMMON)
    assert "larger --budget" in refused("scale", "text.txt", "--budget", "0.1s", *COMMON)
    train = ("train", "text.txt", "--out", "new", "--budget", "1 pass", *COMMON)
    assert "cannot be chosen" in refused(*train, "--model", "lstm", "--parameters", "1M")
    assert "cannot read --parameters" in refused(*train, "--parameters", "many")
