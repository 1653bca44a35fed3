"""The main job from end to end on a toy text: the slowest of the fast tests."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from foretell.storage import locked
from tests.cli.conftest import Run, files
from tests.cli.toy_text import write_text

RUNGS = "unigram:bpe:300,kneser-ney:bpe:300,kneser-ney:bytes,lstm:bpe:300"
TOKENS = '{"lstm-bpe-300": 8000}'
"""Fixed, so that the test is as quick as the machine, and no busy machine skips the network."""
COMMAND = (
    *("compare", "notes.txt", "--budget", "20s", "--threads", "1"),
    *("--rungs", RUNGS, "--tokens", TOKENS),
)


@pytest.fixture
def notes(here: Path) -> Path:
    file = here / "notes.txt"
    file.write_text(write_text(80_000, seed=5), encoding="utf-8")
    return file


def test_the_main_job(run: Run, here: Path, notes: Path) -> None:
    said = run(*COMMAND)
    assert said.code == 0, said.err
    assert "bits/byte" in said.out
    assert "foretell generate" in said.out
    out = here / "runs" / "notes"
    assert "<html" in (out / "report.html").read_text("utf-8")[:200]
    assert not (out / "work").exists()
    assert not [e for e in out.rglob(".*") if e.name != ".lock"]

    # The config that it wrote says what each network read.
    config = yaml.safe_load((out / "compare.yaml").read_text("utf-8"))
    assert config["text"] == "notes.txt"
    assert set(config["tokens"]) == {"lstm-bpe-300"}

    # The best model is whole, obeys the laws and writes on.
    assert run("verify", str(out / "best")).code == 0
    assert run("generate", str(out / "best"), "The cat", "--max_tokens", "10").code == 0

    # Given again, nothing is trained again, and the numbers are the same.
    rungs = files(out / "rungs")
    again = run(*COMMAND, "--json")
    assert again.code == 0, again.err
    assert files(out / "rungs") == rungs
    found = again.json
    names = [rung["family"] for rung in found["rungs"]]
    assert again.err.count("from before") == len(names)
    # A toy text may leave a network no weight beside the 5-gram; then it says so.
    assert ("mixture" in names) != ("mixture" in found["skipped"])
    assert sorted({*names} - {"mixture"}) == ["kneser-ney", "lstm", "unigram"]
    bits = [rung["bits_per_byte"]["value"] for rung in found["rungs"]]
    assert bits == sorted(bits)
    assert found["languages"] == "English and Chinese"
    assert all(rung["laws_failed"] == [] for rung in found["rungs"])
    for mixture in [rung for rung in found["rungs"] if rung["family"] == "mixture"]:
        assert sum(mixture["weights"].values()) == pytest.approx(1)

    # In Chinese, from the same rungs.
    chinese = run(*COMMAND, "--language", "zh")
    assert chinese.code == 0, chinese.err
    assert "文本" in chinese.out
    assert 'lang="zh' in (out / "report.html").read_text("utf-8")

    # Another seed, rungs or text is another comparison.
    before = files(out)
    for changed in (("--seed", "1"), ("--budget", "30s")):
        other = run(*COMMAND, *changed)
        assert other.code == 2
        assert "other options" in other.err
    notes.write_text(write_text(80_000, seed=6), encoding="utf-8")
    other = run(*COMMAND)
    assert other.code == 2
    assert "another text" in other.err
    assert files(out) == before


@pytest.mark.slow
def test_a_finished_comparison_is_repeated_exactly_by_its_config(
    run: Run, here: Path, notes: Path
) -> None:
    """The first run went by the clock; repeats go by its tokens, however fast the machine."""
    rungs = "kneser-ney:bpe:300,gru:bpe:300"
    first = run("compare", "notes.txt", "--budget", "10s", "--threads", "1", "--rungs", rungs)
    assert first.code == 0, first.err
    out = here / "runs" / "notes"
    for name in ("once", "twice"):
        again = run("compare", "--config", str(out / "compare.yaml"), "--out", name, "--json")
        assert again.code == 0, again.err
        assert again.json["title"] == "notes.txt"
    for name in ("gru-bpe-300", "kneser-ney-bpe-300"):
        a, b = (
            json.loads((folder / "rungs" / name / "rung.json").read_text("utf-8"))
            for folder in (here / "once", here / "twice")
        )
        assert a["score"] == b["score"], name


def test_the_text_may_stand_in_the_config(run: Run, here: Path, notes: Path) -> None:
    (here / "c.yaml").write_text("text: notes.txt\nbudget: 20s\nrungs: gru:bpe:300\n")
    plan = run("compare", "--config", "c.yaml", "--dry-run", "--json").json
    counting = next(step for step in plan if step["name"].startswith("kneser-ney"))
    # Its estimate grows with the text, and the embedded one is far larger.
    assert counting["memory"] < 100 * len(notes.read_bytes())


def test_dry_run_says_and_writes_nothing(run: Run, here: Path, notes: Path) -> None:
    before = files(here)
    assert "lstm-bpe-300" in run(*COMMAND, "--dry-run").out
    plan = run(*COMMAND, "--dry-run", "--json").json
    assert [step["name"] for step in plan] == RUNGS.replace(":", "-").split(",")
    assert files(here) == before


def test_refusals(refused: Callable[..., str], here: Path, notes: Path) -> None:
    (here / "config.yaml").write_text("bugdet: 5m\n")
    compare = ["compare", "notes.txt", "--budget", "20s", "--out", "out"]
    assert "budget of time" in refused("compare", "notes.txt", "--budget", "3 passes")
    assert "cannot read" in refused("compare", "notes.txt", "--budget", "5")
    assert "bert" in refused(*compare, "--rungs", "bert")
    assert "letters" in refused(*compare, "--rungs", "lstm:letters")
    assert "twice" in refused(*compare, "--rungs", "lstm,lstm")
    assert "cannot read" in refused(*compare, "--rungs", "lstm:bytes:300")
    assert "bugdet" in refused("compare", "notes.txt", "--config", "config.yaml")
    assert "threads" in refused(*compare, "--threads", "0")


def test_a_vocabulary_larger_than_the_text_is_refused(
    refused: Callable[..., str], notes: Path
) -> None:
    compare = ["compare", "notes.txt", "--budget", "20s", "--out", "out"]
    assert "at most" in refused(*compare, "--rungs", "gru:bpe:60000")


def test_a_folder_with_something_else_is_refused(
    refused: Callable[..., str], here: Path, notes: Path
) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "letter.txt").write_text("keep me")
    assert "something else" in refused("compare", "notes.txt", "--out", "mine")


def test_a_folder_in_use_is_refused(refused: Callable[..., str], here: Path, notes: Path) -> None:
    with locked(here / "out"):
        assert "in use" in refused("compare", "notes.txt", "--out", "out")


def test_a_model_from_elsewhere_is_measured_beside_the_ladder(
    run: Run, refused: Callable, here: Path, notes: Path
) -> None:
    """lstm learned from another text; its tokens get a 5-gram and a mixture of their own."""
    command = ["compare", "notes.txt", "--budget", "20s", "--threads", "1"]
    command += ["--rungs", "kneser-ney:bytes"]
    assert "there is no model none" in refused(*command, "--with", "none")
    assert "named twice" in refused(*command, "--with", "lstm,lstm")
    said = run(*command, "--with", "lstm", "--json")
    assert said.code == 0, said.err
    rungs = {Path(rung["folder"]).parent.name or "lstm": rung for rung in said.json["rungs"]}
    assert {"lstm", "kneser-ney-lstm", "kneser-ney-bytes"} <= rungs.keys()
    lstm = rungs["lstm"]
    assert lstm["train_seconds"] == 0
    assert "may have read" in " ".join(lstm["settings"]["notices"])
    assert ("mixture-lstm" in rungs) != ("mixture-lstm" in said.json["skipped"])
    config = yaml.safe_load((here / "runs" / "notes" / "compare.yaml").read_text("utf-8"))
    assert config["with"] == "lstm"
    assert config["tokens"] == {}
    again = run(*command, "--with", "lstm")
    assert again.err.count("from before") == len(rungs)
    assert run("verify", str(here / "runs" / "notes" / "best")).code == 0


def test_a_model_that_read_what_is_held_out_is_refused(
    run: Run, refused: Callable, notes: Path
) -> None:
    train = ["train", "notes.txt", "--out", "mine", "--model", "kneser-ney", "--seed", "1"]
    assert run(*train, "--tokenizer", "bytes", "--threads", "1").code == 0
    command = ["compare", "notes.txt", "--budget", "20s", "--rungs", "kneser-ney:bytes"]
    assert "give --seed 1" in refused(*command, "--with", "mine", "--threads", "1")
