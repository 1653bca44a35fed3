"""Texts for `lmplz` and for us, a sentence a line, words between spaces: words, characters,
subwords written as numbers, words drawn from a Zipf distribution, one line many times."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.index.text import clean_lines, text_of
from benchmarks.result import find_folder
from foretell.tokenizers.subwords import Subwords

ENGLISH = (
    "lm/tinyshakespeare/input.txt",
    "lm/wikitext2_eval/valid.txt",
    "mt/multi30k/raw/train.en.gz",
    "sentiment/sst/stsa.fine.train",
    "mt/tatoeba_cmn_eng/cmn.txt",
)
CHINESE = "lm/chinese_poetry/songci"
WORDS, CHARACTERS, SUBWORDS, DRAWN, REPEATS = 1_000_000, 1_000_000, 8192, 300_000, 1000
SPACE = "\N{OPEN BOX}"
"""A space that is a character of the text."""


@dataclass(frozen=True)
class Corpora:
    """Paths of the texts by name, and why others are not there."""

    paths: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def write_corpora(folder: Path, *, quick: bool) -> Corpora:
    """The texts as files in a folder; quick: the small ones alone."""
    corpora = Corpora()

    def write(name: str, lines: Sequence[str]) -> None:
        path = folder / f"{name.replace(' ', '-')}.txt"
        path.write_text("".join(line + "\n" for line in lines), "utf-8")
        corpora.paths[name] = path

    lines = english_lines(20_000 if quick else WORDS)
    write("1,000 lines", lines[:1000])
    write("1,000 lines of characters", characters_of(lines[:1000], CHARACTERS))
    write("one line", ["the cat sat on the mat , and the dog sat on the cat"] * REPEATS)
    write("misfiled", misfiled_lines())
    write("issue 427", ["r o t", "o a r", "o a t"])
    if quick:
        return corpora
    write("words", lines)
    write("characters", characters_of(lines, CHARACTERS))
    chinese = chinese_lines()
    if chinese is None:
        corpora.missing["Chinese characters"] = f"set FORETELL_DATA to a folder that has {CHINESE}"
    else:
        write("Chinese characters", characters_of(chinese, CHARACTERS))
    bpe = Subwords.train(lines, size=SUBWORDS)
    write("BPE", [" ".join(map(str, found.tokens)) for found in bpe.encode_many(lines)])
    write("Zipf", zipf_lines(DRAWN, seed=1))
    return corpora


def english_lines(words: int) -> list[str]:
    """Different lines of English with so many words in all: from the data folder if there is one,
    else from the documentation on this machine."""
    data = find_folder("FORETELL_DATA", "data")
    if data is None:
        return text_of(words).path.read_text("utf-8").splitlines()
    lines: dict[str, None] = {}
    count = 0
    for line in _english(data):
        if line not in lines:
            lines[line] = None
            count += line.count(" ") + 1
        if count >= words:
            break
    return list(lines)


def _english(data: Path) -> Iterator[str]:
    for name in ENGLISH:
        opened: Callable[..., bytes] = (
            (lambda path: gzip.decompress(path.read_bytes()))
            if name.endswith(".gz")
            else Path.read_bytes
        )
        text = opened(data / name)
        if name.endswith("cmn.txt"):
            text = b"\n".join(line.split(b"\t")[0] for line in text.splitlines())
        for line in clean_lines(text):
            yield line.decode("utf-8", "replace")


def chinese_lines() -> list[str] | None:
    """Lines of poems, or None without them."""
    data = find_folder("FORETELL_DATA", "data")
    if data is None or not (data / CHINESE).is_dir():
        return None
    return [
        line
        for path in sorted((data / CHINESE).glob("ci.song.*.json"))
        for poem in json.loads(path.read_text("utf-8"))
        for line in poem["paragraphs"]
    ]


def characters_of(lines: Sequence[str], most: int) -> list[str]:
    """Lines with a space between any two characters, until there are so many."""
    out: list[str] = []
    count = 0
    for line in lines:
        if count >= most:
            break
        out.append(" ".join(SPACE.join(line.split())))
        count += (len(out[-1]) + 1) // 2
    return out


def misfiled_lines() -> list[str]:
    """A small text whose discounts of order 1 move by 0.08 when `lmplz` files one n-gram under
    the wrong count, as it does; in larger texts nothing shows."""
    return zipf_lines(1000, seed=6, types=100)


def zipf_lines(words: int, *, seed: int, types: int = 1_000_000) -> list[str]:
    """Lines of 1 to 30 words of so many types, the k-th most frequent in proportion to k^-1.2."""
    draw = np.random.default_rng(seed)
    numbers = draw.zipf(1.2, words) % types
    ends = np.cumsum(draw.integers(1, 31, words))
    pieces = np.split(numbers, ends[ends < words])
    return [" ".join(f"w{number}" for number in piece) for piece in pieces]
