"""Text that every Python brings along, so that foretell can show itself without a download.

The standard library's documentation, in English: the help topics of `pydoc`, and the docstrings
of the modules. It differs a little from one version of Python to the next.
"""

from __future__ import annotations

import ast
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

from foretell.contracts.corpus import Document
from foretell.contracts.errors import TextError

TITLE = "Python's own documentation (built in)"

_SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "pydoc_data"}
)
_SHORTEST_BYTES = 200
_REPEATED_SHARE = 0.8
_TRIPLE_QUOTED = re.compile(rb'"""(.*?)"""|\'\'\'(.*?)\'\'\'', re.DOTALL)


def builtin_documents() -> Iterator[Document]:
    """A document a help topic, then a document a module with its docstrings in their order.

    Modules with few docstrings are left out, and topics that stand inside a longer one.

    Reads source files and imports none of them, so that nothing runs and `python -OO`, which
    drops docstrings, changes nothing. Raises TextError where Python came without sources.
    """
    found = False
    for name, text in sorted(_distinct(_topics()).items()):
        found = True
        yield Document(text, f"topic {name}")
    library = Path(sysconfig.get_path("stdlib"))
    for path in _modules(library):
        text = _docstrings(path)
        if len(text.encode("utf-8", "replace")) >= _SHORTEST_BYTES:
            found = True
            yield Document(text, path.relative_to(library).as_posix())
    if not found:
        raise TextError(
            f"there is no built-in text, as {library} holds no sources. Give a text of your own"
        )


def _topics() -> dict[str, str]:
    """Help topics by name; none where the system packages Python without them (Debian)."""
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return {}
    return topics


def _distinct(topics: dict[str, str]) -> dict[str, str]:
    """Topics that are not, but for a fifth, paragraphs of longer ones.

    The help repeats whole chapters of the reference under narrower names, which the search for
    near copies, made for texts of one length, does not see.
    """
    told: set[str] = set()
    kept = {}
    for name, text in sorted(topics.items(), key=lambda topic: (-len(topic[1]), topic[0])):
        paragraphs = [paragraph.strip() for paragraph in text.split("\n\n")]
        repeated = sum(len(paragraph) for paragraph in paragraphs if paragraph in told)
        if repeated <= _REPEATED_SHARE * sum(map(len, paragraphs)):
            kept[name] = text
            told.update(paragraphs)
    return kept


def _modules(library: Path) -> list[Path]:
    found: list[Path] = []
    for folder, folders, names in os.walk(library):
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
        found.extend(Path(folder, name) for name in names if name.endswith(".py"))
    return sorted(found)


def _docstrings(path: Path) -> str:
    """Docstrings of the module, its classes and functions; none if it does not parse."""
    try:
        source = path.read_bytes()
        # Parsing is nearly all of the time, and a third of the modules have next to no docstrings.
        if sum(map(len, map(b"".join, _TRIPLE_QUOTED.findall(source)))) < _SHORTEST_BYTES:
            return ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return ""
    found: list[str] = []
    _collect(tree, found)
    return "\n\n".join(found)


def _collect(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, found: list[str]
) -> None:
    docstring = ast.get_docstring(node, clean=False)
    if docstring is not None and (text := cleandoc(docstring).strip()):
        found.append(text)
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _collect(child, found)
