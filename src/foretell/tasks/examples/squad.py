"""Questions on passages, in the JSON of SQuAD (Rajpurkar et al. 2016) and what is made like it.

{"data": [{"paragraphs": [{"context": "...", "qas": [{"id": "q1", "question": "...", "answers":
  [{"text": "..."}]}]}]}]}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from foretell.contracts.corpus import Document
from foretell.contracts.errors import TextError
from foretell.corpus.encodings import decoded, open_bytes
from foretell.corpus.pairs import MARK

HEAD = 100_000
"""Characters in which a file says that it is one of these."""


class Asked(NamedTuple):
    document: Document
    """Question and passage, with a MARK between them."""
    answers: tuple[str, ...]
    """Each as good; none if the passage does not say."""


def is_squad(path: Path) -> bool:
    """By the beginning of a file of JSON."""
    if not path.is_file() or ".json" not in path.suffixes:
        return False
    with open_bytes(path) as raw:
        head = next(decoded(raw, path), "")[:HEAD]
    return head.lstrip().startswith("{") and re.search(r'"paragraphs"\s*:\s*\[', head) is not None


def read_squad(path: Path) -> Iterator[Asked]:
    """All questions, in order. Raises TextError, naming the question."""
    with open_bytes(path) as raw:
        text = "".join(decoded(raw, path))
    try:
        articles = json.loads(text)["data"]
        asked = [
            (paragraph["context"], each)
            for article in articles
            for paragraph in article["paragraphs"]
            for each in paragraph["qas"]
        ]
    except (ValueError, RecursionError, KeyError, TypeError) as problem:
        raise TextError(
            f"{path} is not in the form of SQuAD ({type(problem).__name__}: {problem}); repair it, "
            "or give .jsonl with a row a question"
        ) from None
    if not asked:
        raise TextError(f"{path} holds no questions; give some")
    for number, (passage, each) in enumerate(asked, 1):
        yield _asked(f"{path.name}:{number}", passage, each)


def _asked(place: str, passage: Any, each: Any) -> Asked:
    try:
        question, passage = str(each["question"]).strip(), str(passage).strip()
        answers = [str(answer["text"]).strip() for answer in each.get("answers") or []]
    except (KeyError, TypeError, AttributeError) as problem:
        raise TextError(
            f"{place} is no question ({type(problem).__name__}: {problem}); give question and "
            "answers, each with text"
        ) from None
    for name, value in (("question", question), ("context", passage)):
        if not value:
            raise TextError(f"{place} has nothing in {name}; take the row out, or fill it in")
    text = MARK.join(part.replace(MARK, " ") for part in (question, passage))
    return Asked(Document(text, place), tuple(dict.fromkeys(x for x in answers if x)))
