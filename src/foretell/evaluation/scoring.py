"""Texts to evidence: what each document cost a model, and the recipe of that number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foretell import __version__
from foretell.contracts.corpus import fingerprint_texts
from foretell.contracts.evidence import Evidence, Signature
from foretell.contracts.language_model import LanguageModel, score_documents
from foretell.models.sliding import Sliding, unlimited


def score_texts(
    model: LanguageModel, texts: Sequence[str], *, end_of_text: bool
) -> list[Evidence]:
    """Evidence of each document, read whole from its beginning.

    Models with a window slide over it, models with a state carry it through; each token is
    scored once. end_of_text: charge for foretelling the end as well.
    """
    tokenizer = model.tokenizer
    encodings = tokenizer.encode_many(list(texts))
    edge = np.array([tokenizer.boundary] if end_of_text else [], np.int32)
    documents = [np.concatenate([encoding.tokens, edge]) for encoding in encodings]
    scores = score_documents(unlimited(model), documents)
    evidence = []
    for text, encoding, score in zip(texts, encodings, scores, strict=True):
        unknown = (
            np.zeros(len(encoding.tokens), bool)
            if tokenizer.unknown is None
            else encoding.tokens == tokenizer.unknown
        )
        evidence.append(
            Evidence(
                nats=-float(score.sum(dtype=np.float64)),
                tokens=len(score),
                bytes=int(encoding.byte_lengths.sum()),
                characters=len(text),
                words=len(text.split()),
                unknown=int(unknown.sum()),
                unknown_bytes=int(encoding.byte_lengths[unknown].sum()),
                documents=1,
            )
        )
    return evidence


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
