"""What a user can say to `foretell compare`. Imports nothing heavy: the command line reads it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CompareOptions:
    """Options of a comparison; a field a flag."""

    budget: str = "5m"
    """Time for the whole comparison, reading and measuring included: 90s, 5m, 1h."""
    out: str | None = None
    """Folder for models and report; runs/NAME-OF-TEXT if not given. The same command again goes
    on where it was stopped."""
    field: str | None = None
    """Column or key that holds the text, for csv, jsonl and parquet."""
    rungs: list[str] = dataclasses.field(default_factory=list)
    """Rungs as family:tokenizer:size, such as gpt:bytes or lstm:bpe:2048 or kneser-ney:words;
    the whole ladder if not given."""
    seed: int = 0
    """Decides the split, the first weights, the order of the text and the samples."""
    threads: int | None = None
    """Processor cores to use; all if not given."""
    language: Literal["en", "zh"] = "en"
    """Language of table and report: en or zh."""
    tokens: dict[str, int] = dataclasses.field(default_factory=dict)
    """Tokens for each network to learn from, in place of time; a finished comparison writes this
    into its compare.yaml, which so repeats it exactly."""
