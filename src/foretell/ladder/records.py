"""What a model folder remembers of its training: enough to train it again, and to prove things.

training.json     text, options, what was derived from them, versions, how the run went
training.jsonl    how it went while it went on; see training/journal.py
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from foretell.contracts.errors import ForetellError
from foretell.corpus.source import LoadedCorpus, load_corpus
from foretell.ladder.machine import describe_versions
from foretell.ladder.options import TrainOptions
from foretell.training.fit import Run
from foretell.training.recipes import Scope

RECORD = "training.json"


@dataclass(frozen=True)
class Record:
    """How a model came about."""

    text: str | None
    """Path as it was given; None is the built-in text."""
    fingerprint: str
    """Of the text."""
    options: TrainOptions
    scope: Scope
    """What sizes were derived from."""
    recipe: str
    """All that decided what was learned, sizes and settings, as the learner says it."""
    from_disk: bool = False
    """True if memory did not hold the text; see streamed.py."""

    def write(self, folder: Path, run: Run) -> None:
        content = asdict(self) | {"run": asdict(run), "versions": describe_versions()}
        text = json.dumps(content, ensure_ascii=False, indent=1)
        (folder / RECORD).write_text(text + "\n", "utf-8")

    def load_text(self, path: Path | None = None) -> LoadedCorpus:
        """The text, read again. path: where it is now, if it has moved.

        Raises ForetellError if it is no longer the text that the model learned from, or if memory
        does not hold it.
        """
        if self.from_disk:
            raise ForetellError(
                "the model learned from a text on the disk, which is not read into memory again; "
                "give a model of a smaller text"
            )
        source = path or (None if self.text is None else Path(self.text))
        corpus = load_corpus(source, field=self.options.field, seed=self.options.seed)
        if corpus.fingerprint != self.fingerprint:
            raise ForetellError(
                f"{corpus.title} is not the text that this model learned from (fingerprint "
                f"{corpus.fingerprint[:8]}, not {self.fingerprint[:8]}); give that one with --text"
            )
        return corpus


def read_record(model: Path) -> Record:
    """What `Record.write` left in a model's folder. Raises ForetellError if there is none."""
    try:
        content: dict[str, Any] = json.loads((model / RECORD).read_text("utf-8"))
        return Record(
            text=content["text"],
            fingerprint=content["fingerprint"],
            options=TrainOptions(**content["options"]),
            scope=Scope(**content["scope"]),
            recipe=content["recipe"],
            from_disk=content.get("from_disk", False),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise ForetellError(
            f"{model} has no record of its training in {RECORD}; "
            "give the folder of a model that `foretell train` made"
        ) from None
