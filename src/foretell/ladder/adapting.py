"""A model that exists, taught a user's text: what `foretell adapt` does.

before and after, on the held-out part of the text and on a general one, paired by document: what
was gained, and what was forgotten.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from foretell import models
from foretell.contracts.errors import ForetellError, MissingExtra
from foretell.contracts.learner import Budget
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.pairs import Pair, load_pairs
from foretell.corpus.source import LoadedCorpus, load_corpus, load_texts
from foretell.decoding.chat import frame_question, refuse_special
from foretell.evaluation.answers import Frame, measure_answers
from foretell.evaluation.comparing import Score, measure
from foretell.evaluation.intervals import Difference
from foretell.interop.doors import open_model
from foretell.ladder.machine import describe_versions, has_networks, set_threads
from foretell.ladder.options import AdaptOptions, Method
from foretell.ladder.single import checkpoints_of, naming_the_rate, refuse_rate
from foretell.storage import locked, new_folder, refuse_existing
from foretell.training.fit import Glance, Run, first_bytes, fit
from foretell.training.journal import EVENTS, LINES, Journal

RECORD, LOW_RANK = "adapting.json", "low_rank.safetensors"
SMALL = 5_000_000
"""Parameters up to which all of them learn, if nothing is said."""
LOOK_BYTES = 5_000
"""Read at each look while it learns. Of a model of 135M parameters, looks at as much as others read
took as long as learning: docs/decisions/adapting.md."""
GENERAL_BYTES, PASSAGE = 20_000, 1_000
"""Of the general text that are read, before and after, in passages of so many characters."""


@dataclass(frozen=True)
class Change:
    """What a text cost, before and after."""

    before: Score
    after: Score

    @property
    def difference(self) -> Difference:
        """Bits per byte after minus before, paired by document."""
        return self.after.against(self.before)

    def as_dict(self) -> dict[str, Any]:
        difference = self.difference
        return {
            "before": asdict(self.before.bits_per_byte),
            "after": asdict(self.after.bits_per_byte),
            "difference": {**asdict(difference.interval), "p_value": difference.p_value},
            "documents": len(self.after.evidence),
            "signature": str(self.after.signature),
        }


@dataclass(frozen=True)
class Adapted:
    """What adapting did."""

    method: Method
    parameters: int
    """Of the model."""
    learned: int
    """Numbers that learned."""
    run: Run
    held_out: Change
    general: Change
    general_title: str
    left_out: int
    """Pairs that were too long to learn from."""


def load_adapting(
    path: Path, options: AdaptOptions, *, progress: Callable[[int, int], None] | None = None
) -> LoadedCorpus:
    """A user's text, or questions with answers, split. Raises TextError, ForetellError."""
    if options.answer is None:
        return load_corpus(path, field=options.field, seed=options.seed, progress=progress)
    if options.field is None:
        raise ForetellError("--answer names the answers; name the questions with --field")
    return load_pairs(
        path,
        field=options.field,
        answer=options.answer,
        seed=options.seed,
        progress=progress,
    )


