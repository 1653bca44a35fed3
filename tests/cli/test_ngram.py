from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.interop.test_arpa import text_of


@pytest.fixture
def lines(here: Path) -> Path:
    (here / "lines.txt").write_bytes(text_of(300))
    (here / "other.txt").write_bytes(text_of(300, seed=5))
    (here / "new.txt").write_bytes(text_of(40, seed=8))
    return here


def ask(run: Callable, model: str) -> dict[str, Any]:
    said = run("ngram", "query", model, "new.txt", "--json").json
    assert said.pop("seconds") > 0
    return said


def test_estimate_convert_and_query_agree(run: Callable, lines: Path) -> None:
    said = run("ngram", "estimate", "lines.txt", "--order", "3", "--out", "m").out
    assert "n-grams of order 1 to 3" in said
    found = ask(run, "m")
    assert found["sentences"] == 40
    run("ngram", "convert", "m", "--out", "m.arpa.gz")
    assert ask(run, "m.arpa.gz") == found
    run("ngram", "convert", "m.arpa.gz", "--out", "m2")
    assert ask(run, "m2") == found
    words = run("ngram", "query", "m", "new.txt", "--words").out.splitlines()
    assert len(words) == found["tokens"] + 1
    known = run("ngram", "query", "m", "lines.txt", "--words").out.splitlines()
    assert "床前" in {line.split("\t")[0] for line in known}
    total = sum(float(line.split("\t")[1]) for line in words[:-1])
    assert total == pytest.approx(found["log10"], abs=1e-2)


def test_prune_and_merge(run: Callable, lines: Path) -> None:
    for name in ("lines", "other"):
        run("ngram", "estimate", f"{name}.txt", "--order", "3", "--out", name)
    small = run("ngram", "prune", "lines", "--entropy", "1e-4", "--out", "small", "--json").json
    assert sum(small["ngrams"]) < sum(small["before"])
    command = ["ngram", "merge", "lines", "other", "--tune", "new.txt", "--out"]
    merged = run(*command, "merged", "--json").json
    assert sum(merged["weights"]) == pytest.approx(1, abs=1e-5)
    log = run(*command, "log.arpa", "--kind", "loglinear", "--json").json
    assert (lines / "log.arpa").exists()
    assert len(log["weights"]) == 2
    both = run("ngram", "query", "merged", "new.txt", "--json").json["perplexity"]
    alone = run("ngram", "query", "lines", "new.txt", "--json").json["perplexity"]
    assert both < alone


def test_what_is_wrong_is_said_in_one_line(refused: Callable, lines: Path) -> None:
    (lines / "s.txt").write_text("a <s> b\n")
    (lines / "taken").mkdir()
    assert "reserved" in refused("ngram", "estimate", "s.txt", "--out", "m")
    assert "exists" in refused("ngram", "estimate", "lines.txt", "--out", "taken")
    assert "--prune" in refused("ngram", "estimate", "lines.txt", "--out", "m", "--prune", "a")
    assert "there is no model" in refused("ngram", "query", "none.arpa", "lines.txt")
    assert "ARPA" in refused("ngram", "query", "lines.txt", "lines.txt")
    assert "family" in refused("ngram", "convert", "lstm", "--out", "m.arpa")
    assert "whitespace" in refused("ngram", "convert", "kn", "--out", "m.arpa")
    assert "--tune" in refused("ngram", "merge", "kn", "kn", "--out", "m")
    assert not (lines / "m").exists()
    assert not (lines / "m.arpa").exists()


def test_reserved_words_are_skipped_if_asked(run: Callable, lines: Path) -> None:
    (lines / "s.txt").write_text("a <s> b\n")
    command = ["ngram", "estimate", "s.txt", "--order", "2", "--skip-reserved", "--out", "m"]
    assert run(*command, "--json").json["ngrams"][0] == 4


def test_shards_make_the_same_model(run: Callable, refused: Callable, lines: Path) -> None:
    options = ("--order", "3", "--prune", "0,0,1")
    run("ngram", "estimate", "lines.txt", *options, "--out", "one")
    found = run(
        "ngram", "estimate", "lines.txt", *options, "--shards", "3", "--workers", "2",
        "--out", "new/three", "--json",
    ).json  # fmt: skip
    assert found["order"] == 3
    for file in (lines / "one").iterdir():
        assert file.read_bytes() == (lines / "new" / "three" / file.name).read_bytes()
    assert [path.name for path in (lines / "new").iterdir()] == ["three"]
    estimate = ("ngram", "estimate", "lines.txt", "--out", "m")
    assert "give --shards" in refused(*estimate, "--workers", "2")
    assert "at least 1" in refused(*estimate, "--shards", "2", "--workers", "0")
    assert "at least 1" in refused(*estimate, "--shards", "0")


def test_quantize(run: Callable, refused: Callable, lines: Path) -> None:
    run("ngram", "estimate", "lines.txt", "--order", "3", "--out", "m")
    said = run("ngram", "quantize", "m", "--out", "q", "--json").json
    assert said["bytes"] < said["bytes_before"]
    found, before = ask(run, "q"), ask(run, "m")
    assert found["tokens"] == before["tokens"]
    assert found["perplexity"] == pytest.approx(before["perplexity"], rel=5e-3)
    run("ngram", "convert", "q", "--out", "q.arpa")
    assert ask(run, "q.arpa")["perplexity"] == pytest.approx(found["perplexity"], rel=1e-5)
    assert "bytes" in run("ngram", "quantize", "q.arpa", "--out", "q2").out
    assert "folder" in refused("ngram", "quantize", "m", "--out", "q.bin")
    assert "folder" in refused("ngram", "quantize", "m", "--out", "r.arpa.gz")
