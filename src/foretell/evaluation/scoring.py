"""Texts to evidence: what each document cost a model, and the recipe of that number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foretell import __version__
from foretell.contracts.corpus import fingerprint_texts
from foretell.contracts.evidence import Evidence, Signature
from foretell.contracts.language_model import LanguageModel, score_documents
from foretell.contracts.tokenizer import Tokenizer
from foretell.models.sliding import Sliding, unlimited


@dataclass(frozen=True)
class Reading:
    """One document as one model read it. Arrays are (T,), the end of the text last if charged."""

    logprobs: NDArray[np.float32]
    """ln P of each token."""
    byte_lengths: NDArray[np.int32]
    """Bytes of the text that each token stands for; 0 for the end."""
    evidence: Evidence


def read_texts(model: LanguageModel, texts: Sequence[str], *, end_of_text: bool) -> list[Reading]:
    """Each text, read whole from its beginning.

    Models with a window slide over it, models with a state carry it through; each token is
    scored once. end_of_text: charge for foretelling the end as well.
    """
    tokenizer = model.tokenizer
    encodings = tokenizer.encode_many(list(texts))
    edge = np.array([tokenizer.boundary] if end_of_text else [], np.int32)
    documents = [np.concatenate([encoding.tokens, edge]) for encoding in encodings]
    scores = score_documents(unlimited(model), documents)
    readings = []
    for text, encoding, tokens, logprobs in zip(texts, encodings, documents, scores, strict=True):
        lengths = np.concatenate([encoding.byte_lengths, np.zeros_like(edge)])
        evidence = weigh(text, tokens, lengths, logprobs, tokenizer)
        readings.append(Reading(logprobs, lengths, evidence))
    return readings


def score_texts(model: LanguageModel, texts: Sequence[str], *, end_of_text: bool) -> list[Evidence]:
    """Evidence of each text; see `read_texts`."""
    return [reading.evidence for reading in read_texts(model, texts, end_of_text=end_of_text)]


def weigh(
    text: str,
    tokens: NDArray[np.int32],
    lengths: NDArray[np.int32],
    logprobs: NDArray[np.float32],
    tokenizer: Tokenizer,
) -> Evidence:
    """Evidence of a text whose tokens (T,), of so many bytes each (T,), have ln P (T,)."""
    if tokenizer.unknown is None:
        unknown = np.zeros(len(tokens), bool)
    else:
        unknown = tokens == tokenizer.unknown
    return Evidence(
        nats=-float(logprobs.sum(dtype=np.float64)),
        tokens=len(tokens),
        bytes=int(lengths.sum()),
        characters=len(text),
        words=len(text.split()),
        unknown=int(unknown.sum()),
        unknown_bytes=int(lengths[unknown].sum()),
        documents=1,
    )


def sign(
    model: LanguageModel, texts: Sequence[str], *, end_of_text: bool, metric: str = "bits_per_byte"
) -> Signature:
    """The recipe of what `score_texts` gives."""
    reader = unlimited(model)
    return Signature(
        metric=metric,
        text=fingerprint_texts(texts),
        tokenizer=model.tokenizer.fingerprint,
        window=model.context,
        overlap=reader.overlap if isinstance(reader, Sliding) else 0,
        end_of_text=end_of_text,
        version=__version__,
    )
