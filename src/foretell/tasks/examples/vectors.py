"""Word vectors that were learned elsewhere, as word2vec, GloVe and fastText write them as text.

400000 50                        word2vec and fastText begin with how many, and how long
the 0.418 0.24968 -0.41242 ...   a word, and its numbers
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import TextError
from foretell.corpus.encodings import decoded, lines_of, open_bytes

MOST_FREQUENT = 50_000
"""Of the words of a file, which has the frequent ones first, that are kept though no example has
them: what is asked later may."""


class Vectors(NamedTuple):
    words: list[str]
    """In small letters, each once."""
    rows: NDArray[np.float32]
    """(N, D) of mean square 1 on average."""


def read_vectors(path: Path, wanted: Collection[str]) -> Vectors:
    """The vectors of words that are wanted, in small letters, and of the most frequent ones.

    Good: read_vectors(Path("glove.6B.100d.txt"), {"the", "cat"})
    Bad:  read_vectors(Path("vectors.bin"), {"the"})      binary: TextError
    """
    found: dict[str, NDArray[np.float32]] = {}
    for word, row in _rows(path, wanted):
        # Of a word in several spellings the most frequent one.
        found.setdefault(word, row)
    if not found:
        raise _none_in(path)
    rows = np.stack(list(found.values()))
    return Vectors(list(found), rows / max(float(np.sqrt(np.mean(rows**2))), 1e-9))


def refuse_vectors(path: Path) -> None:
    """Raise as `read_vectors` would of the first of them."""
    if next(_rows(path, ()), None) is None:
        raise _none_in(path)


def _none_in(path: Path) -> TextError:
    return TextError(f"{path} has no word vectors; give a word and its numbers a line")


def _rows(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    size = None
    with open_bytes(path) as raw:
        for number, line in enumerate(lines_of(decoded(raw, path)), start=1):
            rare = number > MOST_FREQUENT
            if not line.strip() or (rare and line.split(None, 1)[0].lower() not in wanted):
                continue
            parts = line.split()
            if number == 1 and len(parts) == 2 and all(each.isdigit() for each in parts):
                size = int(parts[1])
                continue
            size = size or len(parts) - 1
            word = " ".join(parts[: len(parts) - size]).lower()
            row = _numbers(parts[len(parts) - size :], size)
            if row is None or not word:
                raise TextError(
                    f"{path}:{number} is not a word and {size} numbers; give word vectors as text, "
                    "a word and its numbers a line"
                )
            yield word, row


def _numbers(parts: list[str], size: int) -> NDArray[np.float32] | None:
    try:
        row = np.array(parts, np.float32)
    except ValueError:
        return None
    return row if len(row) == size > 0 and np.isfinite(row).all() else None
