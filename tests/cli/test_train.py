import re
from collections.abc import Callable
from pathlib import Path

import pytest

from foretell import models
from foretell.ladder import plans
from foretell.training import fit, trackers
from tests.cli.conftest import Run, files, learned
from tests.cli.toy_text import write_text

SMALL = ("--size", "300", "--threads", "1")


@pytest.mark.parametrize("tokenizer", ["bytes", "characters", "words", "unigram"])
def test_counting_with_every_tokenizer(tokenizer: str, run: Run, here: Path) -> None:
    size = ["--size", "300"] if tokenizer == "unigram" else []
    command = ["train", "text.txt", "--model", "kneser-ney", "--tokenizer", tokenizer]
    said = run(*command, "--out", "new", *size)
    assert said.code == 0, said.err
    assert "bits per byte" in said.out
    assert "foretell generate new" in said.out
    assert models.load(here / "new").family == "ngram"


@pytest.mark.parametrize("family", ["rnn", "gru", "lstm", "gpt"])
def test_networks(family: str, run: Run, here: Path) -> None:
    command = ["train", "text.txt", "--model", family, "--out", "new", "--json"]
    said = run(*command, "--budget", "3k tokens", *SMALL)
    assert said.code == 0, said.err
    assert said.json["tokens"] >= 3000
    assert said.json["interval"][0] <= said.json["bits_per_byte"] <= said.json["interval"][1]
    assert (here / "new" / "model.safetensors").exists()
    assert (here / "new" / "training.png").read_bytes().startswith(b"\x89PNG")
    assert not (here / "new.checkpoints").exists()


def test_a_pass_over_chinese(run: Run) -> None:
    command = ["train", "chinese.txt", "--model", "gru", "--tokenizer", "characters"]
    said = run(*command, "--out", "new", "--budget", "1 pass", "--threads", "1", "--json")
    assert said.code == 0, said.err
    assert said.json["bits_per_byte"] < 3


def test_the_same_command_gives_the_same_bits(run: Run, here: Path) -> None:
    for name in ("a", "b"):
        command = ["train", "text.txt", "--model", "lstm", "--out", name, "--seed", "3"]
        assert run(*command, "--budget", "3k tokens", *SMALL).code == 0
    assert learned(here / "a") == learned(here / "b")


def test_order_and_pruning_make_smaller_models(run: Run, here: Path) -> None:
    command = ["train", "text.txt", "--model", "kneser-ney", "--size", "300"]
    assert run(*command, "--out", "bigrams", "--order", "2").code == 0
    assert run(*command, "--out", "pruned", "--prune", "0,0,1").code == 0

    def size(name: str) -> int:
        return sum(len(content or b"") for content in files(here / name).values())

    assert size("bigrams") < size("pruned") < size("kn")


def test_without_a_name_it_goes_to_models(run: Run, here: Path) -> None:
    assert run("train", "text.txt", "--model", "unigram", "--size", "300").code == 0
    assert (here / "models" / "unigram" / "manifest.json").exists()


