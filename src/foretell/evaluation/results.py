"""What a comparison found: plain values that `report` draws and `compare --json` prints.

Nothing here computes. All bits are bits per byte, all times seconds unless the name says else.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CurvePoint:
    """How good a model was after so much training, on the stopping part."""

    seconds: float
    tokens: int
    bits_per_byte: float


@dataclass(frozen=True)
class RungResult:
    name: str
    """As a reader would say it: `GPT 1.3M, BPE 2k`; unique in a comparison."""
    family: str
    """unigram, kneser-ney, infinity-gram, rnn, gru, lstm, gpt or mixture."""
    tokenizer: str
    parameters: int | None
    bits_per_byte: Interval
    bits_per_byte_unspelled: float
    """Without the charge for spelling unknown tokens; equal to the above if there are none."""
    difference: Interval | None
    """Bits per byte minus the floor's, paired by document; None for the floor itself."""
    p_value: float | None
    """Of no difference to the floor, Holm-corrected over the rungs; None for the floor."""
    bytes_on_disk: int
    train_seconds: float
    milliseconds_per_token: float
    """Median time to generate one token, batch of one."""
    laws_passed: int
    laws_checked: int
    laws_failed: tuple[str, ...]
    """One message for each law that failed."""
    samples: tuple[str, ...]
    """Continuations of `Comparison.prompts`, in their order, without the prompt."""
    curve: tuple[CurvePoint, ...]
    """One point for models that count."""
    signature: str
    folder: str
    settings: dict[str, object] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    """Mixtures only: weight of each part, by rung name."""


@dataclass(frozen=True)
class TokenSurprisal:
    """One token of the passage that the report shades."""

    text: str
    """The token decoded alone; U+FFFD where it is a piece of a character."""
    bytes: int
    """Bytes of the passage that it stands for."""
    bits: float
    probability: float
    alternatives: tuple[tuple[str, float], ...]
    """The likeliest tokens at this place, with their probabilities."""
    decided_by: str
    """Exactly `order N` for an n-gram; empty where a model cannot say."""


@dataclass(frozen=True)
class Contrast:
    """A word that the second rung foretells better (or worse) than the first, summed up."""

    word: str
    bits: float
    """Bits saved in all by the second rung on this word; negative if it lost."""
    count: int
    example: str
    """The word in its context, the word between two `▮` marks."""


@dataclass(frozen=True)
class Comparison:
    title: str
    """Name of the text."""
    documents: int
    bytes: int
    languages: str
    """`English`, `Chinese`, `English and Chinese`, or the scripts found."""
    set_aside: int
    """Documents left out as copies or near-copies of others."""
    split: dict[str, dict[str, int]]
    """Part name (train, stopping, tuning, held_out) to its documents and bytes."""
    passages: bool
    leak_share: float
    """Share of held-out 13-grams (of words or Chinese characters) that stand in training."""
    rungs: tuple[RungResult, ...]
    """Sorted by bits per byte, best first."""
    floor: str
    """Name of the rung that is the floor: the best Kneser-Ney 5-gram."""
    recommendation: dict[str, str]
    """Language code (en, zh) to the sentences that answer the question."""
    resolution: float
    """Differences in bits per byte below this cannot be seen on this held-out text."""
    prompts: tuple[str, ...]
    passage_text: str
    passage: dict[str, tuple[TokenSurprisal, ...]]
    """Rung name to the same held-out passage as that rung read it."""
    contrasts: tuple[Contrast, ...]
    contrast_pair: tuple[str, str]
    """The two rung names that `contrasts` compares."""
    skipped: dict[str, str]
    """What was not run, and why."""
    settings: dict[str, object]
    machine: dict[str, str]
    versions: dict[str, str]
    seconds: float
    """Wall time of the whole comparison."""
