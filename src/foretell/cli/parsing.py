"""The command-line library (jsonargparse) bent to one house rule: a refusal is one line.

Each verb is a module with three names: HELP, add(parser), run(arguments). Options are frozen
dataclasses, a flag a field, its docstring the help. docs/decisions/command-line.md says why this
library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from jsonargparse import ArgumentParser, Namespace, set_parsing_settings

from foretell.contracts.errors import ForetellError

set_parsing_settings(docstring_parse_attribute_docstrings=True)

Options = TypeVar("Options")


class Parser(ArgumentParser):
    """Raises ForetellError where the library would print usage and end the process."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        said = " ".join(str(message).split())
        said = said.replace("Parser key ", "option ").replace("typing.", "")
        raise ForetellError(f"{said}; see {self.prog.replace('[options] ', '')} --help")


def options_of(
    kind: type[Options], arguments: Namespace, *, renamed: Mapping[str, str] = MappingProxyType({})
) -> Options:
    """The dataclass that a verb's arguments spell. renamed: fields whose flag has another name."""
    # The checker cannot know that every `kind` passed here is a dataclass; `fields` raises if not.
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {name: arguments[renamed.get(name, name)] for name in names}
    return kind(**values)


def add_text(parser: ArgumentParser, also: str = "") -> None:
    """The text as the first word, or as `text` in a config file, which cannot name a place.

    also: for the help, what else the verb takes there.
    """
    parser.add_argument(
        "given",
        nargs="?",
        metavar="text",
        type=str,
        help="file or folder: txt, md, jsonl, json, csv, tsv, parquet, also as .gz or .zst; "
        f"the documentation inside Python if not given{also}",
    )
    parser.add_argument("--text", type=str, help="the same, for config files")
    parser.add_argument("--config", action="config", help="options from a YAML file")


def text_of(arguments: Namespace) -> Path | None:
    """What `add_text` was given; None is the built-in text."""
    said = arguments.given if arguments.given is not None else arguments.text
    return None if said is None else Path(said)


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print the result as JSON, and nothing else on stdout"
    )


def add_dry_run(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done, with its time and memory"
    )
