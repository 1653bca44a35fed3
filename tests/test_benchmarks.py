import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_last_line_is_the_result() -> None:
    done = bench("spine", "6", "--quick")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["area"], found["bar"]) == ("spine", 6)
    assert found["met"] in (True, False)
    assert found["figures"]["quick"] is True
    assert found["figures"]["loaded"] == []
    assert "median" in done.stderr


@pytest.mark.parametrize("arguments", [("spine", "0"), ("spine", "9"), ("ribs", "1")])
def test_there_is_no_other_bar(arguments: tuple[str, ...]) -> None:
    assert bench(*arguments).returncode == 2
