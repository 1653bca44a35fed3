"""Gain: on prose, a mixture of counts and a network, with weights by what is known of the past,
beats both, the interval of the difference not reaching 0.

    train      Kneser-Ney, index and network learn here
    stopping   when the network stops; how far the infinity-gram trusts its matches
    tuning     weights of the mixtures
    held out   the numbers; again without near copies of training text, and without any text that
               repeats 13 words of it
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result, find_folder, say
from foretell.contracts.corpus import Document, Split
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.learner import Budget
from foretell.corpus.cleaning import clean
from foretell.corpus.duplicates import find_copies, find_exact_copies
from foretell.corpus.index import build_index
from foretell.corpus.leaks import leak_share
from foretell.corpus.splits import prepare, split
from foretell.evaluation.comparing import Score
from foretell.evaluation.comparing import measure as measure_score
from foretell.evaluation.scoring import sign
from foretell.ladder.machine import set_threads
from foretell.ladder.rungs import subword_size
from foretell.models.buckets import Parts
from foretell.models.recent import RecentText
from foretell.models.sliding import unlimited
from foretell.tokenizers import train_tokenizer
from foretell.training.bucketing import BucketLearner, InfiniGramLearner
from foretell.training.fit import fit
from foretell.training.mixing import MixtureLearner
from foretell.training.recipes import build_learner

ARCHIVE = "lm/masc_tagged/masc_tagged.zip"
NETWORK = "gpt"
SECONDS, QUICK_SECONDS = 300.0, 20.0
EM_PASSES = 60
PARTNERS = ("kneser-ney", "network")


@dataclass(frozen=True)
class Pieces:
    """Models that learned from the training part alone, by name."""

    models: dict[str, LanguageModel]
    seconds_of_network: float


def read_prose(archive: Path) -> list[Document]:
    """The texts of the archive without their tags: `The_DT cat_NN` is `The cat`."""
    documents = []
    with zipfile.ZipFile(archive) as packed:
        for name in sorted(packed.namelist()):
            if not name.endswith(".txt") or name.endswith("categories.txt"):
                continue
            lines = packed.read(name).decode("utf-8", "replace").splitlines()
            words = (" ".join(word.rpartition("_")[0] for word in line.split()) for line in lines)
            documents.append(Document(clean("\n".join(words)), name))
    return [document for document in documents if document.text.strip()]


def texts_of(documents: Sequence[Document]) -> list[str]:
    return [document.text for document in documents]


def train_pieces(parts: Split, *, network: str, seconds: float) -> Pieces:
    """Kneser-Ney, the infinity-gram over it, recent text, and a network, on one tokenizer."""
    train = texts_of(parts.train)
    stopping = texts_of(parts.stopping)
    size = subword_size(sum(len(text.encode()) for text in train))
    tokenizer = train_tokenizer("bpe", train, size=size)
    counting = build_learner("kneser-ney", tokenizer, order=5)
    fit(counting, train, budget=Budget(passes=1))
    kneser_ney = counting.model()
    index = build_index(
        [encoding.tokens for encoding in tokenizer.encode_many(train)],
        names=[document.name for document in parts.train],
        vocabulary_size=tokenizer.vocabulary_size,
        boundary=tokenizer.boundary,
        tokenizer_fingerprint=tokenizer.fingerprint,
    )
    trusting = InfiniGramLearner(index, kneser_ney)
    fit(trusting, stopping, budget=Budget(passes=trusting.passes))
    descending = build_learner(network, tokenizer)
    run = fit(descending, train, budget=Budget(seconds=seconds), held_out=stopping)
    say(f"  network: {run.tokens} tokens in {run.seconds:.0f} s, ended by {run.ended}")
    models = {
        "kneser-ney": kneser_ney,
        "infinity-gram": trusting.model(),
        "recent": RecentText(tokenizer),
        "network": unlimited(descending.model()),
    }
    return Pieces(models, run.seconds)


def tune(models: dict[str, LanguageModel], texts: Sequence[str]) -> dict[str, LanguageModel]:
    """Mixtures of the models, their weights tuned on texts."""
    four = MixtureLearner(list(models.values()))
    fit(four, texts, budget=Budget(passes=EM_PASSES))
    two = four.without(np.array([name not in PARTNERS for name in models]))
    fit(two, texts, budget=Budget(passes=EM_PASSES))
    bucketed = BucketLearner(Parts(list(models.values()), guide=1, gauge=3))
    fit(bucketed, texts, budget=Budget(passes=bucketed.passes))
    return {
        "two, one weight each": two.model(),
        "four, one weight each": four.model(),
        "mixture": bucketed.model(),
    }


def measure(*, quick: bool) -> Result:
    folder = find_folder("FORETELL_DATA", "data")
    if folder is None or not (folder / ARCHIVE).is_file():
        return Result(None, {"reason": f"no {ARCHIVE}; name its folder in FORETELL_DATA"})
    set_threads(None)
    documents = find_exact_copies(read_prose(folder / ARCHIVE)).kept
    prepared = prepare(documents)
    parts = split(prepared.documents, passages=prepared.passages)
    seconds = QUICK_SECONDS if quick else SECONDS
    pieces = train_pieces(parts, network=NETWORK, seconds=seconds)
    mixtures = tune(pieces.models, texts_of(parts.tuning))
    everything = {**pieces.models, **mixtures}

    judged = {
        "held out": parts.held_out,
        "without near copies": drop_copies(parts),
        "without repeats of 13 words": tuple(
            document for document in parts.held_out if leak_share(parts.train, [document]) == 0
        ),
    }
    scores: dict[tuple[str, str], Score] = {}
    for name, model in everything.items():
        whole = measure_score(model, texts_of(parts.held_out), end_of_text=True)
        scores |= {(name, part): narrow(whole, model, parts, some) for part, some in judged.items()}
    gains = {part: compare(scores, part) for part in judged}
    met = all(gains[part][partner]["high"] < 0 for part in judged for partner in PARTNERS)
    figures: dict[str, Any] = {
        "text": ARCHIVE,
        "documents": {
            "train": len(parts.train),
            "stopping": len(parts.stopping),
            "tuning": len(parts.tuning),
            **{part: len(some) for part, some in judged.items()},
        },
        "vocabulary": pieces.models["network"].tokenizer.vocabulary_size,
        "network": NETWORK,
        "seconds_of_network": pieces.seconds_of_network,
        "bits_per_byte": {
            part: {name: float(scores[name, part].bits_per_byte.value) for name in everything}
            for part in judged
        },
        "mixture_minus": gains,
    }
    return Result(met, figures)


def narrow(whole: Score, model: LanguageModel, parts: Split, some: Sequence[Document]) -> Score:
    """The score of some of the held-out documents, read no second time."""
    names = {document.name for document in some}
    pairs = zip(parts.held_out, whole.evidence, strict=True)
    evidence = tuple(each for document, each in pairs if document.name in names)
    return Score(evidence, sign(model, texts_of(some), end_of_text=True))


def drop_copies(parts: Split) -> tuple[Document, ...]:
    """Held-out documents that are no near copy of any other text."""
    others = [*parts.train, *parts.stopping, *parts.tuning]
    copies = {name for name, _ in find_copies([*others, *parts.held_out]).set_aside}
    return tuple(document for document in parts.held_out if document.name not in copies)


def compare(scores: dict[tuple[str, str], Score], part: str) -> dict[str, dict[str, float]]:
    """Bits per byte of the mixture minus those of each other model, with the interval."""
    found = {}
    for name, where in scores:
        if where == part and name != "mixture":
            difference = scores["mixture", part].against(scores[name, part])
            value, low, high = (
                float(number)
                for number in (
                    difference.interval.value,
                    difference.interval.low,
                    difference.interval.high,
                )
            )
            found[name] = {"value": value, "low": low, "high": high, "p": difference.p_value}
            say(f"  {part}: mixture - {name} = {value:+.4f} [{low:+.4f}, {high:+.4f}]")
    return found
