"""`foretell VERB ...`: one file a verb, and one place where refusals are printed."""

from __future__ import annotations

import atexit
import errno
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from foretell import __version__
from foretell.contracts.errors import ForetellError
from foretell.training.ranks import leave

VERBS = (
    "compare",
    "train",
    "score",
    "generate",
    "verify",
    "tokenizer",
    "ngram",
    "index",
    "plan",
    "scale",
    "pull",
    "adapt",
    "export",
    "chat",
    "task",
)
AS_WRITTEN = ("--", "--dry-run", "--end-of-text", "--skip-reserved")
"""Options that are declared with hyphens."""
SUMMARY = """One workbench for language models, from n-gram to GPT.

  foretell compare my-notes/      which model should I use for this text, and what does it buy me?
  foretell compare                the same on the documentation inside Python"""


def enter() -> NoReturn:
    """`main` as a process of its own."""
    leave(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb. Exit code 0; 1 if a check fails; 2 for a refusal; 130 when interrupted."""
    # Imports make objects by the hundred thousand and free none of them; to look for garbage
    # among them at the end takes the interpreter 0.2 s.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except ForetellError as problem:
        # Only the loop of training can be taken up again, and says so in its own words.
        code = 130 if type(problem).__name__ == "Interrupted" else 2
        return _refuse(str(problem), code)
    except BrokenPipeError:
        # Whoever read our output has gone; leave nothing for the interpreter to flush.
        sys.stderr.close()
        return 141
    except OSError as problem:
        return _refuse(_explain(problem), 2)
    except MemoryError:
        return _refuse("there is not enough memory; give less text, or a smaller model", 2)
    except KeyboardInterrupt:
        return _refuse("stopped", 130)


def _run(arguments: list[str]) -> int:
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"foretell {__version__}\n")
        return 0
    # Parsing is the only thing that happens before a verb is known, so `--help` stays light.
    from foretell.cli.parsing import Parser

    parser = Parser(prog="foretell", description=SUMMARY, formatter_class=_plain())
    subcommands = parser.add_subcommands(required=True, dest="verb", metavar="VERB")
    modules = {verb: import_module(f"foretell.cli.{verb}") for verb in VERBS}
    asked = next((each for each in arguments if each in modules), None)
    for verb, module in modules.items():
        child = Parser(prog=f"foretell {verb}", description=module.HELP)
        subcommands.add_subcommand(verb, child, help=module.HELP)
        if verb == asked:
            # After it has joined its parent: the library wants nested verbs from the top down.
            module.add(child)
    if not arguments:
        parser.print_help()
        return 0
    parsed = parser.parse_args([_underscored(argument) for argument in arguments])
    code: int = modules[parsed.verb].run(parsed[parsed.verb])
    return code


def _underscored(argument: str) -> str:
    """`--max-tokens` as `--max_tokens`: options that come from fields have the fields' names."""
    name, equals, value = argument.partition("=")
    if name.startswith("--") and name not in AS_WRITTEN:
        name = "--" + name[2:].replace("-", "_")
    return name + equals + value


def _plain() -> type:
    from jsonargparse import DefaultHelpFormatter

    class Plain(DefaultHelpFormatter):
        """Keeps the line breaks of the summary."""

        def _fill_text(self, text: str, width: int, indent: str) -> str:
            return text

    return Plain


def _explain(problem: OSError) -> str:
    where = f" while writing {problem.filename}" if problem.filename else ""
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"no space is left on the disk{where}; free some and give the same command again. "
            "Nothing was overwritten"
        )
    return f"{problem.filename or 'a file'}: {(problem.strerror or str(problem)).lower()}"


def _refuse(message: str, code: int) -> int:
    sys.stderr.write(f"foretell: {' '.join(message.split())}\n")
    return code


if __name__ == "__main__":
    enter()
