import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.toy_text import paragraph


@pytest.fixture
def fresh(here: Path) -> str:
    """Thirty documents that no model has seen."""
    chance = random.Random(99)
    folder = here / "fresh"
    folder.mkdir()
    for number in range(30):
        text = paragraph(chance, chinese=number % 3 == 0)
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    return "fresh"


@pytest.mark.parametrize("model", ["kn", "unigram", "lstm"])
def test_bits_with_interval_and_signature(model: str, run: Run, fresh: str) -> None:
    said = run("score", model, fresh)
    assert said.code == 0, said.err
    assert "over 30 documents" in said.out
    assert "signature bits_per_byte|" in said.out
    found = run("score", model, fresh, "--json").json
    interval = found["interval"]
    assert interval["low"] <= found["bits_per_byte"] <= interval["high"]
    assert interval["value"] == pytest.approx(found["bits_per_byte"])
    assert 0 < found["bits_per_byte"] < 8


def test_one_document_has_no_interval(run: Run, fresh: str) -> None:
    assert "no interval" in run("score", "kn", f"{fresh}/0.txt").out
    assert run("score", "kn", f"{fresh}/0.txt", "--json").json["interval"] is None


def test_the_end_of_text_is_charged_if_asked(run: Run, fresh: str) -> None:
    without = run("score", "kn", fresh, "--json").json
    charged = run("score", "kn", fresh, "--end-of-text", "yes", "--json").json
    assert charged["evidence"]["nats"] > without["evidence"]["nats"]
    assert "end:yes" in charged["signature"]


def test_against_another_model(run: Run, fresh: str) -> None:
    said = run("score", "kn", fresh, "--against", "unigram")
    assert "paired over 30 documents" in said.out
    found = run("score", "kn", fresh, "--against", "unigram", "--json").json
    difference = found["difference"]
    assert difference["high"] < 0
    assert difference["p_value"] < 0.01
    gap = found["bits_per_byte"] - found["against"]["bits_per_byte"]
    assert difference["value"] == pytest.approx(gap)


def test_against_itself_is_no_difference(run: Run, fresh: str) -> None:
    difference = run("score", "kn", fresh, "--against", "kn", "--json").json["difference"]
    assert difference == {"value": 0.0, "low": 0.0, "high": 0.0, "p_value": 1.0}


def test_refusals(refused: Callable[..., str], here: Path) -> None:
    assert "nowhere" in refused("score", "nowhere", "text.txt")
    assert "nowhere" in refused("score", "kn", "nowhere")
    assert "nowhere" in refused("score", "kn", "text.txt", "--against", "nowhere")
    assert "text.txt" in refused("score", "text.txt", "text.txt")


@pytest.mark.parametrize("model", ["kn", "lstm"])
def test_every_damaged_file_is_named(model: str, refused: Callable[..., str], here: Path) -> None:
    files = [each for each in sorted((here / model).rglob("*")) if each.is_file()]
    # Drawn for whoever looks, when the model is sealed and done.
    for file in (each for each in files if each.name != "training.png"):
        whole = file.read_bytes()
        for spoiled in (
            (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])) if whole else (b"x",)
        ):
            file.write_bytes(spoiled)
            assert f"{file.name} is damaged" in refused("score", model, "text.txt")
            assert f"{file.name} is damaged" in refused("generate", model, "The")
        file.write_bytes(whole)
