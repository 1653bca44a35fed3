import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from foretell.cli.main import main
from tests.cli.toy_text import write_text


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture(autouse=True)
def _process() -> Iterator[None]:
    """The command line changes how this process takes a closed pipe and how many cores it uses:
    change the one back, and begin with one core, which is faster for toys and beside others."""
    before = signal.getsignal(signal.SIGPIPE)
    torch.set_num_threads(1)
    yield
    signal.signal(signal.SIGPIPE, before)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """text.txt, chinese.txt and three models of text.txt: kn/, unigram/, lstm/."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "text.txt").write_text(write_text(64_000), encoding="utf-8")
    (folder / "chinese.txt").write_text(write_text(64_000, chinese=1.0), encoding="utf-8")
    text = str(folder / "text.txt")
    common = ["--size", "300", "--threads", "1"]
    for name, family in (("kn", "kneser-ney"), ("unigram", "unigram"), ("lstm", "lstm")):
        budget = ["--budget", "6k tokens"] if family == "lstm" else []
        command = ["train", text, "--out", str(folder / name), "--model", family]
        assert main([*command, *common, *budget]) == 0
    return folder


TIMED = ("training.json", "training.jsonl", "manifest.json")
"""Files of a model that say how long it took, or hold a checksum of one that does."""


def learned(folder: Path) -> dict[str, bytes | None]:
    """What `files` finds, without what differs between runs that learned the same."""
    kept = {name: content for name, content in files(folder).items() if name not in TIMED}
    return {name: content for name, content in kept.items() if "tensorboard" not in name}


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of this test's own, with copies of what was made."""
    folder = tmp_path / "here"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(here: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code = main(list(arguments))
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


def files(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def refused(run: Run, here: Path) -> Callable[..., str]:
    """Runs what must be refused: exit code 2, one line, nothing written. Gives the message."""

    def call(*arguments: str) -> str:
        before = files(here)
        said = run(*arguments)
        assert said.code == 2
        assert files(here) == before
        assert said.out == ""
        lines = said.err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("foretell: ")
        return lines[0]

    return call
