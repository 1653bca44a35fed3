"""Generate text: the one loop, for every model, in batches or as a stream.

A text that outgrows a model's window goes on by `models.sliding`: what is in sight depends on the
place in the text alone, so that a long prompt and a long output see the same.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.contracts.language_model import LanguageModel, Step
from foretell.contracts.tokenizer import Tokenizer
from foretell.decoding.pickers import Greedy, Picker, Sample
from foretell.decoding.stopping import StopStrings, WholeCharacters
from foretell.decoding.transforms import (
    Forbid,
    MinP,
    Repetition,
    Temperature,
    TopK,
    TopP,
    Transform,
)
from foretell.models.sliding import unlimited

WARM_UP = 8
"""Tokens generated before the clock starts: compilers and caches are not what is measured."""

Finish = Literal["boundary", "stop", "length"]
"""The model ended the text; a stop string came; max_tokens were picked."""


@dataclass(frozen=True)
class DecodingSettings:
    """How to pick tokens and when to stop.

    temperature 0 is greedy: the likeliest token, and then top_k, top_p, min_p and seed change
    nothing. None switches a filter off. Applied in this order: the unknown token is forbidden,
    repetition, temperature, top_k, top_p, min_p. repetition: see `transforms.Repetition`.

    Good: DecodingSettings(temperature=0.8, top_p=0.95, stop=("\\n\\n",))
    Bad:  DecodingSettings(top_k=0)          None keeps all tokens
    Bad:  DecodingSettings(stop="\\n\\n")      one stop string is a tuple too
    """

    max_tokens: int = 200
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ForetellError(f"max_tokens must be at least 1, not {self.max_tokens}")
        if not self.temperature >= 0:
            raise ForetellError(
                f"temperature must be 0, which is greedy, or more, not {self.temperature}"
            )
        # The parts refuse what they cannot use, with the allowed range.
        StopStrings(self.stop)
        Sample(self.seed)
        self._reshaping()

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    def transforms(self, tokenizer: Tokenizer) -> tuple[Transform, ...]:
        """The transforms that these settings stand for, in order."""
        unknown = () if tokenizer.unknown is None else (Forbid((tokenizer.unknown,)),)
        return unknown + self._reshaping()

    def picker(self) -> Picker:
        return Greedy() if self.greedy else Sample(self.seed)

    def _reshaping(self) -> tuple[Transform, ...]:
        parts: list[Transform] = [Repetition(self.repetition)]
        parts += [Temperature(1.0 if self.greedy else self.temperature)]
        parts += [] if self.top_k is None else [TopK(self.top_k)]
        parts += [] if self.top_p is None else [TopP(self.top_p)]
        parts += [] if self.min_p is None else [MinP(self.min_p)]
        return tuple(parts)


@dataclass(frozen=True)
class Generation:
    """What was generated after one prompt."""

    text: str
    """Whole characters, up to a stop string. Without the prompt, and without a last character of
    which max_tokens left only some bytes."""
    tokens: tuple[int, ...]
    """(N,) all that were picked: those of the stop string and the boundary too."""
    logprobs: tuple[float, ...]
    """(N,) ln P of each token under the model itself, before any transform."""
    finished: Finish


def read_prompts(model: LanguageModel, texts: Sequence[NDArray[np.int32]]) -> Step:
    """Read texts (B of (N,)) from their beginnings, an empty one as far as its boundary; K = 1."""
    empty = [row for row, text in enumerate(texts) if not len(text)]
    rest = [row for row, text in enumerate(texts) if len(text)]
    parts: list[Step] = []
    if empty:
        parts.append(model.begin(len(empty)))
    if rest:
        lengths = np.array([len(texts[row]) for row in rest], np.int32)
        tokens = np.full((len(rest), int(lengths.max())), model.tokenizer.boundary, np.int32)
        for line, row, length in zip(tokens, rest, lengths, strict=True):
            line[:length] = texts[row]
        state = model.begin(len(rest)).state
        parts.append(model.advance(state, tokens, lengths=lengths, keep=1))
    if len(parts) == 1:
        return parts[0]
    back = np.argsort(empty + rest)
    logprobs = np.concatenate([part.logprobs for part in parts])[back]
    return Step(logprobs, parts[0].state.join(parts[1].state).select(back))


def generate(
    model: LanguageModel,
    prompts: Sequence[str],
    *,
    settings: DecodingSettings,
    rows: Sequence[int] | None = None,
    shape: Sequence[Transform] = (),
) -> list[Generation]:
    """Continue each prompt; an empty one begins a text. One Generation a prompt, in order.

    The rows are read together and finish apart. rows (B,): the keys of their noise; None: 0, 1, 2
    and so on. Noise is keyed by (settings.seed, row key, tokens of text before), so equal prompts
    differ, and a row of a batch can be had again alone, or a text generated further: the same
    draws come at the same places. Models whose arithmetic depends on the batch, as some matrix
    kernels do in the last digits, may still turn a near tie over. shape: transforms before those
    of the settings.

    Good: generate(model, ["The sea", ""], settings=settings)
    Good: generate(model, [prompts[3]], settings=settings, rows=[3])     equals the fourth above
    Bad:  generate(model, "The sea", settings=settings)
    """
    if isinstance(prompts, str):
        raise ForetellError("prompts is one text; write [prompt], or use stream")
    keys = range(len(prompts)) if rows is None else rows
    if len(keys) != len(prompts):
        raise ForetellError(f"{len(keys)} row keys for {len(prompts)} prompts; give one for each")
    done: dict[int, Generation] = {}
    for event in _events(model, prompts, keys, settings, shape):
        if event.generation is not None:
            done[event.row] = event.generation
    return [done[row] for row in range(len(prompts))]


def stream(
    model: LanguageModel,
    prompt: str | NDArray[np.int32],
    *,
    settings: DecodingSettings,
    row: int = 0,
) -> Generator[str, None, Generation]:
    """Continue one prompt, a text or its tokens (T,), and yield text as soon as it is certain; the
    pieces are not empty.

    Together they are the text of generate(model, [prompt], settings=settings, rows=[row]), which
    is the value that the generator returns. A piece has whole characters, and nothing that may
    turn out to belong to a stop string.

    Good: for piece in stream(model, "The sea", settings=settings): write(piece)
    Bad:  stream(model, ["The sea"], settings=settings)
    """
    if not isinstance(prompt, str | np.ndarray):
        raise ForetellError("stream continues one prompt, a str; use generate for several")
    # The work below is delayed, the refusal above is not.
    return _pieces(_events(model, [prompt], [row], settings))


def measure_milliseconds_per_token(
    model: LanguageModel, *, tokens: int = 48, seed: int = 0
) -> float:
    """Median wall time for one token more, one row alone, from the beginning of a text.

    After a warm-up; reading, picking and decoding included. The median leaves out the rare token
    at which a full context is read again.
    """
    if tokens < 1:
        raise ForetellError(f"tokens must be at least 1, not {tokens}")
    settings = DecodingSettings(max_tokens=WARM_UP + tokens, seed=seed)
    # A text that ends early would leave nothing to measure.
    lasting = (Forbid((model.tokenizer.boundary,)), *settings.transforms(model.tokenizer))
    times = [perf_counter()]
    for _ in _decode(model, [_Row(model.tokenizer, "", 0, 0, settings)], lasting, settings):
        times.append(perf_counter())
    return float(np.median(np.diff(times)[-tokens:]) * 1000)


class _Event(NamedTuple):
    """One token of one row."""

    row: int
    text: str
    generation: Generation | None


class _Row:
    """One text in the making."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompt: str | NDArray[np.int32],
        index: int,
        key: int,
        settings: DecodingSettings,
    ) -> None:
        tokens = tokenizer.encode(prompt).tokens if isinstance(prompt, str) else prompt
        self.index = index
        self.key = key
        self.settings = settings
        self.boundary = tokenizer.boundary
        self.length = self.prompt_length = len(tokens)
        # Grows by doubling, so that histories are views and long outputs cost no copies.
        self.buffer = np.concatenate([tokens, np.zeros(64, np.int32)]).astype(np.int32)
        self.logprobs: list[float] = []
        self.characters = WholeCharacters.after(tokenizer, tokens)
        self.stops = StopStrings(settings.stop)
        self.text: list[str] = []

    @property
    def tokens(self) -> NDArray[np.int32]:
        """(N,) prompt and output so far."""
        return self.buffer[: self.length]

    def take(self, token: int, logprob: float) -> _Event:
        """One token further."""
        if self.length == len(self.buffer):
            self.buffer = np.concatenate([self.buffer, np.zeros_like(self.buffer)])
        self.buffer[self.length] = token
        self.length += 1
        self.logprobs.append(logprob)
        finished: Finish | None = None
        out = ""
        if token == self.boundary:
            finished = "boundary"
        else:
            text, self.characters = self.characters.read(token)
            out, stopped, self.stops = self.stops.read(text)
            if stopped:
                finished = "stop"
            elif len(self.logprobs) == self.settings.max_tokens:
                finished = "length"
        if finished in ("boundary", "length"):
            out += self.stops.held
        self.text.append(out)
        if finished is None:
            return _Event(self.index, out, None)
        tokens = tuple(self.tokens[self.prompt_length :].tolist())
        done = Generation("".join(self.text), tokens, tuple(self.logprobs), finished)
        return _Event(self.index, out, done)


