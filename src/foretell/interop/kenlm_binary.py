"""KenLM's binary files: read what `build_binary` makes, write what KenLM loads.

probing             hash tables: asked in place, in a mapped file      -> Probing
trie, quantised     n-grams bit by bit: unpacked into a model of ours  -> NGram
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from foretell.contracts.errors import ForetellError
from foretell.interop.kenlm_layout import read_header
from foretell.interop.kenlm_probing import Probing, build
from foretell.interop.kenlm_trie import read_trie
from foretell.models.ngram.model import NGram
from foretell.storage import new_file

HEADER = 1 << 12


def read_kenlm_binary(path: Path, *, check: bool = True) -> Probing | NGram:
    """The model of a file that `build_binary` or `write_probing` made.

    check: read all of a probing file at once and look whether KenLM can have written it; without,
    entries are read when they are asked for, and damage goes unseen.

    Raises DamagedModel that names the part of the file, ForetellError for the "rest" kind.
    """
    with open(path, "rb") as file:
        header = read_header(path, file.read(HEADER))
    # Indexing the memmap class itself is slow; a plain array over the same memory is not.
    data = np.asarray(np.memmap(path, np.uint8, mode="r"))
    if header.kind == "rest probing":
        raise ForetellError(
            f"{path} keeps rest costs, which change its probabilities; build it again without -r"
        )
    if header.kind != "probing":
        return read_trie(header, data, path)
    found = Probing(header, data, path)
    if check:
        found.check()
    return found


def write_probing(
    model: NGram, path: Path, *, multiplier: float = 1.5, replace: bool = False
) -> None:
    """Write a model of whole words as a probing file, which KenLM loads as its own.

    multiplier: slots of a table for each n-gram, above 1; more is faster and larger.

    Raises ForetellError for tokens that are no words between white space, and for order 1;
    OutputExists.
    """
    if not 1 < multiplier <= 100:
        raise ForetellError(f"multiplier {multiplier:g} gives no table; give one above 1, as 1.5")
    with new_file(path, replace=replace) as file:
        file.write(build(model, multiplier=multiplier).bytes.data)
