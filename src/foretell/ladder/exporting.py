"""A model handed over to another tool, with the proof that it is still the same model: what
`foretell export` does."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from foretell import __version__
from foretell.contracts.errors import ForetellError
from foretell.corpus.source import load_texts
from foretell.evaluation.parity import Parity, compare_models
from foretell.interop.doors import open_model
from foretell.interop.exports import FORMATS, Format
from foretell.storage import new_folder, refuse_existing

CARD, RECORD = "README.md", "parity.json"
READ_BYTES = 20_000
"""Of the user's text by which parity is shown."""
LEAST_EQUAL = 0.999
"""Share of equal choices of an export that rounds nothing."""


def export(name: str, kind: str, text: Path, out: Path, *, field: str | None = None) -> Parity:
    """Write a model for another tool, hold what was written against it on a text, and keep it only
    if it passes. Raises ForetellError, OutputExists."""
    refuse_existing(out)
    way = FORMATS[kind]
    texts = _beginning(load_texts(text, field=field))
    model = open_model(name)
    if model.family not in way.families:
        raise ForetellError(
            f"a {model.family} has no {kind} form, and {', '.join(way.families)} have; train one: "
            "foretell train TEXT --model gpt2"
        )
    with new_folder(out) as folder:
        way.write(model, folder)
        found = compare_models(model, way.read(model, folder), texts)
        _refuse(found, way, kind)
        (folder / RECORD).write_text(json.dumps(asdict(found), indent=1) + "\n", "utf-8")
        (folder / CARD).write_text(_card(name, kind, text, way, found), "utf-8")
    return found


def _beginning(texts: list[str]) -> list[str]:
    """The first READ_BYTES of texts."""
    chosen, left = [], READ_BYTES
    for text in texts:
        if left <= 0:
            break
        chosen.append(text.encode()[:left].decode("utf-8", "ignore") or text[:1])
        left -= len(chosen[-1].encode())
    return chosen


def _refuse(found: Parity, way: Format, kind: str) -> None:
    """Raise ForetellError unless what was written is the same model."""
    problems = []
    if not found.largest <= way.apart:
        problems.append(f"a log-probability moved by {found.largest:.3g} nats")
    if not found.worse <= way.worse:
        problems.append(f"the text costs {found.worse:.1%} more")
    if way.worse < 0.01 and found.equal_choices < LEAST_EQUAL:
        problems.append(f"only {found.equal_choices:.2%} of the likeliest tokens are the same")
    if problems:
        raise ForetellError(
            f"what was written as {kind} is another model by now: {', '.join(problems)}; nothing "
            "was kept, and the model stands where it was"
        )


def _card(name: str, kind: str, text: Path, way: Format, found: Parity) -> str:
    one, other = found.bits_per_byte
    return f"""# {Path(name).name}, exported as {kind}

Written by foretell {__version__}, and read back by {way.reader} on {found.tokens:,} tokens of
{text.name}:

| | |
|---|---|
| largest difference of a token's log-probability | {found.largest:.2g} nats |
| largest difference of any likely token's | {found.largest_anywhere:.2g} nats |
| equal greedy choices | {found.equal_choices:.2%} |
| bits per byte, before and after | {one:.4f}, {other:.4f} |

```python
{way.usage}
```
"""
