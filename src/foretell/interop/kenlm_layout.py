"""How a KenLM binary begins, and where its parts stand.

    magic       88 bytes   what a reader of another version or byte order refuses
    parameters  20 bytes   order u8, multiplier f32, kind i32, has words u8, version u32
    counts      8 bytes an order
    parts       vocabulary, then the tables of the kind, each of a size that follows from the above
    words       the vocabulary's spellings, each closed by NUL, `<unk>` first

Facts: there are no checksums and no stored offsets, so a part is found by adding up sizes, and a
wrong count shows as a wrong length of the file. Sources: the files themselves; the constants of
the format are facts of its interface.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foretell.contracts.errors import DamagedModel

NAME = b"mmap lm http://kheafield.com/code"
MAGIC = struct.pack(
    "<56sfffIIIQ", NAME + b" format version 5\n", 0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1
)
PARAMETERS = struct.Struct("<BxxxfiBxxxI")
KINDS = (
    "probing",
    "rest probing",
    "trie",
    "quantised trie",
    "array trie",
    "quantised array trie",
)
SEARCH_VERSIONS = (0, 1, 1, 1, 1, 1)
MOST_ORDER = 64
MOST_MULTIPLIER = 100.0


@dataclass(frozen=True)
class Header:
    kind: str
    counts: tuple[int, ...]
    """N-grams of each order, `<unk>` among the unigrams."""
    multiplier: float
    """Slots for each n-gram in the tables of a probing file."""
    has_words: bool

    @property
    def order(self) -> int:
        return len(self.counts)

    @property
    def size(self) -> int:
        """Bytes of the header itself."""
        return align(len(MAGIC) + PARAMETERS.size + 8 * self.order)

    def buckets(self, count: int) -> int:
        """Slots of a table of `count` n-grams; the product is taken in single precision."""
        product = np.float32(self.multiplier) * np.float32(count)
        return max(count + 1, int(product))

    def pack(self) -> bytes:
        kind = KINDS.index(self.kind)
        parameters = PARAMETERS.pack(
            self.order, self.multiplier, kind, self.has_words, SEARCH_VERSIONS[kind]
        )
        counts = struct.pack(f"<{self.order}Q", *self.counts)
        return (MAGIC + parameters + counts).ljust(self.size, b"\0")


def align(size: int) -> int:
    """Up to a multiple of 8."""
    return (size + 7) // 8 * 8


def is_kenlm_binary(path: Path) -> bool:
    """Whether a file begins as KenLM's binaries of any version do."""
    with open(path, "rb") as file:
        return file.read(len(NAME)) == NAME


def damaged(path: Path, section: str, what: str) -> DamagedModel:
    """The error for a part of a file that cannot be what KenLM wrote."""
    return DamagedModel(f"{path}: {section}: {what}; copy the file again, or build it again")


def read_header(path: Path, data: bytes) -> Header:
    """The header, from the first bytes of a file. Raises DamagedModel."""
    if not data.startswith(NAME):
        raise DamagedModel(
            f"{path} is no KenLM binary; give an ARPA file or what build_binary made"
        )
    if data[: len(MAGIC)] != MAGIC:
        if data[len(NAME) :].startswith(b" incomplete"):
            raise damaged(path, "header", "its building was interrupted")
        if len(data) < len(MAGIC):
            raise damaged(path, "header", f"the file ends after {len(data)} bytes")
        raise damaged(path, "header", "not of format version 5 with the lowest byte first")
    end = len(MAGIC) + PARAMETERS.size
    if len(data) < end:
        raise damaged(path, "header", f"the file ends after {len(data)} bytes")
    order, multiplier, kind, has_words, version = PARAMETERS.unpack(data[len(MAGIC) : end])
    if not 2 <= order <= MOST_ORDER:
        raise damaged(path, "header", f"order {order} is not in 2 ... {MOST_ORDER}")
    if not 0 <= kind < len(KINDS):
        raise damaged(path, "header", f"kind {kind} is not in 0 ... {len(KINDS) - 1}")
    if version != SEARCH_VERSIONS[kind]:
        raise damaged(path, "header", f"version {version} of {KINDS[kind]} is not known")
    if has_words > 1:
        raise damaged(path, "header", f"whether it has words is {has_words}, not 0 or 1")
    if len(data) < end + 8 * order:
        raise damaged(path, "header", f"the file ends after {len(data)} bytes")
    counts = struct.unpack(f"<{order}Q", data[end : end + 8 * order])
    if not 1 <= counts[0] < 1 << 32 or max(counts) >= 1 << 40:
        raise damaged(path, "header", f"counts of n-grams {counts} cannot be")
    if KINDS[kind] == "probing" and not 1.0 <= multiplier <= MOST_MULTIPLIER:
        raise damaged(path, "header", f"{multiplier:g} slots for an n-gram cannot be")
    return Header(KINDS[kind], counts, multiplier, bool(has_words))