def test_a_field_of_a_jsonl(run: Run, here: Path) -> None:
    rows = (here / "text.txt").read_text("utf-8").split("\n\n")
    lines = [f'{{"id": {number}, "body": "{row.strip()}"}}\n' for number, row in enumerate(rows)]
    (here / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    command = ["train", "rows.jsonl", "--model", "unigram", "--size", "300", "--out", "new"]
    assert run(*command, "--field", "body").code == 0


def test_dry_run_says_and_writes_nothing(run: Run, here: Path) -> None:
    before = files(here)
    command = ["train", "text.txt", "--model", "gpt", "--out", "new", "--dry-run"]
    assert "gpt" in run(*command, *SMALL).out
    (plan,) = run(*command, *SMALL, "--json").json
    assert plan["parameters"] > 100_000
    assert files(here) == before


def test_options_from_a_file(run: Run, here: Path) -> None:
    (here / "train.yaml").write_text("text: text.txt\nmodel: unigram\nsize: 300\nout: new\n")
    said = run("train", "--config", "train.yaml")
    assert said.code == 0, said.err
    given = run("train", "text.txt", "--model", "unigram", "--size", "300", "--out", "same")
    assert given.code == 0, given.err
    assert learned(here / "new") == learned(here / "same")


def test_a_large_text_is_learned_from_the_disk(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretell.corpus.streaming.LARGE_BYTES", 100_000)
    (here / "large.txt").write_text(write_text(200_000), encoding="utf-8")
    command = ["train", "large.txt", "--model", "lstm", "--out", "new", "--budget", "3k tokens"]
    said = run(*command, *SMALL, "--json")
    assert said.code == 0, said.err
    assert said.json["from_disk"] is True
    assert "copies and leaks are not looked for" in said.err
    assert models.load(here / "new").tokenizer.vocabulary_size == 300
    assert not (here / "new.checkpoints").exists()
    counted = run("train", "text.txt", "--model", "kneser-ney", "--out", "kn2", "--json", *SMALL)
    assert counted.json["from_disk"] is False


def test_tokens_beforehand(run: Run, here: Path, refused: Callable[..., str]) -> None:
    (here / "large.txt").write_text(write_text(200_000), encoding="utf-8")
    said = run("tokenizer", "apply", "large.txt", "--out", "tokens", "--size", "300")
    assert said.code == 0, said.err
    assert "foretell train tokens" in said.out
    command = ["train", "tokens", "--model", "gru", "--budget", "3k tokens", "--threads", "1"]
    (plan,) = run(*command, "--dry-run", "--json").json
    assert plan["parameters"] > 10_000
    said = run(*command, "--out", "new", "--json")
    assert said.code == 0, said.err
    assert said.json["from_disk"] is True
    assert "counts text" in refused("train", "tokens", "--model", "unigram", "--out", "x")
    assert "leave --tokenizer" in refused(*command, "--out", "x", "--size", "300")
    assert "exists" in refused("tokenizer", "apply", "large.txt", "--out", "tokens")
    (here / "tokens" / "00000.tokens").write_bytes(b"x")
    assert "damaged" in refused(*command, "--out", "x")


def test_refusals_of_options(refused: Callable[..., str]) -> None:
    command = ["train", "text.txt", "--out", "new"]
    assert "exists" in refused("train", "text.txt", "--out", "kn", "--model", "unigram")
    assert "threads" in refused(*command, "--threads", "0")
    assert "no size" in refused(*command, "--tokenizer", "bytes", "--size", "300")
    assert "at most" in refused(*command, "--size", "60000")
    assert "order" in refused(*command, "--model", "kneser-ney", "--order", "0", *SMALL)
    assert "--prune" in refused(*command, "--model", "kneser-ney", "--prune", "x", *SMALL)
    assert "budget" in refused(*command, "--budget", "5", *SMALL)


def test_refusals_of_text(refused: Callable[..., str], here: Path) -> None:
    (here / "empty.txt").write_bytes(b"")
    (here / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8)
    (here / "old.txt").write_bytes(("床前明月光，疑是地上霜。" * 300).encode("gb18030"))
    (here / "short.txt").write_text("Too short.\n")
    for name, word in [
        ("nowhere.txt", "does not exist"),
        ("empty.txt", "empty"),
        ("photo.jpg", "not text"),
        ("old.txt", "gb18030"),
        ("short.txt", "too short"),
    ]:
        said = refused("train", name, "--out", "new", "--model", "unigram")
        assert name in said or name == "short.txt"
        assert word in said


def test_a_rate_that_diverges_is_named_and_what_was_good_is_kept(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", 0.01)
    command = ["train", "text.txt", "--model", "gpt", "--out", "new", "--budget", "300k tokens"]
    said = run(*command, "--learning-rate", "100", *SMALL)
    assert said.code == 2
    line = said.err.splitlines()[-1]
    assert line.startswith("foretell: training diverged: the loss ")
    assert "The learning rate was 100; train again with --learning-rate 30 and" in line
    assert re.search(r"the checkpoint of update \d+ is kept in new\.checkpoints", line)
    assert not (here / "new").exists()
    assert list((here / "new.checkpoints").glob("0*/manifest.json"))


@pytest.mark.parametrize("value", ["0", "-1", ".nan", ".inf"])
def test_rates_that_are_none_are_refused(value: str, refused: Callable[..., str]) -> None:
    said = refused("train", "text.txt", "--out", "new", f"--learning-rate={value}")
    assert "--learning-rate must be more than 0" in said


def test_what_descends_alone_has_a_rate(refused: Callable[..., str]) -> None:
    for option, value in (("--learning-rate", "0.1"), ("--rows-at-once", "2")):
        command = ["train", "text.txt", "--out", "new", "--model", "kneser-ney"]
        assert f"leave {option} out" in refused(*command, option, value)
    said = refused(*command, "--rows-at-once=2", "--tracker=wandb")
    assert "leave --rows-at-once and --tracker out" in said
    assert "1 or more" in refused("train", "text.txt", "--out", "new", "--rows-at-once=0")


def test_too_little_memory_is_said_before_it_starts(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["train", "text.txt", "--out", "new", "--size", "300"]
    monkeypatch.setattr(plans, "free_memory", lambda: 380_000_000)
    said = refused(*command, "--model", "gpt2")
    assert re.search(r"takes about \d\.\d GB of memory, and 0\.4 GB are free; --rows", said)
    monkeypatch.setattr(plans, "free_memory", lambda: 500_000_000)
    said = refused(*command, "--parameters", "100M")
    assert re.search(r"; --parameters [\d.]+[kM] fits$", said)


def test_rows_at_once_change_nothing_but_memory(run: Run) -> None:
    command = ["train", "text.txt", "--model", "gru", "--budget", "2k tokens", "--json", *SMALL]
    bits = [
        run(*command, "--out", name, *option).json["bits_per_byte"]
        for name, option in (("whole", []), ("pieces", ["--rows-at-once", "3"]))
    ]
    assert bits[0] == pytest.approx(bits[1], abs=1e-5)


def test_a_tracker_that_is_not_there_is_named_before_anything_is_done(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    said = refused("train", "text.txt", "--out", "new", "--tracker", "trackio")
    assert said.endswith('--tracker trackio needs it: pip install "foretell[trackio]"')
