"""How much of the held-out text the training text already tells, and what languages it is in."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.corpus import Document

# Kana, Han: written without spaces, so that each character is a unit, as a word is elsewhere.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
UNIT = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
_BATCH = 1 << 20

_SCRIPTS = {
    "Latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)),
    "Han": ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
    "Kana": ((0x3041, 0x30FF),),
    "Hangul": ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
    "Cyrillic": ((0x400, 0x52F),),
    "Greek": ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    "Arabic": ((0x600, 0x6FF), (0x750, 0x77F)),
    "Hebrew": ((0x590, 0x5FF),),
    "Devanagari": ((0x900, 0x97F),),
    "Bengali": ((0x980, 0x9FF),),
    "Tamil": ((0xB80, 0xBFF),),
    "Thai": ((0xE00, 0xE7F),),
    "Georgian": ((0x10A0, 0x10FF),),
    "Armenian": ((0x530, 0x58F),),
}
_ENGLISH = frozenset(
    ("the", "of", "and", "to", "that", "with", "for", "was", "this", "are", "is", "not")
)
_ENGLISH_SHARE = 0.08
_SEEN_SHARE = 0.05
_KANA_SHARE = 0.1
_SAMPLE = 1 << 20


def leak_share(train: Sequence[Document], held_out: Sequence[Document], n: int = 13) -> float:
    """Share of the held-out n-grams, each time they occur, that also stand in train.

    Words in scripts with spaces, characters in Chinese and Japanese; case, punctuation and
    spacing are not looked at (Brown et al. 2020, appendix C, has n = 13). A document shorter than
    n is one gram, and leaks if train has the same document. Without any unit in held_out: 0.
    Does not see paraphrase, and does not say which text leaked.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    units: defaultdict[str, int] = defaultdict()
    units.default_factory = units.__len__
    batches = list(_grams(held_out, n, units))
    grams = np.concatenate([batch for batch, _ in batches]) if batches else np.zeros(0, np.uint64)
    short = [text for _, texts in batches for text in texts]
    if len(grams) + len(short) == 0:
        return 0.0
    distinct, counts = np.unique(grams, return_counts=True)
    leaked = np.zeros(len(distinct), bool)
    short_train: set[tuple[int, ...]] = set()
    for batch, texts in _grams(train, n, units):
        leaked |= np.isin(distinct, batch)
        short_train.update(texts)
    hits = int(counts[leaked].sum()) + sum(text in short_train for text in short)
    return hits / (len(grams) + len(short))


def _grams(
    documents: Sequence[Document], n: int, units: defaultdict[str, int]
) -> Iterator[tuple[NDArray[np.uint64], list[tuple[int, ...]]]]:
    """Hashes (G,) of all n-grams, and the documents shorter than n, a batch at a time."""
    long: list[NDArray[np.uint64]] = []
    short: list[tuple[int, ...]] = []
    size = 0
    for document in documents:
        words = UNIT.findall(document.text.casefold())
        numbers = np.fromiter(map(units.__getitem__, words), np.uint64, len(words))
        if len(numbers) >= n:
            long.append(numbers)
            size += len(numbers)
        elif len(numbers):
            short.append(tuple(numbers.tolist()))
        if size >= _BATCH:
            yield _hash_grams(long, n), short
            long, short, size = [], [], 0
    if long or short:
        yield _hash_grams(long, n), short


def _hash_grams(documents: list[NDArray[np.uint64]], n: int) -> NDArray[np.uint64]:
    """Hashes (G,) of the n-grams of documents, each (T,), none of them across two."""
    if not documents:
        return np.zeros(0, np.uint64)
    numbers = np.concatenate(documents)
    owner = np.repeat(np.arange(len(documents)), [len(document) for document in documents])
    count = len(numbers) - n + 1
    mixed = np.zeros(count, np.uint64)
    for offset in range(n):
        mixed = (mixed ^ (numbers[offset : offset + count] + np.uint64(1))) * np.uint64(
            0x9E3779B97F4A7C15
        )
        mixed ^= mixed >> np.uint64(29)
    whole: NDArray[np.bool_] = owner[:count] == owner[n - 1 :]
    return mixed[whole]


def languages(documents: Iterable[Document]) -> str:
    """Languages by their share of the letters, as a reader would say them: `English and Chinese`.

    A guess from scripts: Han is Chinese unless kana stand with it. Latin is English only if its
    small words are there, else `Latin script`. Looks at no more than the first million characters,
    and leaves out what makes less than a twentieth of them.
    """
    sample: list[str] = []
    size = 0
    for document in documents:
        sample.append(document.text[: _SAMPLE - size])
        size += len(sample[-1])
        if size >= _SAMPLE:
            break
    text = "\n".join(sample)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    letters = {
        script: sum(int(((points >= low) & (points <= high)).sum()) for low, high in ranges)
        for script, ranges in _SCRIPTS.items()
    }
    japanese = letters["Kana"] > _KANA_SHARE * (letters["Kana"] + letters["Han"])
    han = letters.pop("Han") + letters.pop("Kana")
    shares = {
        _language_of_latin(text): letters.pop("Latin"),
        "Japanese" if japanese else "Chinese": han,
        "Korean": letters.pop("Hangul"),
    } | {f"{script} script": count for script, count in letters.items()}
    total = sum(shares.values())
    if total == 0:
        return "no letters"
    names = sorted(
        (name for name, count in shares.items() if count >= _SEEN_SHARE * total),
        key=lambda name: -shares[name],
    )
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _language_of_latin(text: str) -> str:
    words = re.findall(r"[a-z]+", text.lower())
    small = sum(word in _ENGLISH for word in words)
    return "English" if small > _ENGLISH_SHARE * len(words) else "Latin script"
