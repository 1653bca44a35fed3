"""Where a library is not installed, its door says how to install it."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from foretell.contracts.errors import MissingExtra

EXTRAS = ("nltk", "spacy", "gensim")


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_library_is_one_line(name, monkeypatch):
    for module in list(sys.modules):
        if module.startswith((f"foretell.interop.{name}", f"{name}.")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf'pip install "foretell\[{name}\]"$'):
        importlib.import_module(f"foretell.interop.{name}")


@pytest.mark.parametrize("name", EXTRAS)
def test_the_extra_is_there_and_developers_have_it(name):
    facts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    extras = facts["project"]["optional-dependencies"]
    assert any(requirement.startswith(f"{name}>=") for requirement in extras[name])
    assert any(name in requirement for requirement in extras["dev"])
