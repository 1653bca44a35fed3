"""Scaling laws that are kept, and models held against them: what came of a prediction.

scale/NAME/
  scale.json     what `ladder.scaling` found
  checks.json    what models trained afterwards scored, beside what the law foretold of them
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.evaluation.comparing import Score, measure
from foretell.evaluation.forecast import Check, Scaling
from foretell.ladder.records import RECORD, Record, read_record
from foretell.ladder.single import Parts, Trained
from foretell.storage import write_text
from foretell.training.recipes import estimate_needs

RESULT, CHECKS = "scale.json", "checks.json"


def output_folder(path: Path | None, out: str | None) -> Path:
    """Where the law of a text is kept."""
    if out is not None:
        return Path(out)
    return Path("scale") / ("builtin" if path is None else path.resolve().stem or "text")


def read_scaling(folder: Path) -> Scaling:
    """What `scale` wrote. Raises ForetellError if there is none."""
    try:
        return Scaling.of_dict(json.loads((folder / RESULT).read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        raise ForetellError(
            f"{folder} holds no scaling law in {RESULT}; make one with `foretell scale`"
        ) from None


def spell(content: dict[str, Any] | list[Any]) -> str:
    """As JSON, a value a line."""
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def check_model(folder: Path, model: Path) -> Check:
    """Hold a model against the law in a folder, on the law's held-out text, and write it down
    beside the law. Raises ForetellError if the law is not about that model."""
    scaling, record = read_scaling(folder), read_record(model)
    loaded = models.load(model)
    _refuse_stranger(scaling, record, loaded.tokenizer)
    corpus = record.load_text()
    parts = Parts.of(corpus)
    score = measure(loaded, parts.held_out, end_of_text=not parts.passages)
    seen = json.loads((model / RECORD).read_text("utf-8"))["run"]["tokens"]
    return _hold(scaling, folder, model, record, loaded.tokenizer, seen, score)


def check_trained(path: Path | None, model: Path, trained: Trained) -> Check | None:
    """Hold a model that was just trained against the law of its text, if there is one in its usual
    place, and if it is about models of that kind."""
    folder = output_folder(path, None)
    if not (folder / RESULT).exists():
        return None
    scaling, record = read_scaling(folder), read_record(model)
    tokenizer = trained.model.tokenizer
    try:
        _refuse_stranger(scaling, record, tokenizer)
    except ForetellError:
        return None
    return _hold(scaling, folder, model, record, tokenizer, trained.run.tokens, trained.score)


def _hold(
    scaling: Scaling,
    folder: Path,
    model: Path,
    record: Record,
    tokenizer: Tokenizer,
    seen: int,
    score: Score,
) -> Check:
    """Say and write down. seen: tokens that the model learned from."""
    needs = estimate_needs(scaling.family, tokenizer, record.scope)
    check = scaling.check(needs.inner, needs.batch, seen, score.total.bits_per_byte)
    path = folder / CHECKS
    known = json.loads(path.read_text("utf-8")) if path.exists() else []
    entry = {"model": str(model), **asdict(check)}
    write_text(path, spell([each for each in known if each["model"] != str(model)] + [entry]))
    return check


def _refuse_stranger(scaling: Scaling, record: Record, tokenizer: Tokenizer) -> None:
    """Raise ForetellError unless the law is about models of this kind on this text."""
    if record.options.model == "gpt" and record.scope.parameters is None:
        raise ForetellError(
            "the law says nothing about this model: it has tables of n-grams beside its layers; "
            "train one with --parameters, which has none"
        )
    pairs = (
        ("text", scaling.fingerprint, record.fingerprint),
        ("family", scaling.family, record.options.model),
        ("seed of the split", scaling.seed, record.options.seed),
        ("tokenizer", scaling.tokenizer_fingerprint, tokenizer.fingerprint),
    )
    for what, law, model in pairs:
        if law != model:
            raise ForetellError(
                f"the law says nothing about this model: its {what} is {model}, the law's {law}; "
                "make a law with the options that the model was trained with"
            )
