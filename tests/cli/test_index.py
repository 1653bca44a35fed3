import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run

KINDS = ("bytes", "characters", "words", "bpe", "unigram", "whitespace")


@pytest.fixture
def built(run: Run) -> None:
    assert run("index", "build", "text.txt", "--out", "idx", "--kind", "bpe").code == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["text.txt", "chinese.txt"])
def test_every_kind_counts_a_phrase_of_the_text(kind: str, text: str, run: Run, here: Path) -> None:
    size = ["--size", "400"] if kind in ("bpe", "unigram") else []
    said = run("index", "build", text, "--out", "idx", "--kind", kind, "--json", *size)
    assert said.code == 0, said.err
    assert said.json["documents"] == 1
    content = (here / text).read_text("utf-8")
    phrase = "painted the moon on day" if text == "text.txt" else "画了明月，第"
    expected = content.count(phrase)
    if kind == "whitespace" and text == "chinese.txt":
        phrase, expected = content.split()[0], 1
    found = run("index", "count", "idx", phrase, "--json").json["count"]
    # Subwords run across Chinese characters, and are cut otherwise where the text goes on.
    exact = text == "text.txt" or kind not in ("bpe", "unigram")
    assert found == expected > 0 if exact else found <= expected


def test_chinese_is_indexed_by_characters_unless_told_otherwise(run: Run, here: Path) -> None:
    said = run("index", "build", "chinese.txt", "--out", "idx", "--json").json
    assert said["tokenizer"].startswith("characters")
    count = (here / "chinese.txt").read_text("utf-8").count("明月")
    assert run("index", "count", "idx", "明月").out == f"{count:,}\n"


def test_build_takes_the_tokenizer_of_a_model(run: Run) -> None:
    said = run("index", "build", "text.txt", "--out", "idx", "--tokenizer", "kn", "--json")
    assert said.code == 0
    assert said.json["tokenizer"] == "BPE 300"


@pytest.mark.usefixtures("built")
def test_next_says_what_comes_and_how_often(run: Run, here: Path) -> None:
    content = (here / "text.txt").read_text("utf-8")
    unseen = run("index", "next", "idx", "zzz Her brother", "--json").json
    assert unseen["matched"] == " Her brother"
    assert unseen["count"] == content.count(" Her brother")
    found = run("index", "next", "idx", "Her brother", "--json").json
    assert found["matched"].strip() == "Her brother"
    assert found["count"] == content.count("Her brother")
    assert sum(count for _, count in found["continuations"]) == found["count"]
    shown = run("index", "next", "idx", "Her brother", "--top", "2").out.splitlines()
    assert len(shown) == 3
    assert "continuations" in shown[0]
    assert "%" in shown[1]


@pytest.mark.usefixtures("built")
def test_search_shows_places(run: Run, here: Path) -> None:
    content = (here / "text.txt").read_text("utf-8")
    count = content.count("the harbour on")
    found = run("index", "search", "idx", "the harbour on", "--most", "2", "--json").json
    assert found["count"] == count > 2
    assert [source["document"] for source in found["sources"]] == ["text.txt"] * 2
    assert all("the harbour on" in source["text"] for source in found["sources"])
    shown = run("index", "search", "idx", "the harbour on", "--most", "2").out
    assert shown.splitlines()[-1] == f"{count:,} in all, 2 shown"
    assert run("index", "search", "idx", "no such thing").out == "0 in all\n"


@pytest.mark.usefixtures("built")
def test_trace_finds_what_was_copied(run: Run, here: Path) -> None:
    content = (here / "text.txt").read_text("utf-8")
    copied = content[1000:1200].strip()
    (here / "said.txt").write_text(f"As they say: {copied} ~~~", encoding="utf-8")
    found = run("index", "trace", "idx", "said.txt", "--json").json
    first = found["passages"][0]
    assert first["text"].strip() in copied
    assert len(first["text"]) > len(copied) - 10
    assert first["sources"][0]["document"] == "text.txt"
    assert 0 < found["covered"] < found["tokens"]
    shown = run("index", "trace", "idx", "said.txt").out
    assert "text.txt at token" in shown
    assert "passages of at least 8 tokens" in shown


