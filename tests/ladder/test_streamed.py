"""One model from tokens on the disk: made once, gone on from, never mixed up."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from foretell import models
from foretell.contracts.errors import DamagedModel, ForetellError, OutputExists
from foretell.ladder import streamed
from foretell.ladder.options import TrainOptions
from foretell.ladder.records import read_record
from foretell.storage import seal, size_of
from foretell.tokenizers import Bytes
from foretell.training.fit import Glance, Interrupted
from tests.cli.toy_text import write_text

OPTIONS = TrainOptions(model="gru", tokenizer="bytes", budget="3k tokens", threads=1)


class Listener:
    """Remembers what it was told, and asks to stop at a kind of news, if one is named."""

    def __init__(self, stop_at: str = "") -> None:
        self.told: list[str] = []
        self.stop_at = stop_at

    def stop(self) -> bool:
        return bool(self.told) and self.told[-1] == self.stop_at

    def reading(self, done: int, total: int) -> None:
        self.told.append("reading")

    def tokenising(self, done: int, total: int) -> None:
        assert done <= total
        self.told.append("tokenising")

    def streamed(self, text: streamed.StreamedText) -> None:
        self.text = text
        self.told.append("streamed")

    def learning(self, name: str) -> Callable[[Glance], None]:
        return lambda glance: self.told.append("learning")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(write_text(200_000), encoding="utf-8")
    return path


def train(out: Path, path: Path, options: TrainOptions = OPTIONS, stop_at: str = "") -> Listener:
    listener = Listener(stop_at)
    streamed.train_into(out, path, options, audience=listener, stop=listener.stop)
    return listener


def content(folder: Path) -> dict[str, bytes]:
    """What was learned; the record of the training has times."""
    names = ("config.json", "model.safetensors", "tokenizer.json")
    return {name: (folder / name).read_bytes() for name in names}


def test_an_interrupted_run_keeps_its_tokens_and_ends_where_a_whole_one_does(
    path: Path, tmp_path: Path
) -> None:
    listener = train(tmp_path / "whole", path)
    assert {"reading", "tokenising", "streamed", "learning"} == set(listener.told)
    assert listener.text.parts.passages
    assert listener.text.documents > 40
    with pytest.raises(Interrupted, match="goes on from here"):
        train(tmp_path / "again", path, stop_at="learning")
    assert (tmp_path / "again.checkpoints" / "tokens").is_dir()
    listener = train(tmp_path / "again", path)
    assert not {"reading", "tokenising"} & set(listener.told)
    assert content(tmp_path / "again") == content(tmp_path / "whole")
    assert not (tmp_path / "again.checkpoints").exists()


@pytest.mark.parametrize("when", ["reading", "tokenising"])
def test_a_stop_before_the_tokens_are_there_leaves_nothing(
    when: str, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foretell.corpus.token_shards.CHUNK_CHARACTERS", 10_000)
    with pytest.raises(Interrupted, match="nothing was kept"):
        train(tmp_path / "out", path, stop_at=when)
    assert [each.name for each in tmp_path.iterdir()] == ["text.txt"]


CHANGES = {
    "text": "another text;",
    "tokenizer": "another tokenizer;",
    "seed": "another seed;",
    "budget": "another budget",
}


@pytest.mark.parametrize("change", CHANGES)
def test_tokens_of_another_run_are_refused(change: str, path: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(tmp_path / "out", path, stop_at="learning")
    changes: dict[str, Any] = {
        "tokenizer": {"tokenizer": "characters"},
        "seed": {"seed": 1},
        "budget": {"budget": "4k tokens"},
    }
    if change == "text":
        path.write_text(write_text(200_000, seed=1), encoding="utf-8")
    with pytest.raises(ForetellError, match=CHANGES[change]):
        train(tmp_path / "out", path, replace(OPTIONS, **changes.get(change, {})))


def test_tokens_that_are_made_beforehand_give_the_same_model(path: Path, tmp_path: Path) -> None:
    train(tmp_path / "straight", path)
    streamed.tokenise(path, tmp_path / "tokens", OPTIONS)
    before = size_of(tmp_path / "tokens")
    options = replace(OPTIONS, tokenizer="bpe")
    train(tmp_path / "out", tmp_path / "tokens", options)
    assert content(tmp_path / "out") == content(tmp_path / "straight")
    assert size_of(tmp_path / "tokens") == before
    # They stand alone: the text may be gone.
    shutil.move(tmp_path / "tokens", tmp_path / "moved")
    path.unlink()
    train(tmp_path / "third", tmp_path / "moved", options)
    assert content(tmp_path / "third") == content(tmp_path / "straight")


def test_a_given_tokenizer_is_taken(path: Path, tmp_path: Path) -> None:
    text = streamed.tokenise(path, tmp_path / "tokens", TrainOptions(), tokenizer=Bytes())
    assert text.tokenizer.name == "bytes"
    assert streamed.open_streamed(tmp_path / "tokens").tokenizer.name == "bytes"
    assert text.tokens < text.bytes


def test_a_plan_writes_nothing(path: Path, tmp_path: Path) -> None:
    plan = streamed.plan(path, OPTIONS)
    assert plan.parameters is not None
    assert [each.name for each in tmp_path.iterdir()] == ["text.txt"]
    streamed.tokenise(path, tmp_path / "tokens", OPTIONS)
    assert streamed.plan(tmp_path / "tokens", replace(OPTIONS, tokenizer="bpe")) == plan


def test_tokens_are_whole_or_not_there(path: Path, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> Iterator[str]:
        yield "the sea " * 90_000
        raise OSError("the disk is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed, "read_learned", broken)
        with pytest.raises(OSError, match="the disk is gone"):
            streamed.tokenise(path, tmp_path / "tokens", OPTIONS)
    assert [each.name for each in tmp_path.iterdir()] == ["text.txt"]
    streamed.tokenise(path, tmp_path / "tokens", OPTIONS)
    assert streamed.holds_tokens(tmp_path / "tokens")
    with pytest.raises(OutputExists):
        streamed.tokenise(path, tmp_path / "tokens", OPTIONS)


@pytest.mark.parametrize("name", ["00000.tokens", "00000.starts", "tokens.json", "parts.json"])
def test_damage_is_found(name: str, path: Path, tmp_path: Path) -> None:
    streamed.tokenise(path, tmp_path / "tokens", OPTIONS)
    file = tmp_path / "tokens" / name
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    with pytest.raises(DamagedModel, match="damaged"):
        streamed.open_streamed(tmp_path / "tokens")
    file.unlink()
    with pytest.raises(DamagedModel, match="missing"):
        streamed.open_streamed(tmp_path / "tokens")


def test_another_kind_of_folder_is_refused(path: Path, tmp_path: Path) -> None:
    streamed.tokenise(path, tmp_path / "tokens", OPTIONS)
    seal(tmp_path / "tokens", {"format": "foretell-index-1"})
    with pytest.raises(DamagedModel, match="holds no tokens"):
        streamed.open_streamed(tmp_path / "tokens")


def test_refusals(path: Path, tmp_path: Path) -> None:
    streamed.tokenise(path, tmp_path / "tokens", OPTIONS)
    for options, match in (
        (replace(OPTIONS, tokenizer="words"), "leave --tokenizer and --size out"),
        (TrainOptions(model="gru", size=300), "leave --tokenizer and --size out"),
        (TrainOptions(model="kneser-ney"), "counts text"),
    ):
        with pytest.raises(ForetellError, match=match):
            train(tmp_path / "out", tmp_path / "tokens", options)
    assert not (tmp_path / "out.checkpoints").exists()


def test_the_model_is_a_model_with_a_record(path: Path, tmp_path: Path) -> None:
    train(tmp_path / "out", path, replace(OPTIONS, model="gpt"))
    assert models.load(tmp_path / "out").tokenizer.name == "bytes"
    record = read_record(tmp_path / "out")
    assert record.text == str(path)
    assert record.from_disk
    with pytest.raises(ForetellError, match="not read into memory again"):
        record.load_text()
    assert (tmp_path / "out" / "training.jsonl").exists()