def _events(
    model: LanguageModel,
    prompts: Sequence[str | NDArray[np.int32]],
    keys: Sequence[int],
    settings: DecodingSettings,
    shape: Sequence[Transform] = (),
) -> Iterator[_Event]:
    rows = [
        _Row(model.tokenizer, prompt, index, key, settings)
        for index, (prompt, key) in enumerate(zip(prompts, keys, strict=True))
    ]
    transforms = (*shape, *settings.transforms(model.tokenizer))
    return _decode(model, rows, transforms, settings)


def _pieces(events: Iterator[_Event]) -> Generator[str, None, Generation]:
    for event in events:
        if event.text:
            yield event.text
        if event.generation is not None:
            return event.generation
    raise AssertionError("a row never ends without its Generation")


def _decode(
    model: LanguageModel,
    rows: list[_Row],
    transforms: Sequence[Transform],
    settings: DecodingSettings,
) -> Iterator[_Event]:
    """Every row to its end, one event for each token picked."""
    if not rows:
        return
    picker = settings.picker()
    model = unlimited(model)
    step = read_prompts(model, [row.tokens for row in rows])
    while True:
        logprobs = step.logprobs[:, -1]
        shaped = logprobs
        history = [row.tokens for row in rows]
        for transform in transforms:
            shaped = transform(shaped, history)
        positions = [row.length for row in rows]
        picked = picker(shaped, [row.key for row in rows], positions)
        events = [
            row.take(int(token), float(distribution[token]))
            for row, token, distribution in zip(rows, picked, logprobs, strict=True)
        ]
        yield from events
        going = [place for place, event in enumerate(events) if event.generation is None]
        if not going:
            return
        state = step.state if len(going) == len(rows) else step.state.select(going)
        rows = [rows[place] for place in going]
        last = np.array([[row.tokens[-1]] for row in rows], np.int32)
        step = model.advance(state, last, keep=1)
