"""A folder that training wrote: inside it one for each kind of model that was tried, sealed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.storage import check_seal, seal

RUNGS = ("lead", "count", "recurrent", "transformer", "prompted", "adapted")
"""From the quickest to the slowest."""


class Kept(Protocol):
    """What a kind learned."""

    @property
    def rung(self) -> str: ...

    @property
    def facts(self) -> dict[str, Any]: ...

    def save(self, folder: Path) -> None: ...


def write_rungs(folder: Path, parts: Sequence[Kept], **facts: Any) -> None:
    """Write each kind into a folder that exists, and seal it. facts: what is said of all."""
    for part in parts:
        inside = folder / part.rung
        inside.mkdir()
        part.save(inside)
        seal(inside, {"rung": part.rung, **facts, **part.facts})


def rungs_in(folder: Path) -> list[str]:
    """The kinds that are there, from the quickest."""
    return [each for each in RUNGS if (folder / each).is_dir()]


def refuse_missing(folder: Path, rung: str, there: Sequence[str]) -> None:
    """Raise ForetellError for a kind that is not there."""
    if rung not in there:
        raise ForetellError(f"{folder} holds no {rung}; it holds {', '.join(there)}")


@contextmanager
def opening(inside: Path) -> Iterator[dict[str, Any]]:
    """What is said of a kind, while it is opened. Raises DamagedModel, MissingExtra for a network
    where PyTorch is not installed."""
    facts = check_seal(inside)
    try:
        yield facts
    except ModuleNotFoundError as problem:
        if problem.name not in ("torch", "safetensors"):
            raise
        raise MissingExtra(
            f'{inside} is a network and needs PyTorch: pip install "foretell[neural]"'
        ) from None
    except (KeyError, TypeError) as problem:
        # The seal fits, so it is what someone wrote; but not what this version reads.
        raise DamagedModel(
            f"{inside} cannot be read: {type(problem).__name__}: {problem}; train again, or use "
            "the version of foretell that wrote it"
        ) from None
