from collections.abc import Callable
from pathlib import Path

import pytest

from foretell.tokenizers import load_tokenizer
from tests.cli.conftest import Run
from tests.cli.toy_text import write_text

KINDS = ("bytes", "characters", "words", "bpe", "unigram")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["text.txt", "chinese.txt"])
def test_train_writes_a_tokenizer_that_is_read_again(
    kind: str, text: str, run: Run, here: Path
) -> None:
    size = ["--size", "300"] if kind in ("bpe", "unigram") else []
    said = run("tokenizer", "train", text, "--kind", kind, "--out", "tok", "--json", *size)
    assert said.code == 0, said.err
    tokenizer = load_tokenizer(here / "tok")
    assert tokenizer.vocabulary_size == said.json["vocabulary_size"]
    line = (here / text).read_text("utf-8").splitlines()[0]
    # Words it did not keep come back as U+FFFD; the others spell everything.
    assert kind == "words" or tokenizer.decode(tokenizer.encode(line).tokens) == line


def test_train_says_what_it_made(run: Run) -> None:
    said = run("tokenizer", "train", "text.txt", "--out", "tok", "--size", "300")
    assert said.out.startswith("tok: ")
    assert "300 tokens" in said.out


def test_compare_shows_all_kinds(run: Run) -> None:
    table = run("tokenizer", "compare", "text.txt", "--size", "300")
    assert table.code == 0
    assert "bytes/token" in table.out
    rows = run("tokenizer", "compare", "text.txt", "--size", "300", "--json").json
    assert len(rows) == len(KINDS)
    assert {row["bytes"] for row in rows} == {rows[0]["bytes"]}


def test_compare_writes_nothing(run: Run, here: Path) -> None:
    before = sorted(here.iterdir())
    run("tokenizer", "compare", "text.txt", "--size", "300")
    assert sorted(here.iterdir()) == before


def test_apply_takes_a_tokenizer_or_trains_one(run: Run, here: Path) -> None:
    assert run("tokenizer", "train", "text.txt", "--out", "tok", "--size", "300").code == 0
    (here / "large.txt").write_text(write_text(200_000), encoding="utf-8")
    said = run("tokenizer", "apply", "large.txt", "--tokenizer", "tok", "--out", "new", "--json")
    assert said.code == 0, said.err
    assert load_tokenizer(here / "new").fingerprint == load_tokenizer(here / "tok").fingerprint
    assert 0 < said.json["tokens"] < said.json["text_bytes"]
    said = run("tokenizer", "apply", "large.txt", "--kind", "bytes", "--out", "bytes", "--json")
    assert said.json["tokenizer"] == "bytes"


def test_refusals(refused: Callable[..., str]) -> None:
    train = ["tokenizer", "train", "text.txt", "--out"]
    assert "exists" in refused(*train, "kn")
    assert "at most" in refused(*train, "tok", "--size", "60000")
    assert "257" in refused(*train, "tok", "--size", "7")
