"""Trackers: told what a run is and how it goes, theirs goes on where ours does."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foretell.contracts.errors import ForetellError
from foretell.training import journal, trackers
from foretell.training.journal import Journal
from foretell.training.trackers import Tracker
from tests.training.test_journal import glance


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What a tracker was told, in place of the tracker."""
    calls: list[tuple[str, Any]] = []

    def init(**about: Any) -> None:
        print("* begun")
        calls.append(("init", about))

    fake = SimpleNamespace(
        init=init,
        log=lambda entry, step: calls.append(("log", (step, entry))),
        finish=lambda exit_code=0: calls.append(("finish", exit_code)),
        origin="somewhere",
    )
    monkeypatch.setattr(trackers, "find_spec", lambda name: fake)
    monkeypatch.setattr(trackers, "import_module", lambda name: fake)
    monkeypatch.setattr(journal, "SECONDS", 0.0)
    return calls


@pytest.mark.parametrize("kind", ["wandb", "trackio"])
def test_a_run_taken_up_again_is_the_same_run(
    kind: str, told: list[tuple[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for updates in (1, 2):
        tracker = Tracker(kind, "mine", {"seed": 3})
        with Journal(tmp_path, tensorboard=False, tracker=tracker) as watch:
            watch(glance(updates, updates))
    names = [name for name, _ in told]
    assert names == ["init", "log", "finish"] * 2
    first, again = told[0][1], told[3][1]
    assert first == again
    assert first["name"].startswith("mine-")
    assert first["config"] == {"seed": 3}
    assert first["resume"] == "allow"
    assert ("id" in first) == (kind == "wandb")
    step, entry = told[4][1]
    assert (step, entry["tokens"], entry["tokens_per_second"]) == (2, 200, 200.0)
    assert capsys.readouterr().out == ""


def test_another_run_has_another_name(told: list[tuple[str, Any]], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Tracker("wandb", "mine", {}).start(tmp_path / name).close()
    assert told[0][1]["name"] != told[2][1]["name"]


def test_a_tracker_that_breaks_is_told_no_more_and_the_run_goes_on(
    told: list[tuple[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log(entry: Any, step: int) -> None:
        raise ConnectionError

    monkeypatch.setattr(trackers.import_module("wandb"), "log", log)
    with Journal(tmp_path, tensorboard=False, tracker=Tracker("wandb", "mine", {})) as watch:
        with pytest.warns(UserWarning, match="wandb is told no more: ConnectionError"):
            watch(glance(1, 1))
        watch(glance(2, 2))
    assert told[-1] == ("finish", 0)
    with (
        pytest.raises(KeyboardInterrupt),
        Journal(tmp_path, tensorboard=False, tracker=Tracker("wandb", "mine", {})),
    ):
        raise KeyboardInterrupt
    assert told[-1] == ("finish", 1)


def test_a_folder_of_that_name_is_no_tracker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nothing_but_a_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ForetellError, match="needs it"):
        trackers.refuse_missing("nothing_but_a_folder")


def test_a_tracker_that_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def init(**about: Any) -> None:
        raise RuntimeError("No account.\nRead our page.")

    fake = SimpleNamespace(init=init, origin="somewhere")
    monkeypatch.setattr(trackers, "find_spec", lambda name: fake)
    monkeypatch.setattr(trackers, "import_module", lambda name: fake)
    journal = Journal(tmp_path, tracker=Tracker("wandb", "mine", {}))
    with pytest.raises(ForetellError, match=r"wandb does not begin a run: No account; set it up"):
        journal.__enter__()


@pytest.mark.parametrize("kind", ["wandb", "trackio"])
def test_the_real_ones_take_it(kind: str, tmp_path: Path) -> None:
    """In a process of its own: they start threads, and write where they are."""
    pytest.importorskip(kind)
    script = (
        "import sys; from pathlib import Path\n"
        "from foretell.training.trackers import Tracker\n"
        "run = Tracker(sys.argv[1], 'mine', {'seed': 3}).start(Path('.'))\n"
        "run.log({'tokens': 10.0}, 1); run.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, kind],
        cwd=tmp_path,
        env={
            **os.environ,
            "WANDB_MODE": "offline",
            "TRACKIO_DIR": str(tmp_path / "trackio"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert any((tmp_path / kind).iterdir())
