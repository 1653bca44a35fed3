"""Facts that someone else wrote, in a file that may be damaged: asked for by name, and refused by
name where they cannot be what was asked for.

    fields = Fields("config.json", {"hidden_size": 64, "rope_theta": "big"})
    fields.whole("hidden_size")     64
    fields.real("rope_theta")       DamagedModel: config.json: rope_theta is 'big', no number; ...
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from foretell.contracts.errors import DamagedModel

LARGEST = 2**31 - 1
LONGEST_JSON = 2**28
"""Bytes; vocabularies of a million words have a tenth of it."""


class Fields:
    """See the module. Where a default is given, a fact may be missing or null."""

    def __init__(self, where: str, facts: Mapping[str, Any]) -> None:
        self.where, self.facts = where, facts

    def whole(
        self, name: str, default: int | None = None, *, least: int = 1, most: int = LARGEST
    ) -> int:
        """A whole number from least to most."""
        found = self._find(name, default)
        if isinstance(found, bool) or not isinstance(found, int):
            raise self.damaged(name, f"is {_short(found)}, no whole number")
        if not least <= found <= most:
            raise self.damaged(name, f"is {_short(found)}, and not from {least} to {most}")
        return found

    def real(self, name: str, default: float | None = None) -> float:
        """A finite number above 0."""
        found = self._find(name, default)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.damaged(name, f"is {_short(found)}, no number")
        if not 0 < found <= 2**63 or not isfinite(found):
            raise self.damaged(name, f"is {_short(found)}, no positive finite number")
        return float(found)

    def flag(self, name: str, default: bool | None = None) -> bool:
        found = self._find(name, default)
        if not isinstance(found, bool):
            raise self.damaged(name, f"is {_short(found)}, neither true nor false")
        return found

    def word(self, name: str, default: str | None = None) -> str:
        found = self._find(name, default)
        if not isinstance(found, str):
            raise self.damaged(name, f"is {_short(found)}, no text")
        return found

    def token(self, name: str, vocabulary: int) -> int | None:
        """One token of a vocabulary, the first where there are several; None if there is none."""
        found = self.facts.get(name)
        if isinstance(found, list) and found:
            found = found[0]
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < vocabulary:
            raise self.damaged(name, f"is {_short(found)}, no token of {vocabulary}")
        return found

    def inside(self, name: str) -> Fields:
        """The facts within a fact; none where it is missing or null."""
        found = self.facts.get(name)
        if found is None:
            found = {}
        if not isinstance(found, Mapping):
            raise self.damaged(name, f"is {_short(found)}, and has no facts inside")
        return Fields(f"{self.where}: {name}", found)

    def damaged(self, name: str, problem: str) -> DamagedModel:
        return DamagedModel(f"{self.where}: {name} {problem}; get the file again")

    def _find(self, name: str, default: Any) -> Any:
        found = self.facts.get(name)
        if found is None:
            found = default
        if found is None:
            raise self.damaged(name, "is missing")
        return found


def read_fields(path: Path) -> Fields:
    """The object in a JSON file. Raises DamagedModel for anything else."""
    return Fields(str(path), read_json_object(path))


def read_json_object(path: Path) -> dict[str, Any]:
    """The same as a plain dictionary."""
    if not path.is_file():
        raise DamagedModel(f"{path} is missing; give a folder that has it")
    if path.stat().st_size > LONGEST_JSON:
        raise DamagedModel(f"{path} is larger than {LONGEST_JSON >> 20} MiB; get the file again")
    return parse_json_object(path.read_bytes(), str(path))


def parse_json_object(content: bytes | str, where: str) -> dict[str, Any]:
    """The same of what stands in the file. where: for errors."""
    said = None
    try:
        found = json.loads(content)
    except UnicodeDecodeError as problem:
        said = f"at byte {problem.start}: no {problem.encoding}"
    except json.JSONDecodeError as problem:
        said = f"at line {problem.lineno}, column {problem.colno}: {problem.msg}"
    except RecursionError:
        said = "that can be read: lists or objects in it nest too deep"
    except ValueError:
        said = "that can be read: a number in it has thousands of digits"
    if said is not None:
        raise DamagedModel(f"{where} is no JSON {said}; get the file again")
    if not isinstance(found, dict):
        raise DamagedModel(f"{where} holds no JSON object; get the file again")
    return found


def both_ends(text: str, most: int = 160) -> str:
    """A line of what a library said, its middle left out if it is long: what is wrong stands at
    the beginning, and where at the end."""
    line = " ".join(text.split())
    half = most // 2
    return line if len(line) <= most else f"{line[:half]} ... {line[-half:]}"


def _short(found: Any) -> str:
    try:
        said = repr(found)
    except ValueError:
        # Python does not spell whole numbers of more than 4,300 digits.
        return "a number too long to spell"
    return said if len(said) <= 60 else f"{said[:57]}..."
