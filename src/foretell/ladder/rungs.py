"""Which rungs there are, with which tokens, and what share of the time each network gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

from foretell.contracts.errors import ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.tokenizers import KINDS, train_tokenizer
from foretell.training.recipes import COUNTING, NETWORKS

SHARES = {"rnn": 1.0, "gru": 2.0, "lstm": 3.0, "gpt2": 4.0, "llama": 4.0, "gpt": 4.0}
"""Of the networks' time. What learns more slowly and ends better gets more."""
LADDER = ("rnn", "gru", "lstm", "gpt")
"""Networks of a comparison that names no rungs."""
SUBWORDS = ("bpe", "unigram")


@dataclass(frozen=True)
class Rung:
    """One row of the ladder, before it is trained."""

    family: str
    """unigram, kneser-ney, infinity-gram, rnn, gru, lstm, gpt, gpt2 or llama."""
    tokenizer: str
    """One of tokenizers.KINDS."""
    size: int | None
    """Vocabulary of a subword tokenizer."""

    @property
    def slug(self) -> str:
        """Name of its folder: `gpt-bpe-1024`."""
        return "-".join(str(x) for x in (self.family, self.tokenizer, self.size) if x is not None)

    @property
    def counts(self) -> bool:
        return self.family in COUNTING

    @property
    def share(self) -> float:
        return SHARES.get(self.family, 0.0)


def subword_size(train_bytes: int) -> int:
    """Vocabulary for a text: about one token for each kilobyte, a power of two.

    Kneser-Ney and networks were both best near there on three texts; docs/decisions/ladder.md.
    """
    return int(2 ** min(13, max(9, round(log2(max(1, train_bytes) / 1000)))))


def default_ladder(size: int, *, networks: bool) -> list[Rung]:
    """The whole ladder on one subword tokenizer, and 5-grams on the other tokenizers: they cost
    seconds, and the best of them is the floor."""
    ladder = [Rung(family, "bpe", size) for family in COUNTING]
    ladder += [Rung("kneser-ney", kind, None) for kind in ("bytes", "characters", "words")]
    if networks:
        ladder += [Rung(family, "bpe", size) for family in LADDER]
    return ladder


def parse_rungs(asked: str, size: int) -> list[Rung]:
    """`gpt,lstm:bytes,kneser-ney:bpe:2048` to rungs. Raises ForetellError for what there is not."""
    rungs = []
    for spec in asked.replace(" ", "").split(","):
        family, _, rest = spec.partition(":")
        kind, _, number = rest.partition(":")
        kind = kind or "bpe"
        if family not in (*COUNTING, *NETWORKS):
            raise ForetellError(
                f"there is no rung {family!r}; choose from {', '.join((*COUNTING, *NETWORKS))}"
            )
        if kind not in KINDS:
            raise ForetellError(f"there is no tokenizer {kind!r}; choose from {', '.join(KINDS)}")
        if number and (kind not in SUBWORDS or not number.isdigit()):
            raise ForetellError(f"cannot read {spec!r}; write family:bpe:2048, or family:{kind}")
        rungs.append(Rung(family, kind, (int(number or size) if kind in SUBWORDS else None)))
    if len(set(rungs)) < len(rungs):
        raise ForetellError(f"a rung is named twice in {asked}; name each once")
    if not any(rung.family == "kneser-ney" for rung in rungs):
        # The floor is what every number is held against, so it is always there.
        rungs.insert(0, Rung("kneser-ney", "bpe", size))
    return rungs


def train_tokenizers(
    rungs: Sequence[Rung], texts: Sequence[str]
) -> dict[tuple[str, int | None], Tokenizer]:
    """One tokenizer for each (kind, size) that the rungs name."""
    wanted = dict.fromkeys((rung.tokenizer, rung.size) for rung in rungs)
    return {(kind, size): train_tokenizer(kind, texts, size=size) for kind, size in wanted}
