"""Twenty texts to hold two models against each other by: ten English, ten Chinese."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.result import find_folder

EACH = 10
CHARACTERS = 400
"""Of a text, at most."""


def read_texts() -> list[str] | None:
    """None where the data is not there."""
    data = find_folder("FORETELL_DATA", "data")
    if data is None:
        return None
    english = (data / "lm/wikitext2_eval/valid.txt").read_text("utf-8").split("\n")
    paragraphs = [line.strip() for line in english if len(line) > CHARACTERS]
    chosen = paragraphs[:: len(paragraphs) // EACH][:EACH]
    return [text[:CHARACTERS] for text in [*chosen, *_poems(data / "lm/chinese_poetry/songci")]]


def _poems(folder: Path) -> list[str]:
    poems = json.loads(sorted(folder.glob("*.json"))[0].read_text("utf-8"))
    return ["\n".join(poem["paragraphs"]) for poem in poems[:: len(poems) // EACH][:EACH]]
