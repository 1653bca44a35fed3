"""Opening of spoiled files, one by its number, and what may come of it: the file opens, or is
refused in one line that names the file and what is wrong in it."""

from __future__ import annotations

import json
import re
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks.doors.mutations import ATTACKS, Spoiled, spoil
from benchmarks.doors.valid_files import SUBJECTS, Subject
from foretell.contracts.errors import ContextExceeded, ForetellError
from foretell.interop.doors import open_model
from foretell.storage import MANIFEST, seal
from foretell.tokenizers import Foreign

SEED = 5
LONGEST_LINE = 500
PLACE = (
    r"line \d+|column \d+|char \d+|at byte \d+|the (version|number|length|name|kind|sides|place) of"
    r"|the version|fact '|tensor '|weight \S+|is empty|is no GGUF|is no UTF-8|is no safetensors"
    r"|holds no JSON object|is no JSON that can be read|manifest.json is damaged|is missing"
    r"|larger than|header|is a pickle"
)
"""What an error says beside the names of fields."""
ADDED = {name for name, _ in ATTACKS}
COMMON = {"model", "type", "content", "special", "files", "format", "file"}
"""Keys that are words of any error."""


class Spoiler:
    """Files of SUBJECTS in a folder of its own, spoiled and made whole again."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.whole = {subject: self._path(subject).read_bytes() for subject in SUBJECTS}
        self.sizes = {subject: self._size(scratch / subject.place) for subject in SUBJECTS}
        self.names = {subject: self._names(scratch / subject.place) for subject in SUBJECTS}

    def _path(self, subject: Subject) -> Path:
        return self.scratch / subject.place / subject.file

    @staticmethod
    def _size(place: Path) -> int:
        files = place.rglob("*") if place.is_dir() else [place]
        return sum(file.stat().st_size for file in files)

    @staticmethod
    def _names(place: Path) -> set[str]:
        """Of fields and weights."""
        found: set[str] = set()
        for file in place.glob("*") if place.is_dir() else [place]:
            raw = file.read_bytes()
            if file.suffix == ".json":
                found |= _keys(json.loads(raw))
            elif file.suffix == ".safetensors":
                length = int.from_bytes(raw[:8], "little")
                found |= set(json.loads(raw[8 : 8 + length]))
            else:
                found |= {name.decode() for name in re.findall(rb"[a-z0-9_.]{4,60}", raw)}
        return {name for name in found if len(name) > 3}

    def draw(self, number: int) -> tuple[Subject, Spoiled]:
        """What is spoiled by a number, and how."""
        random = Random(f"{SEED}/{number}")
        (subject,) = random.choices(SUBJECTS, [each.weight for each in SUBJECTS])
        name = subject.file or subject.place
        return subject, spoil(name, self.whole[subject], random)

    def open(self, number: int) -> dict[str, Any]:
        """Spoil, open, and make whole again. The report has the `outcome`, and what was `said`;
        time that is the spoiler's own is set `apart`."""
        began = time.perf_counter()
        subject, spoiled = self.draw(number)
        self._put(subject, spoiled.data)
        place = self.scratch / subject.place
        ready = time.perf_counter()
        outcome, said = try_to_open(place, self.names[subject] | set(spoiled.keys) | ADDED)
        over = time.perf_counter()
        self._put(subject, self.whole[subject])
        report = {"outcome": outcome, "said": said.replace(str(self.scratch), "")}
        report |= {"subject": subject.name, "kind": spoiled.kind}
        report["allowed"] = 2 * (self.sizes[subject] - len(self.whole[subject]) + len(spoiled.data))
        return {**report, "apart": time.perf_counter() - over + ready - began}

    def practise(self) -> None:
        """Make all files whole, one of which a process that was killed may have left spoiled; and
        open each, so that no spoiled one is charged with what is only done once."""
        for subject in SUBJECTS:
            self._put(subject, self.whole[subject])
        for number in range(2 * len(SUBJECTS)):
            self.open_whole(number)
        # What is nothing else is taken for an ARPA file, whose reader is compiled.
        no_file = self.scratch / "nothing.arpa"
        no_file.write_bytes(b"nothing")
        try_to_open(no_file, set())

    def open_whole(self, number: int) -> dict[str, Any]:
        """The same of a file that is not spoiled."""
        subject = SUBJECTS[number % len(SUBJECTS)]
        outcome, said = try_to_open(self.scratch / subject.place, set())
        return {"outcome": outcome, "said": said, "subject": subject.name}

    def _put(self, subject: Subject, data: bytes) -> None:
        path = self._path(subject)
        # Another file, since the old one may still be mapped into memory.
        path.unlink()
        path.write_bytes(data)
        if subject.resealed:
            (self.scratch / subject.place / MANIFEST).unlink()
            seal(self.scratch / subject.place, {"format": "foretell-model-1", "family": "llama"})


def _keys(found: Any) -> set[str]:
    """Names of a JSON structure, without those of a vocabulary."""
    if isinstance(found, list):
        return set().union(*(_keys(each) for each in found))
    if not isinstance(found, dict):
        return set()
    inner = (_keys(each) for key, each in found.items() if key != "vocab")
    return set(found).union(*inner)


def try_to_open(place: Path, names: set[str]) -> tuple[str, str]:
    """`opened` or `refused`, which are good, or the kind of what went wrong; and what was said."""
    try:
        _read_one(open_model(place))
    except ForetellError as problem:
        said = str(problem)
        return ("refused" if says_enough(said, place, names) else "unnamed"), said
    # Panics of compiled parts are no Exception.
    except BaseException as problem:
        frames = traceback.extract_tb(problem.__traceback__)
        ours = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames]
        said = f"{type(problem).__name__}: {str(problem)[:200]} at {' '.join(ours[-4:])}"
        return f"raised {type(problem).__name__}", said
    return "opened", ""


def says_enough(said: str, place: Path, names: set[str]) -> bool:
    """One line that names the file, and in it a field, a weight or a place."""
    if "\n" in said or str(place) not in said or len(said) > LONGEST_LINE + len(str(place)):
        return False
    # What to do stands last.
    rest = said.replace(str(place), "").replace(place.name, "").rpartition("; ")[0]
    rest = rest or said
    return re.search(PLACE, rest) is not None or any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)", rest) for name in names - COMMON
    )


def _read_one(model: Any) -> None:
    """A token of a text, and what conversations would ask for."""
    tokens = model.tokenizer.encode("a cat").tokens
    model.tokenizer.decode(tokens)
    if isinstance(model.tokenizer, Foreign):
        _ = model.tokenizer.template, model.tokenizer.special_pieces
    step = model.begin()
    if len(tokens):
        try:
            step = model.advance(step.state, np.asarray(tokens[None, :1], np.int32))
        except ContextExceeded:
            return
    if step.logprobs.shape != (1, 1, model.tokenizer.vocabulary_size):
        raise AssertionError(f"a prediction of shape {step.logprobs.shape}")
