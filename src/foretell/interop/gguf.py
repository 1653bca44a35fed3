"""GGUF files: facts by name and tensors by name, as llama.cpp reads and writes them.

    file = read_gguf(Path("model.gguf"))
    file.facts["general.architecture"]         # "llama"
    file.tensor("token_embd.weight")           # (V, D) float32

    | GGUF, version, counts | name, kind, value ... | name, sides, kind, place ... | data |

A file may come from anyone. Every length is held against what is left of the file before anything
is made of it, so that a bad one costs neither time nor memory; errors name the field. Numbers in
lists stay arrays and texts in lists are decoded as they are asked for. Source: the specification
in ggml's docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import DamagedModel
from foretell.interop.gguf_blocks import BY_NUMBER, Kind, dequantise, quantise
from foretell.storage import new_file

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32
"""Of tensors, where a file does not say."""
MOST_SIDES = 4
MOST_FIELDS, MOST_TEXTS = 2**16, 2**22
"""Facts or tensors of a file, texts in a list: more than any model has."""
LONGEST_NAME = 2**16

NUMBERS: dict[int, np.dtype[Any]] = {
    0: np.dtype("u1"),
    1: np.dtype("i1"),
    2: np.dtype("<u2"),
    3: np.dtype("<i2"),
    4: np.dtype("<u4"),
    5: np.dtype("<i4"),
    6: np.dtype("<f4"),
    7: np.dtype("?"),
    10: np.dtype("<u8"),
    11: np.dtype("<i8"),
    12: np.dtype("<f8"),
}
"""Kinds of numbers in facts, by the number that stands for them."""
BOOL, TEXT, LIST = 7, 8, 9
ALIGNMENT_FACT, LARGEST_ALIGNMENT = "general.alignment", 2**16


class Texts(Sequence[str]):
    """Texts of a list, decoded one by one; most of a vocabulary's are never asked for."""

    def __init__(self, data: memoryview, starts: NDArray[np.int64], ends: NDArray[np.int64]):
        self._data, self._starts, self._ends = data, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Raises UnicodeDecodeError for what is no UTF-8."""
        if isinstance(index, slice):
            spans = zip(self._starts[index].tolist(), self._ends[index].tolist(), strict=True)
            return [str(self._data[start:end], "utf-8") for start, end in spans]
        return str(self._data[self._starts[index] : self._ends[index]], "utf-8")


Fact = int | float | bool | str | Texts | NDArray[Any]


@dataclass(frozen=True)
class Stored:
    """Where a tensor stands, and how it is written."""

    shape: tuple[int, ...]
    """As numpy has it, the reverse of the order in the file."""
    kind: Kind
    start: int
    """Byte in the file."""

    @property
    def bytes(self) -> int:
        return prod(self.shape) // self.kind.size * self.kind.width


@dataclass(frozen=True)
class GGUF:
    """An open file."""

    path: Path
    facts: Mapping[str, Fact]
    tensors: Mapping[str, Stored]
    data: memoryview

    def tensor(self, name: str) -> NDArray[np.float32]:
        """Weights in the tensor's shape. Raises DamagedModel if the file has none of that name."""
        if name not in self.tensors:
            raise DamagedModel(f"{self.path}: there is no tensor {name}; get the file again")
        stored = self.tensors[name]
        raw = np.frombuffer(self.data, np.uint8, stored.bytes, stored.start)
        return dequantise(stored.kind, raw).reshape(stored.shape)


def read_gguf(path: Path) -> GGUF:
    """Open a file; reads its head, and tensors as they are asked for.

    Raises DamagedModel, which names the field, for whatever does not hold together.
    """
    with path.open("rb") as file:
        try:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except ValueError:
            raise DamagedModel(f"{path} is empty; get the file again") from None
    return _Reader(path, data).read()


