"""Renders one conversation by a template of unknown origin: a process of its own, with little time
and memory, in Jinja's immutable sandbox. Reads JSON from stdin, writes JSON to stdout; started by
`decoding.chat`, which says why.
"""

from __future__ import annotations

import json
import resource
import sys
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

CPU_SECONDS, MEMORY_BYTES = 2, 512 << 20
LONGEST = 1 << 22
"""Characters that a conversation may become."""


def render(asked: dict[str, Any]) -> str:
    """Raises TemplateError, or what a bad template makes Python raise."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(str(form))
    pieces, length = [], 0
    for piece in environment.from_string(asked["template"]).generate(**asked["names"]):
        pieces.append(piece)
        length += len(piece)
        if length > LONGEST:
            raise TemplateError(f"it writes more than {LONGEST:,} characters")
    return "".join(pieces)


def _to_json(value: Any, indent: int | None = None) -> str:
    """Jinja's own escapes what HTML would misread."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: object) -> NoReturn:
    raise TemplateError(str(message))


def main() -> None:
    asked = json.loads(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        out = {"text": render(asked)}
    except Exception as problem:
        # Whatever a template of unknown origin provokes is its own fault, and is told by name.
        out = {"problem": f"{type(problem).__name__}: {problem}"[:300]}
    sys.stdout.write(json.dumps(out))


if __name__ == "__main__":
    main()
