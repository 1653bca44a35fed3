"""Lines while a run goes on: each update once, also after a kill."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from foretell.evaluation.results import CurvePoint
from foretell.training import journal
from foretell.training.fit import Glance
from foretell.training.journal import LINES, Journal


def glance(updates: int, looks: int = 0, spent: float = 0.5) -> Glance:
    curve = tuple(CurvePoint(n, n, 3.0 - n) for n in range(looks))
    return Glance(spent, 0.5 * updates, 100 * updates, updates, 2.5, 200.0, curve)


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / LINES).read_text("utf-8").splitlines()]


def test_a_line_now_and_then_at_each_look_and_at_the_end(tmp_path: Path) -> None:
    with Journal(tmp_path, tensorboard=False) as watch:
        for updates, looks in ((1, 0), (2, 0), (3, 1), (4, 1)):
            watch(glance(updates, looks))
        watch(glance(5, 1, spent=1.0))
    found = lines(tmp_path)
    assert [line["updates"] for line in found] == [1, 3, 5]
    assert found[1]["held_out_bits_per_byte"] == 3.0
    assert "held_out_bits_per_byte" not in found[2]
    assert found[0]["tokens_per_second"] == 200.0
    assert found[0]["memory_bytes"] > 1e6


def test_what_a_kill_left_beyond_the_checkpoint_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SECONDS", 0.0)
    with Journal(tmp_path, tensorboard=False) as watch:
        for updates in range(1, 6):
            watch(glance(updates))
    with (tmp_path / LINES).open("a") as file:
        file.write('{"updates": 6, "tok')
    with Journal(tmp_path, tensorboard=False) as watch:
        for updates in range(3, 5):
            watch(glance(updates))
    assert [line["updates"] for line in lines(tmp_path)] == [1, 2, 3, 4]


def test_tensorboard_does_without_tensorflow(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from foretell.training.journal import Journal\n"
        f"Journal(Path({str(tmp_path)!r})).__enter__()\n"
        "assert 'torch.utils.tensorboard' in sys.modules; assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
