"""Networks that write: one that learns from nothing, and a pretrained one with low-rank parts.

    transformer   a GPT: text, boundary, what is to be written, of which the latter is charged
    adapted       question and answer as the pretrained model has them, the answer charged

Both are language models of what is written, so both learn by `training.answers` and write by
`decoding.search`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from foretell.contracts.learner import Budget
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.pairs import MARK, Pair
from foretell.decoding.chat import frame_question, refuse_special
from foretell.decoding.search import BeamSettings, search
from foretell.evaluation.answers import Encoded, Frame
from foretell.models.neural import gpt
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.low_rank import apply_changes, changes, merge
from foretell.models.neural.network import NeuralModel, write_weights
from foretell.tasks.examples.texts import TextExample, Written, one_text
from foretell.tasks.networks.copying import Copying, fit_copies
from foretell.tasks.networks.pretrained import fingerprint_of, open_base, refuse_another
from foretell.tasks.options import TeachOptions
from foretell.tasks.teaching import Taught, Watch
from foretell.tokenizers.subwords import as_many_subwords
from foretell.training.adapting import build_adapting
from foretell.training.answers import AnswerLearner
from foretell.training.descent import GradientSettings
from foretell.training.fit import first_bytes, fit
from foretell.training.networks import faster_precision

SCRATCH, ADAPTED = "transformer", "adapted"
LEARNED = "low_rank.safetensors"
AT_ONCE = 32
"""Texts that are answered together."""
VOCABULARY, LAYERS, WIDTH, DROPOUT, SMOOTHING = 5_000, 3, 192, 0.2, 0.1
"""Of the network that learns from nothing; docs/decisions/tasks.md."""
RATE, MATRIX_RATE = 3e-2, 5e-3
"""Of its tables, by AdamW, and of the matrices between them, by Muon."""
PASSES = {SCRATCH: 40, ADAPTED: 3}
"""Over the examples at most, if the budget allows."""
BATCH, LEAST_BATCH, STEP = 2_048, 512, 64
"""Tokens of an update, fewer where there are few, and what the widths of rows are multiples of."""
BATCHES = 32
"""That a pass has, if there are enough tokens."""
LONGEST = 1_024
"""Tokens of an example, at most."""
MOST_ARE = 0.99
"""Share of the examples that have to fit into a row."""
LOOK_BYTES = {SCRATCH: 64_000, ADAPTED: 8_000}
"""Of the dev part that are read at each look."""
RANK = 16
LEAST_SAVED = 0.01
"""Of the nats of the part kept back, by copying, if it is to be done at all."""


class Between(Frame):
    """For a network of nothing but texts and what is made of them: the boundary between."""

    def encode(self, tokenizer: Tokenizer, pair: Pair) -> tuple[NDArray[np.int32], Encoded]:
        _, answer = super().encode(tokenizer, pair)
        boundary = np.array([tokenizer.boundary], np.int32)
        return np.concatenate([tokenizer.encode(pair.question).tokens, boundary]), answer


@dataclass(frozen=True)
class NetworkWriter:
    """A writer."""

    model: NeuralModel
    frame: Frame
    settings: BeamSettings
    most_read: int
    """Tokens of a text; what is longer is cut."""
    rung: str
    base: dict[str, Any] | None = None
    """What the pretrained model is, if there is one."""
    learned: dict[str, Any] | None = None
    """Low-rank parts, beside it."""
    copies: tuple[float, ...] = ()
    """Weights of what is copied from the text; see `copying`. None: nothing is."""

    def write(self, texts: Sequence[str], *, alternatives: int = 1) -> list[list[Written]]:
        beams = max(self.settings.beams, alternatives)
        settings = replace(self.settings, beams=beams)
        model = Copying(self.model, self.copies) if self.copies else self.model
        prompts = [self._prompt(text) for text in texts]
        found: list[list[Written]] = [[] for _ in texts]
        order = sorted(range(len(texts)), key=lambda index: len(prompts[index]))
        for at in range(0, len(order), AT_ONCE):
            rows = order[at : at + AT_ONCE]
            answers = search(model, [prompts[row] for row in rows], settings=settings)
            for row, hypotheses in zip(rows, answers, strict=True):
                found[row] = [
                    Written(self._decode(each.tokens), each.logprob)
                    for each in hypotheses[:alternatives]
                ]
        return found

    def _prompt(self, text: str) -> NDArray[np.int32]:
        refuse_special(self.model.tokenizer, text, "a text")
        tokens, _ = self.frame.encode(self.model.tokenizer, Pair(one_text(text), ""))
        over = len(tokens) - self.most_read
        if over <= 0:
            return tokens
        # What stands behind a text says that it has ended, so the text itself is cut.
        behind, _ = self.frame.encode(self.model.tokenizer, Pair("", ""))
        keep = len(tokens) - len(behind)
        return np.concatenate([tokens[: keep - over], tokens[keep:]])

    def _decode(self, tokens: Sequence[int]) -> str:
        return self.model.tokenizer.decode(np.array(tokens, np.int32)).strip()

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "frame": asdict(self.frame),
            "settings": asdict(self.settings),
            "most_read": self.most_read,
            "base": self.base,
            "copies": self.copies,
        }

    def save(self, folder: Path) -> None:
        if self.learned is None:
            self.model.save(folder)
        else:
            write_weights(folder / LEARNED, self.learned)


def teach(
    rung: str,
    examples: Sequence[TextExample],
    dev: Sequence[TextExample],
    options: TeachOptions,
    instruction: str,
    budget: Budget,
    work: Path,
    watch: Watch | None,
    stop: Callable[[], bool] | None,
) -> Taught:
    """One of the two, from its first weights. instruction: what a pretrained model is told."""
    build = _build_scratch if rung == SCRATCH else _build_adapted
    learner, writer = build(examples, options, instruction)
    held_out = first_bytes(_as_pairs(dev), LOOK_BYTES[rung])
    run = fit(
        learner,
        _as_pairs(examples),
        budget=replace(budget, passes=budget.passes or PASSES[rung]),
        held_out=held_out,
        checkpoints=work,
        watch=watch,
        stop=stop,
    )
    network = learner.network.eval()
    if rung == ADAPTED:
        writer = replace(writer, learned=changes(network))
        merge(network)
    else:
        writer = replace(writer, copies=_fit_copies(writer, dev))
    return Taught(rung, writer, run)


def _fit_copies(writer: NetworkWriter, dev: Sequence[TextExample]) -> tuple[float, ...]:
    """Nothing if that hardly helps, as between two languages."""
    tokenizer, most = writer.model.tokenizer, writer.most_read
    encoded = [writer.frame.encode(tokenizer, Pair.of(text)) for text in _as_pairs(dev)]
    pairs = [
        (np.concatenate([read[: min(len(read), most) - 1], read[-1:]]), answer.tokens)
        for read, answer in encoded
    ]
    weights, saved = fit_copies(writer.model, pairs)
    return tuple(weights) if saved > LEAST_SAVED else ()


def _as_pairs(examples: Sequence[TextExample]) -> list[str]:
    """Documents of `corpus.pairs`, one for each target."""
    return [MARK.join((one_text(e.text), target)) for e in examples for target in e.targets]


class _Lengths:
    """How long examples are in tokens, most of them."""

    def __init__(self, frame: Frame, tokenizer: Tokenizer, examples: Sequence[TextExample]) -> None:
        pairs = [Pair.of(text) for text in _as_pairs(examples)]
        encoded = [frame.encode(tokenizer, pair) for pair in pairs]
        read = np.array([len(tokens) for tokens, _ in encoded])
        written = np.array([len(answer.tokens) for _, answer in encoded])
        self.whole = min(LONGEST, int(np.quantile(read + written + 1, MOST_ARE)))
        self.read = min(LONGEST, int(read.max()))
        self.written = int(written.max())
        self.sum = int((read + written).sum())


def _build_scratch(
    examples: Sequence[TextExample], options: TeachOptions, instruction: str
) -> tuple[AnswerLearner, NetworkWriter]:
    parts = [part for text in _as_pairs(examples) for part in text.split(MARK)]
    tokenizer, frame = as_many_subwords(parts, most=VOCABULARY), Between()
    lengths = _Lengths(frame, tokenizer, examples)
    width = -(-lengths.whole // STEP) * STEP
    batch = min(BATCH, max(LEAST_BATCH, lengths.sum // BATCHES))
    context = lengths.read + lengths.written + 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = GPT(
            GPTSizes(
                tokenizer.vocabulary_size, context, WIDTH, WIDTH // 64, LAYERS, dropout=DROPOUT
            )
        )
    settings = GradientSettings(
        rows=max(1, batch // width),
        width=width,
        learning_rate=RATE,
        matrix_learning_rate=MATRIX_RATE,
        label_smoothing=SMOOTHING,
        precision=faster_precision(),
        seed=options.seed,
    )
    learner = AnswerLearner(network, tokenizer, settings, frame=frame)
    beams = BeamSettings(max_tokens=lengths.written, length_penalty=1.0)
    model = NeuralModel(network, tokenizer)
    return learner, NetworkWriter(model, frame, beams, lengths.read, SCRATCH)


def _build_adapted(
    examples: Sequence[TextExample], options: TeachOptions, instruction: str
) -> tuple[AnswerLearner, NetworkWriter]:
    assert options.adapt is not None
    network, tokenizer = open_base(options.adapt)
    around = frame_question(tokenizer)
    frame = Frame(*around) if around else Frame()
    frame = replace(frame, before=f"{frame.before}{instruction}\n")
    for each in examples:
        refuse_special(tokenizer, each.text, each.place)
    base = {"model": options.adapt, "fingerprint": fingerprint_of(network, tokenizer)}
    lengths = _Lengths(frame, tokenizer, examples)
    model = NeuralModel(network, tokenizer)
    learner = build_adapting(
        model,
        method="lora",
        rank=RANK,
        seed=options.seed,
        learning_rate=None,
        origin=base["fingerprint"],
        frame=frame,
        longest=lengths.whole,
    )
    assert isinstance(learner, AnswerLearner)
    beams = BeamSettings(max_tokens=lengths.written, length_penalty=1.0)
    return learner, NetworkWriter(model, frame, beams, lengths.read, ADAPTED, base)


def load(folder: Path, facts: dict[str, Any]) -> NetworkWriter:
    """From a folder whose seal was checked. Raises DamagedModel."""
    settings, base = BeamSettings(**facts["settings"]), facts["base"]
    if base is None:
        model = gpt.load(folder)
        copies = tuple(facts.get("copies", ()))
        return NetworkWriter(model, Between(), settings, facts["most_read"], SCRATCH, copies=copies)
    network, tokenizer = open_base(base["model"])
    refuse_another(base["model"], fingerprint_of(network, tokenizer), base["fingerprint"])
    learned = load_file(folder / LEARNED)
    apply_changes(network, learned)
    frame = Frame(**facts["frame"])
    model = NeuralModel(network, tokenizer)
    return NetworkWriter(model, frame, settings, facts["most_read"], ADAPTED, base, learned)
