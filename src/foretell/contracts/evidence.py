"""Numbers about models. Statistics add; ratios are properties of the sum; every number signs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from math import exp, log

from foretell.contracts.errors import Incomparable


@dataclass(frozen=True)
class Evidence:
    """What reading some text cost a model. Adds up, document by document."""

    nats: float
    """-ln P of all that was scored. Unknown tokens: of the unknown token, without its spelling."""
    tokens: int
    bytes: int
    """UTF-8 bytes of the text itself, however it was tokenised."""
    characters: int
    words: int
    unknown: int
    unknown_bytes: int
    """Bytes that stand behind unknown tokens, and that an honest code would have to spell."""
    documents: int

    def __add__(self, other: Evidence) -> Evidence:
        return Evidence(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @staticmethod
    def sum(parts: Iterable[Evidence]) -> Evidence:
        return sum(parts, Evidence(0.0, 0, 0, 0, 0, 0, 0, 0))

    @property
    def spelled_nats(self) -> float:
        """Nats with unknown tokens charged for their spelling, ln 256 a byte."""
        return self.nats + self.unknown_bytes * log(256)

    @property
    def bits_per_byte(self) -> float:
        """Spelled bits for each byte of the text: comparable between tokenizers."""
        return self.spelled_nats / log(2) / self.bytes

    @property
    def bits_per_byte_unspelled(self) -> float:
        """As above without the charge for spelling; flatters a model with many unknowns."""
        return self.nats / log(2) / self.bytes

    @property
    def bits_per_character(self) -> float:
        return self.spelled_nats / log(2) / self.characters

    @property
    def perplexity(self) -> float:
        """exp(nats / tokens). Comparable only between models of one tokenizer."""
        return exp(self.nats / self.tokens)

    @property
    def word_perplexity(self) -> float:
        return exp(min(700.0, self.spelled_nats / max(1, self.words)))


@dataclass(frozen=True)
class Signature:
    """The recipe of a number; numbers are compared only if their recipes agree where they must."""

    metric: str
    text: str
    """Fingerprint of the scored texts."""
    tokenizer: str
    window: int | None
    """Tokens a state may hold while scoring; None: the whole document."""
    overlap: int
    """Fewest tokens of context for a token that is not near a document's beginning."""
    end_of_text: bool
    version: str

    def __str__(self) -> str:
        window = "document" if self.window is None else f"{self.window}/{self.overlap}"
        end = "yes" if self.end_of_text else "no"
        return (
            f"{self.metric}|text:{self.text}|tok:{self.tokenizer}|window:{window}"
            f"|end:{end}|v:{self.version}"
        )

    def check_comparable(self, other: Signature) -> None:
        """Raise Incomparable, naming the first difference that makes a comparison void.

        Bits per byte may be compared across tokenizers and windows; perplexity may not.
        """
        must = ["metric", "text", "end_of_text"]
        if self.metric == "perplexity":
            must.append("tokenizer")
        for name in must:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise Incomparable(
                    f"cannot compare: {name.replace('_', ' ')} is {mine} for one score and "
                    f"{theirs} for the other; score both again with the same"
                )

    def as_dict(self) -> dict[str, object]:
        return asdict(self)
