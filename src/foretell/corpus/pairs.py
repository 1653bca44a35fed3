"""Questions with their answers, as records have them: two fields, one document.

    {"instruction": "Name a sea.", "output": "The North Sea."}
    load_pairs(path, field="instruction", answer="output")

A pair travels as one text with a mark between that no cleaned text holds, so that whatever splits,
counts or fingerprints documents need not know of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from foretell.contracts.corpus import Document, fingerprint_texts
from foretell.contracts.errors import TextError
from foretell.corpus.cleaning import clean
from foretell.corpus.duplicates import find_copies
from foretell.corpus.leaks import languages, leak_share
from foretell.corpus.readers import ReadReport, read_documents
from foretell.corpus.source import LoadedCorpus
from foretell.corpus.splits import split

MARK = "\x1e"
"""Record separator; `clean` takes it out of every text."""


class Pair(NamedTuple):
    question: str
    answer: str

    @staticmethod
    def of(text: str) -> Pair:
        """The pair that a document of `load_pairs` stands for."""
        question, _, answer = text.partition(MARK)
        return Pair(question, answer)


def load_pairs(
    path: Path,
    *,
    field: str,
    answer: str,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> LoadedCorpus:
    """Read, clean and split the pairs of a file or folder, each a document.

    field, answer: names of the two fields. Raises TextError if a record lacks one, has nothing in
    it, or there are too few to split.
    """
    report = ReadReport()
    questions = read_documents(path, field=field, progress=progress, report=report)
    documents = []
    for question, said in zip(questions, read_documents(path, field=answer), strict=True):
        parts = clean(question.text).strip(), clean(said.text).strip()
        for name, part in zip((field, answer), parts, strict=True):
            if not part:
                raise TextError(f"{question.name} has nothing in {name}; take the record out")
        documents.append(Document(MARK.join(parts), question.name))
    copies = find_copies(documents)
    texts = [document.text for document in copies.kept]
    parts_of_split = split(copies.kept, seed=seed, passages=False)
    return LoadedCorpus(
        title=str(path),
        split=parts_of_split,
        documents=len(texts),
        bytes=sum(len(text.encode()) - len(MARK) for text in texts),
        set_aside=len(copies.set_aside),
        skipped_files=len(report.skipped),
        leak_share=leak_share(parts_of_split.train, parts_of_split.held_out),
        languages=languages(copies.kept),
        fingerprint=fingerprint_texts(texts),
        path=str(path),
    )