def adapt_into(
    out: Path,
    name: str,
    corpus: LoadedCorpus,
    options: AdaptOptions,
    *,
    watch: Callable[[Glance], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Adapted:
    """Teach a model a text and write what it became to `out`, low-rank parts merged.

    name: as for `open_model`. Checkpoints stand in OUT.checkpoints until it is finished, and the
    same call goes on from them. Raises ForetellError if model or options cannot be used,
    OutputExists.
    """
    refuse_existing(out)
    budget = Budget.parse(options.budget)
    if options.rank < 1:
        raise ForetellError(f"--rank must be 1 or more, not {options.rank}")
    refuse_rate(options.learning_rate)
    if not has_networks():
        raise MissingExtra('adapting needs PyTorch: pip install "foretell[neural]"')
    from foretell.models.neural.low_rank import changes, merge
    from foretell.models.neural.network import NeuralModel, write_weights
    from foretell.training.adapting import build_adapting
    from foretell.training.answers import AnswerLearner

    set_threads(options.threads)
    model = open_model(name)
    if not isinstance(model, NeuralModel):
        raise ForetellError(
            f"{name} is a {model.family}, which is not learned by descent; adapt a network"
        )
    parameters = sum(weight.numel() for weight in model.network.parameters())
    method: Method = options.method or ("all" if parameters <= SMALL else "lora")
    title, general = _general(options)
    split = corpus.split
    train, stopping, held_out = (
        [document.text for document in part]
        for part in (split.train, split.stopping, split.held_out)
    )

    frame, longest = None, 0
    if options.answer is not None:
        frame = Frame(*(frame_question(model.tokenizer) or ()))
        longest = _refuse_pairs(corpus, model.tokenizer, frame)

    def measured(reader: NeuralModel) -> list[Score]:
        if frame is not None:
            own = measure_answers(reader, held_out, frame)
        else:
            # Where passages end says nothing.
            own = measure(reader, held_out, end_of_text=not split.passages)
        return [own, measure(reader, general, end_of_text=False)]

    before = measured(model)
    learner = build_adapting(
        model,
        method=method,
        rank=options.rank,
        seed=options.seed,
        learning_rate=options.learning_rate,
        origin=_identify(model),
        frame=frame,
        longest=longest,
    )
    learned = sum(p.numel() for p in model.network.parameters() if p.requires_grad)
    work = checkpoints_of(out)
    with locked(work):
        with Journal(work) as journal, naming_the_rate(learner):
            watchers = [each for each in (watch, journal) if each is not None]

            def watch_all(glance: Glance) -> None:
                for each in watchers:
                    each(glance)

            run = fit(
                learner,
                train,
                budget=budget,
                held_out=first_bytes(stopping, LOOK_BYTES),
                checkpoints=work,
                watch=watch_all,
                stop=stop,
            )
        parts = changes(model.network)
        merge(model.network)
        adapted = learner.model()
        pairs = zip(before, measured(adapted), strict=True)
        own, other = (Change(*pair) for pair in pairs)
        left_out = learner.left_out if isinstance(learner, AnswerLearner) else 0
        result = Adapted(method, parameters, learned, run, own, other, title, left_out)
        with new_folder(out) as folder:
            for file in (LINES, EVENTS):
                if (work / file).exists():
                    shutil.move(work / file, folder / file)
            if parts:
                write_weights(folder / LOW_RANK, parts)
            record = _describe(result, name, corpus, options)
            text = json.dumps(record, ensure_ascii=False, indent=1)
            (folder / RECORD).write_text(text + "\n", "utf-8")
            models.write(adapted, folder)
        shutil.rmtree(work, ignore_errors=True)
    return result


def _refuse_pairs(corpus: LoadedCorpus, tokenizer: Tokenizer, frame: Frame) -> int:
    """Tokens of the longest pair. Raises ForetellError for a question that spells a token with a
    meaning of its own."""
    longest = 0
    for document in (*corpus.split.train, *corpus.split.held_out, *corpus.split.stopping):
        pair = Pair.of(document.text)
        refuse_special(tokenizer, pair.question, document.name)
        read, answer = frame.encode(tokenizer, pair)
        longest = max(longest, len(read) + len(answer.tokens))
    return longest


def _identify(model: Any) -> str:
    """A hash of what the model began as: the same call goes on, one for another model does not."""
    digest = sha256(model.tokenizer.fingerprint.encode())
    for name, weight in model.network.named_parameters():
        flat = weight.detach().flatten()
        sample = flat[:: max(1, len(flat) // 64)].tolist()
        digest.update(f"{name} {tuple(weight.shape)} {sample}".encode())
    return digest.hexdigest()[:16]


def _general(options: AdaptOptions) -> tuple[str, list[str]]:
    """Passages by which forgetting shows: the beginning of the text given, else held-out parts of
    the documentation inside Python. Raises ForetellError if there is only one."""
    if options.general is not None:
        title, found = options.general, load_texts(Path(options.general))
    else:
        corpus = load_corpus(None)
        title, found = corpus.title, [document.text for document in corpus.split.held_out]
    passages: list[str] = []
    for text in found:
        passages += [text[at : at + PASSAGE] for at in range(0, len(text), PASSAGE)]
    sizes = np.cumsum([len(passage.encode()) for passage in passages])
    passages = passages[: int(np.searchsorted(sizes, GENERAL_BYTES)) + 1]
    if len(passages) < 2:
        raise ForetellError(
            f"{title} is too short to tell forgetting from chance; give a longer one"
        )
    return title, passages


def _describe(
    result: Adapted, name: str, corpus: LoadedCorpus, options: AdaptOptions
) -> dict[str, Any]:
    return {
        "model": name,
        "text": corpus.path,
        "fingerprint": corpus.fingerprint,
        "options": asdict(options),
        "method": result.method,
        "parameters": result.parameters,
        "learned": result.learned,
        "left_out": result.left_out,
        "held_out": result.held_out.as_dict(),
        "general": {"text": result.general_title, **result.general.as_dict()},
        "run": asdict(result.run),
        "versions": describe_versions(),
    }
