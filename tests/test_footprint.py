"""Memory: a container's limit counts, and a peak is this process's own."""

import subprocess
import sys
from pathlib import Path

import pytest

from foretell import footprint


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Files that say what a container may have, and has; `parts` beside them says of what kind."""
    limit, used = tmp_path / "limit", tmp_path / "used"
    monkeypatch.setattr(footprint, "LIMITS", (str(tmp_path / "none"), str(limit)))
    monkeypatch.setattr(footprint, "USES", (str(used),))
    monkeypatch.setattr(footprint, "PARTS", (str(tmp_path / "parts"),))
    return limit, used


def test_a_machine_has_what_its_system_says(container: tuple[Path, Path]) -> None:
    whole = footprint.whole_memory()
    assert whole > 1e8
    assert 0 < footprint.free_memory() <= whole
    # Without a limit, as the newer and the older Linux write it.
    for said in ("max\n", f"{2**63 - 4096}\n"):
        container[0].write_text(said)
        assert footprint.whole_memory() == whole


def test_a_container_has_what_its_limit_says(container: tuple[Path, Path]) -> None:
    limit, used = container
    limit.write_text("104857600\n")
    assert footprint.whole_memory() == footprint.free_memory() == 104_857_600
    used.write_text("100000000\n")
    assert footprint.free_memory() == 4_857_600
    used.write_text("110000000\n")
    assert footprint.free_memory() == 0


@pytest.mark.parametrize(
    "parts",
    [
        "anon 9\nactive_file 20000000\ninactive_file 30000000\n",
        "active_file 1\ninactive_file 2\ntotal_active_file 50000000\ntotal_inactive_file 0\n",
    ],
)
def test_copies_of_files_give_way(container: tuple[Path, Path], parts: str) -> None:
    limit, used = container
    limit.write_text("104857600\n")
    used.write_text("100000000\n")
    (used.parent / "parts").write_text(parts)
    assert footprint.free_memory() == 54_857_600


def test_a_peak_stays_and_is_a_process_of_its_own() -> None:
    """Also below the peak of whoever started it."""
    script = (
        "from foretell.footprint import peak_memory as peak; first = peak()\n"
        "block = bytearray(b'ab') * 50_000_000; del block\n"
        "print(first, peak())\n"
    )
    block = bytearray(b"ab") * 150_000_000
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    first, last = map(int, done.stdout.split())
    assert first < 200_000_000 < len(block)
    assert 90_000_000 < last - first < 200_000_000


def test_where_no_peak_is_kept_there_is_what_is_held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where Linux is imitated, and its status says less."""
    (tmp_path / "less").write_text("Name:\tpython\n")
    for name in ("none", "less"):
        monkeypatch.setattr(footprint, "STATUS", str(tmp_path / name))
        assert 1e6 < footprint.peak_memory() <= footprint.whole_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is given back")
def test_what_was_freed_is_given_back() -> None:
    script = (
        "import psutil; from foretell.footprint import give_back_memory\n"
        "held = lambda: psutil.Process().memory_info().rss\n"
        "blocks = [bytearray(b'a') * 100_000 for _ in range(2_000)]; last = blocks.pop()\n"
        "del blocks; before = held(); give_back_memory(); print(before - held())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) > 100_000_000
