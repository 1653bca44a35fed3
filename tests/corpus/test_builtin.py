import subprocess
import sys
import sysconfig
import types
from pathlib import Path

import pytest

from foretell.contracts.errors import TextError
from foretell.corpus.builtin import builtin_documents

LIBRARY = {
    "good.py": '"""Module."""\nclass A:\n    """%s\n\n        Indented.\n    """\n'
    '    async def f(self):\n        """Method."""\n\ndef g():\n    "No triple."\n'
    % ("long " * 50),
    "short.py": '"""Too short."""\n',
    "broken.py": f'"""{"long " * 50}"""\ndef (:\n',
    "test/test_it.py": f'"""{"long " * 50}"""\n',
    "site-packages/other.py": f'"""{"long " * 50}"""\n',
    "escape.py": f'"""{"long " * 50}"""\nx = "\\d"\n',
}


def test_docstrings_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, source in LIBRARY.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    documents = list(builtin_documents())
    assert [document.name for document in documents] == ["escape.py", "good.py"]
    long = ("long " * 50).strip()
    assert documents[1].text == (f"Module.\n\n{long} \n\nIndented.\n\nMethod.\n\nNo triple.")


def test_topics_inside_longer_ones_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paragraphs = [f"Paragraph {i} of the reference." for i in range(9)]
    module = types.ModuleType("pydoc_data.topics")
    module.topics = {  # type: ignore[attr-defined]
        "inner": "\n\n".join(["Head", *paragraphs[2:6]]),
        "other": "\n\n".join(["Of its own, at some length", *paragraphs[:1]]),
        "outer": "\n\n".join(paragraphs),
    }
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", module)
    assert [document.name for document in builtin_documents()] == ["topic other", "topic outer"]


def test_nothing_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(TextError, match="no built-in text"):
        list(builtin_documents())


def test_the_real_library_without_docstrings_in_memory() -> None:
    script = (
        "from foretell.corpus.builtin import builtin_documents as b\n"
        "import sys\n"
        "names = {d.name: len(d.text) for d in b()}\n"
        "sys.stdout.write(f\"{len(names)} {sum(names.values())} {'json/decoder.py' in names}\")"
    )
    done = subprocess.run(
        [sys.executable, "-OO", "-c", script], capture_output=True, text=True, check=True
    )
    count, size, decoder = done.stdout.split()
    assert int(count) > 200
    assert int(size) > 1_000_000
    assert decoder == "True"
