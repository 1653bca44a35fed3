"""From a path to a corpus that is ready to learn from and to judge by.

read -> clean -> set copies aside -> cut passages -> set copied passages aside -> split -> leak
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from foretell.contracts.corpus import Document, Split, fingerprint_texts
from foretell.contracts.errors import TextError
from foretell.corpus.builtin import TITLE, builtin_documents
from foretell.corpus.cleaning import clean
from foretell.corpus.duplicates import find_copies, find_exact_copies
from foretell.corpus.leaks import languages, leak_share
from foretell.corpus.readers import GIVE, ReadReport, read_documents
from foretell.corpus.splits import prepare, split


@dataclass(frozen=True)
class LoadedCorpus:
    """A split text, and what a reader should know about it."""

    title: str
    split: Split
    documents: int
    """Documents kept, before any was cut into passages."""
    bytes: int
    """UTF-8 bytes of the documents kept."""
    set_aside: int
    """Copies and near copies of documents, and copies of passages."""
    skipped_files: int
    leak_share: float
    """Share of held-out 13-grams that also stand in train, 0 to 1."""
    languages: str
    fingerprint: str
    """Hash of the documents kept, cleaned, in their order."""
    path: str | None
    """Where it was read from, as given; None is the built-in text."""


def load_corpus(
    path: Path | None,
    *,
    field: str | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LoadedCorpus:
    """Read, clean and split a file or folder; None is the built-in text.

    Holds the whole text in memory. Documents without a visible character are dropped.
    field, progress: as for `readers.read_documents`. seed: of the split.
    Raises TextError if the text cannot be read or is too short to split, MissingExtra.
    """
    report = ReadReport()
    if path is None:
        if field is not None:
            raise TextError(f"the built-in text has no field {field!r}; leave the field out")
        title, found = TITLE, builtin_documents()
    else:
        title = f"{path}/" if path.is_dir() else str(path)
        found = read_documents(path, field=field, progress=progress, report=report)
    cleaned = (Document(clean(document.text), document.name) for document in found)
    documents = [document for document in cleaned if not _is_blank(document)]
    if not documents:
        raise TextError(f"{title} holds no text but white space. {GIVE}")
    copies = find_copies(documents)
    prepared = prepare(copies.kept)
    distinct = find_exact_copies(prepared.documents)
    parts = split(distinct.kept, seed=seed, passages=prepared.passages)
    texts = [document.text for document in copies.kept]
    return LoadedCorpus(
        title=title,
        split=parts,
        documents=len(copies.kept),
        bytes=sum(len(text.encode()) for text in texts),
        set_aside=len(copies.set_aside) + len(distinct.set_aside),
        skipped_files=len(report.skipped),
        leak_share=leak_share(parts.train, parts.held_out),
        languages=languages(copies.kept),
        fingerprint=fingerprint_texts(texts),
        path=None if path is None else str(path),
    )


def load_texts(
    path: Path,
    *,
    field: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """The cleaned documents of a file or folder, whole, copies and all; for scoring.

    Raises TextError as `load_corpus` does, but for no length.
    """
    found = (clean(each.text) for each in read_documents(path, field=field, progress=progress))
    texts = [text for text in found if text and not text.isspace()]
    if not texts:
        raise TextError(f"{path} holds no text but white space. {GIVE}")
    return texts


def _is_blank(document: Document) -> bool:
    return not document.text or document.text.isspace()