class _Reader:
    """Goes through the head of a file once; `at` never passes the end."""

    def __init__(self, path: Path, data: memoryview) -> None:
        self.path, self.data, self.at = path, data, 0

    def read(self) -> GGUF:
        if bytes(self.data[: len(MAGIC)]) != MAGIC:
            raise DamagedModel(f"{self.path} is no GGUF file; give one that begins with GGUF")
        self.at = len(MAGIC)
        version = self.number("<I", "the version")
        if version not in VERSIONS:
            raise self.damaged("the version", f"is {version}, and {VERSIONS} are known")
        tensors = self.count("the number of tensors", least=24, most=MOST_FIELDS)
        facts = self.count("the number of facts", least=13, most=MOST_FIELDS)
        found: dict[str, Fact] = {}
        for index in range(facts):
            name = self.name(f"the name of fact {index}", found)
            found[name] = self.value(name)
        heads: dict[str, Stored] = {}
        for index in range(tensors):
            name = self.name(f"the name of tensor {index}", heads)
            heads[name] = self.head(name)
        return GGUF(self.path, found, self.place(heads, found), self.data)

    def damaged(self, field: str, problem: str) -> DamagedModel:
        return DamagedModel(f"{self.path}: {field} {problem}; get the file again")

    def take(self, size: int, field: str) -> memoryview:
        if size > len(self.data) - self.at:
            raise self.damaged(field, "goes on beyond the end of the file")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, kind: str, field: str) -> int:
        (found,) = struct.unpack(kind, self.take(struct.calcsize(kind), field))
        return int(found)

    def count(self, field: str, *, least: int, most: int) -> int:
        """Of things that take at least so many bytes each."""
        found = self.number("<Q", field)
        if found > most:
            raise self.damaged(field, f"is {found}, more than {most}")
        if found * least > len(self.data) - self.at:
            raise self.damaged(field, f"is {found}, for which the file is too short")
        return found

    def text(self, field: str, *, most: int) -> str:
        raw = self.take(self.count(f"the length of {field}", least=1, most=most), field)
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError:
            raise self.damaged(field, "is no UTF-8") from None

    def name(self, field: str, known: Mapping[str, object]) -> str:
        found = self.text(field, most=LONGEST_NAME)
        if found in known:
            raise self.damaged(field, f"is {found[:80]!r}, which stood there before")
        return found

    def value(self, name: str) -> Fact:
        field = f"fact {name[:80]!r}"
        kind = self.number("<I", f"the kind of {field}")
        if kind == TEXT:
            return self.text(field, most=len(self.data))
        if kind != LIST:
            found: Fact = self.numbers(kind, 1, field)[0].item()
            return found
        kind = self.number("<I", f"the kind of the list in {field}")
        if kind == TEXT:
            return self.texts(field)
        size = self.dtype(kind, field).itemsize
        count = self.count(f"the number of values in {field}", least=size, most=len(self.data))
        return self.numbers(kind, count, field)

    def dtype(self, kind: int, field: str) -> np.dtype[Any]:
        if kind not in NUMBERS:
            raise self.damaged(field, f"has values of kind {kind}, which is not known")
        return NUMBERS[kind]

    def numbers(self, kind: int, count: int, field: str) -> NDArray[Any]:
        dtype = self.dtype(kind, field)
        raw = self.take(count * dtype.itemsize, field)
        if kind == BOOL:
            # Any other byte would be a bool that is neither.
            return np.frombuffer(raw, np.uint8) != 0
        return np.frombuffer(raw, dtype)

    def texts(self, field: str) -> Texts:
        count = self.count(f"the number of texts in {field}", least=8, most=MOST_TEXTS)
        starts, ends = np.empty((2, count), np.int64)
        at, end, data = self.at, len(self.data), self.data
        length_of = struct.Struct("<Q").unpack_from
        for index in range(count):
            if at + 8 > end:
                break
            start = at + 8
            at = start + length_of(data, at)[0]
            if at > end:
                break
            starts[index], ends[index] = start, at
        else:
            self.at = at
            return Texts(data, starts, ends)
        raise self.damaged(f"text {index} in {field}", "goes on beyond the end of the file")

    def head(self, name: str) -> Stored:
        field = f"tensor {name[:80]!r}"
        sides = self.number("<I", f"the number of sides of {field}")
        if sides > MOST_SIDES:
            raise self.damaged(field, f"has {sides} sides, more than {MOST_SIDES}")
        shape = struct.unpack(f"<{sides}Q", self.take(8 * sides, f"the sides of {field}"))
        number = self.number("<I", f"the kind of {field}")
        if number not in BY_NUMBER:
            known = ", ".join(kind.name for kind in BY_NUMBER.values())
            raise self.damaged(field, f"is of kind {number}, and {known} are read")
        kind = BY_NUMBER[number]
        if not shape or 0 in shape or shape[0] % kind.size:
            raise self.damaged(
                field, f"has sides {shape}, of which {kind.name} makes no blocks of {kind.size}"
            )
        return Stored(shape[::-1], kind, self.number("<Q", f"the place of {field}"))

    def place(self, heads: Mapping[str, Stored], facts: Mapping[str, Fact]) -> dict[str, Stored]:
        """Tensors at their bytes in the file; none stands in another, so that all of them
        together are no more than the file."""
        alignment = facts.get(ALIGNMENT_FACT, ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1 or alignment > LARGEST_ALIGNMENT:
            raise self.damaged(ALIGNMENT_FACT, f"is {alignment!r}")
        start = -(-self.at // alignment) * alignment
        free = start
        found: dict[str, Stored] = {}
        for name, head in sorted(heads.items(), key=lambda each: each[1].start):
            stored = replace(head, start=start + head.start)
            field = f"tensor {name[:80]!r}"
            if stored.start < free:
                raise self.damaged(field, "begins inside of another")
            if stored.start % alignment:
                raise self.damaged(field, f"begins at no multiple of {alignment}")
            free = stored.start + stored.bytes
            if free > len(self.data):
                raise self.damaged(field, "goes on beyond the end of the file")
            found[name] = stored
        return {name: found[name] for name in heads}


def write_gguf(
    path: Path,
    facts: Mapping[str, Fact | Sequence[str]],
    tensors: Mapping[str, tuple[Kind, NDArray[np.float32]]],
) -> None:
    """A file of version 3. Whole numbers are written in 32 bits where they fit.

    facts: `general.alignment` among them decides where tensors begin. tensors: how each is to be
    written, and its weights (..., D), D a multiple of the block.

    Raises OutputExists, and ValueError for a shape that makes no blocks or a kind of number that
    the format does not have.
    """
    alignment: Any = facts.get("general.alignment", ALIGNMENT)
    head = [MAGIC, struct.pack("<IQQ", VERSIONS[-1], len(tensors), len(facts))]
    for name, value in facts.items():
        head += [_text(name), *_value(value)]
    at = 0
    for name, (kind, weights) in tensors.items():
        if weights.size == 0 or weights.ndim == 0 or weights.shape[-1] % kind.size:
            raise ValueError(f"{name} of {weights.shape} makes no blocks of {kind.size}")
        head += [_text(name), struct.pack("<I", weights.ndim)]
        head += [struct.pack(f"<{weights.ndim}Q", *weights.shape[::-1])]
        head += [struct.pack("<IQ", kind.number, at)]
        at += _aligned(weights.size // kind.size * kind.width, alignment)
    with new_file(path) as file:
        start = sum(file.write(part) for part in head)
        file.write(bytes(_aligned(start, alignment) - start))
        for kind, weights in tensors.values():
            written = file.write(quantise(kind, weights.astype(np.float32, copy=False)).data)
            file.write(bytes(_aligned(written, alignment) - written))


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Fact | Sequence[str]) -> list[bytes]:
    """The kind of a fact and the fact."""
    if isinstance(value, str):
        return [struct.pack("<I", TEXT), _text(value)]
    if isinstance(value, np.ndarray):
        return [struct.pack("<IIQ", LIST, _kind(value), len(value)), value.tobytes()]
    if isinstance(value, Sequence):
        texts = [_text(text) for text in value]
        return [struct.pack("<IIQ", LIST, TEXT, len(texts)), *texts]
    number = np.array(value)
    if number.dtype.kind == "i":
        fitting = (kind for kind in ("<u4", "<i4") if np.can_cast(np.min_scalar_type(value), kind))
        number = number.astype(next(fitting, "<i8"))
    elif number.dtype.kind == "f":
        number = number.astype("<f4")
    return [struct.pack("<I", _kind(number)), number.tobytes()]


def _kind(numbers: NDArray[Any]) -> int:
    found = next((kind for kind, dtype in NUMBERS.items() if dtype == numbers.dtype), None)
    if found is None:
        raise ValueError(f"GGUF has no numbers of type {numbers.dtype}")
    return found
