"""What training wrote, opened again."""

from pathlib import Path

import pytest

from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.storage import seal
from foretell.tasks.folders import opening, refuse_missing, rungs_in


def test_kinds_are_told_from_the_quickest(tmp_path: Path) -> None:
    for name in ("adapted", "count", "kept", "recurrent"):
        (tmp_path / name).mkdir()
    assert rungs_in(tmp_path) == ["count", "recurrent", "adapted"]
    with pytest.raises(ForetellError, match="holds no lead; it holds count, recurrent, adapted"):
        refuse_missing(tmp_path, "lead", rungs_in(tmp_path))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    seal(tmp_path, {"rung": "recurrent"})
    with opening(tmp_path) as facts:
        assert facts["rung"] == "recurrent"
    extra = pytest.raises(MissingExtra, match=r'pip install "foretell\[neural\]"$')
    with extra, opening(tmp_path):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    with pytest.raises(ModuleNotFoundError), opening(tmp_path):
        raise ModuleNotFoundError("No module named 'other'", name="other")
    damaged = pytest.raises(DamagedModel, match="cannot be read: KeyError: 'tags'; train again")
    with damaged, opening(tmp_path) as facts:
        facts["tags"]