@pytest.mark.usefixtures("built")
def test_contamination_tells_copies_from_others(run: Run, here: Path) -> None:
    content = (here / "text.txt").read_text("utf-8")
    records = [{"text": content[2000:2400]}, {"text": "Nothing of this was in it, I believe; no."}]
    lines = "\n".join(json.dumps(record) for record in records)
    (here / "test.jsonl").write_text(lines, encoding="utf-8")
    found = run("index", "contamination", "idx", "test.jsonl", "--json").json
    assert [each["contaminated"] for each in found["findings"]] == [True, False]
    assert [each["document"] for each in found["findings"]] == ["test.jsonl:1", "test.jsonl:2"]
    assert (found["contaminated"], found["dirty"], found["clean"]) == (1, 1, 1)
    shown = run("index", "contamination", "idx", "test.jsonl").out
    assert "1 of 2 documents share 13 words" in shown
    assert "test.jsonl:1" in shown


def test_shards_answer_as_one_index(run: Run, here: Path) -> None:
    content = (here / "text.txt").read_text("utf-8")
    lines = [content[begin : begin + 1500] for begin in range(0, 30_000, 1500)]
    records = "\n".join(json.dumps({"text": line}) for line in lines)
    (here / "text.jsonl").write_text(records, encoding="utf-8")
    (here / "said.txt").write_text(f"As they say: {lines[9][100:600]} ~~~", encoding="utf-8")
    for kind in ("bpe", "bytes", "whitespace"):
        one = run("index", "build", "text.jsonl", "--out", f"one-{kind}", "--kind", kind, "--json")
        shards = ("--shards", "4", "--json")
        many = run("index", "build", "text.jsonl", "--out", kind, "--kind", kind, *shards)
        assert many.code == 0, many.err
        assert (one.json["shards"], many.json["shards"]) == (1, 4)
        for fact in ("tokens", "documents", "tokenizer"):
            assert many.json[fact] == one.json[fact]
        for verb, asked in (
            ("count", "the harbour"),
            ("next", "painted the"),
            ("search", "the harbour"),
            ("trace", "said.txt"),
            ("contamination", "said.txt"),
        ):
            said = run("index", verb, kind, asked)
            assert said.code == 0
            assert said.out == run("index", verb, f"one-{kind}", asked).out
    assert run("index", "count", "bpe/shard-3", "the harbour").code == 0
    shown = run("index", "build", "text.jsonl", "--out", "new", "--kind", "bytes", "--shards", "2")
    assert "of 20 documents and 2 shards in" in shown.out


def test_shards_are_refused_where_there_are_not_as_many_documents(
    refused: Callable[..., str], here: Path
) -> None:
    assert "the text has 1" in refused(
        "index", "build", "text.txt", "--out", "new", "--shards", "2"
    )
    assert "--shards" in refused("index", "build", "text.txt", "--out", "new", "--shards", "0")
    (here / "blank.txt").write_text(" \n")
    said = refused("index", "build", "blank.txt", "--out", "new", "--shards", "2")
    assert "white space" in said
    assert not (here / "new").exists()


@pytest.mark.usefixtures("built")
def test_refusals(refused: Callable[..., str], here: Path) -> None:
    assert "exists" in refused("index", "build", "text.txt", "--out", "idx")
    assert "none.txt" in refused("index", "build", "none.txt", "--out", "new")
    assert "nothing to look for" in refused("index", "count", "idx", " ")
    assert "--most" in refused("index", "search", "idx", "a", "--most", "0")
    assert "no index" in refused("index", "count", "kn", "a")
    assert "no folder" in refused("index", "count", "none", "a")
    (here / "idx" / "places.bin").write_bytes(b"1234")
    assert "places.bin" in refused("index", "count", "idx", "a")
