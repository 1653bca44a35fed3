"""Code in the documentation runs as it is pasted."""

import re
import sys
from pathlib import Path

import pytest

from foretell.cli.task import NAMES

PAGES = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
NEEDS = ("keras", "nltk", "spacy", "gensim")
ECOSYSTEM = BLOCK.findall((PAGES / "ecosystem.md").read_text("utf-8"))


def test_there_are_blocks_for_each_door() -> None:
    assert all(any(f"interop.{name}" in block for block in ECOSYSTEM) for name in NEEDS)


@pytest.mark.parametrize("number", range(len(ECOSYSTEM)))
def test_the_ecosystem_page_runs(number, tmp_path, monkeypatch, capsys) -> None:
    for name in NEEDS:
        if name in ECOSYSTEM[number]:
            pytest.importorskip("tensorflow" if name == "keras" else name)
    if "spacy" in ECOSYSTEM[number]:
        # Where foretell is installed its entry point does this; a working copy may have none.
        import foretell.interop.spacy  # noqa: F401
    monkeypatch.chdir(tmp_path)
    if "nltk" in ECOSYSTEM[number]:
        monkeypatch.setattr(sys.modules["nltk"].data, "path", [])
    exec(compile(ECOSYSTEM[number], f"ecosystem.md, block {number}", "exec"), {})
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_each_application_has_a_page_that_runs(name, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    page = (PAGES / "applications" / f"{name}.md").read_text("utf-8")
    assert all(heading in page for heading in ("## What to expect", "## What it gets wrong"))
    blocks = BLOCK.findall(page)
    assert blocks
    for block in blocks:
        exec(compile(block, name, "exec"), {})
        assert capsys.readouterr().out
