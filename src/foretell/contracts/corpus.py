"""Texts, and the parts they are split into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256


@dataclass(frozen=True)
class Document:
    """One text that stands for itself: a file, a record, or a passage of one long file."""

    text: str
    name: str
    """Where it came from, for messages: `notes.jsonl:17`."""


@dataclass(frozen=True)
class Split:
    """Parts of a corpus that share no document.

    train      what models learn from
    stopping   curves, early stop, choice of settings
    tuning     mixture weights, and nothing else
    held_out   the numbers that are reported, read once at the end
    """

    train: tuple[Document, ...]
    stopping: tuple[Document, ...]
    tuning: tuple[Document, ...]
    held_out: tuple[Document, ...]
    passages: bool
    """True if the documents are passages cut from longer texts, whose ends mean nothing."""


def fingerprint_texts(texts: Sequence[str]) -> str:
    """Hash of texts in their order; part of every signature."""
    digest = sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:16]
