"""A plain script, as NLTK's documentation writes one: python with_nltk.py LINES TEXTS

LINES: a sentence a line, words apart by spaces. Prints figures as JSON.
"""

import json
import os
import sys
from pathlib import Path

import nltk
import numpy as np
from nltk.corpus.reader import PlaintextCorpusReader
from nltk.lm import (
    MLE,
    AbsoluteDiscountingInterpolated,
    KneserNeyInterpolated,
    Laplace,
    Lidstone,
    WittenBellInterpolated,
)
from nltk.lm.preprocessing import pad_both_ends, padded_everygram_pipeline
from nltk.tokenize import LineTokenizer, SpaceTokenizer
from nltk.util import ngrams

import foretell
from foretell.interop.nltk import (
    FromNLTK,
    ModifiedKneserNey,
    as_nltk,
    from_nltk,
    lines_of,
    load_nltk,
    save_nltk,
    tokenizer_of,
)
from foretell.testing.laws import check_laws
from foretell.tokenizers import Bytes, Characters, Subwords

ORDER = 3
ASKED = 40
"""Words for which whole distributions are asked of NLTK, word by word."""

lines = Path(sys.argv[1]).read_text("utf-8").splitlines()
texts = json.loads(Path(sys.argv[2]).read_text("utf-8"))
sentences = [line.split() for line in lines]
train, held_out = sentences[: -len(sentences) // 5], sentences[-len(sentences) // 5 :]
grams = [gram for sentence in held_out for gram in ngrams(pad_both_ends(sentence, n=ORDER), ORDER)]
grams = [gram for gram in grams if gram[-2] != "</s>"]


def fit(model, text=train):
    model.fit(*padded_everygram_pipeline(ORDER, text))
    return model


def apart(some, others):
    """The largest difference of probabilities, relative to them."""
    some, others = np.array(some), np.array(others)
    return float((np.abs(some - others) / np.maximum(others, 1e-12)).max())


def read(model, text):
    """P of each word, and of the end, as the contract gives them."""
    words = [model.tokenizer.encode(" ".join(sentence)).tokens for sentence in text]
    ends = np.array([model.tokenizer.boundary], np.int32)
    rows = [model.score(np.concatenate([row, ends])[None])[0] for row in words]
    return np.exp(np.concatenate(rows).astype(np.float64))


out = {"words": len(grams), "models": {}}
for make in (
    lambda: MLE(ORDER),
    lambda: Laplace(ORDER),
    lambda: Lidstone(0.1, ORDER),
    lambda: WittenBellInterpolated(ORDER),
    lambda: AbsoluteDiscountingInterpolated(ORDER),
    lambda: KneserNeyInterpolated(ORDER, discount=0.75),
):
    theirs = fit(make())
    slow = isinstance(theirs, KneserNeyInterpolated)
    some = grams[:: max(1, len(grams) // (ASKED // 4 if slow else ASKED))]
    ours = from_nltk(theirs)
    expected = [theirs.score(gram[-1], gram[:-1]) for gram in grams]
    save_nltk(theirs, "lm.json")
    saved = load_nltk("lm.json")
    back = as_nltk(ours)
    if slow:
        # Its laws on a part: NLTK looks through all its contexts for each word.
        theirs = fit(make(), train[:3])
        ours = from_nltk(theirs)
    broken = [law.law for law in check_laws(ours, width=4) if not law.passed]
    mended = check_laws(from_nltk(theirs, renormalise=True), width=4)
    out["models"][type(theirs).__name__] = {
        "there": apart(read(from_nltk(saved), held_out), expected),
        "there_and_back": apart(
            [back.score(gram[-1], gram[:-1]) for gram in some],
            [saved.score(gram[-1], gram[:-1]) for gram in some],
        ),
        "saved_equal": expected == [saved.score(gram[-1], gram[:-1]) for gram in grams],
        "laws_broken": broken,
        "laws_broken_renormalised": [law.law for law in mended if not law.passed],
    }

lm = fit(ModifiedKneserNey(ORDER))
some = held_out[:: max(1, len(held_out) // 5)]
out["ours"] = {
    "back": apart([lm.score(gram[-1], gram[:-1]) for gram in grams], read(lm.model, held_out)),
    "back_and_there": apart(read(FromNLTK(lm), some), read(lm.model, some)),
    "sum": sum(lm.score(word, train[0][:1]) for word in lm.vocab),
    "perplexity": lm.perplexity(grams),
    "perplexity_of_score": foretell.score(
        lm.model, [" ".join(sentence) for sentence in held_out], end_of_text=True
    ).total.perplexity,
    "generated": lm.generate(8, random_seed=3),
}

tokenizers = [Bytes(), Characters.train(texts), Subwords.train(texts, size=400)]
out["pieces_join"] = all(
    "".join(tokenizer_of(tokenizer, keep_spaces=True).tokenize(text)) == text
    for tokenizer in tokenizers
    for text in texts
)
folder = os.path.dirname(os.path.abspath(sys.argv[1]))
nltk.data.path.append(folder)
reader = PlaintextCorpusReader(
    folder,
    [os.path.basename(sys.argv[1])],
    word_tokenizer=SpaceTokenizer(),
    sent_tokenizer=LineTokenizer(),
)
out["corpus_equal"] = list(lines_of(reader)) == lines
print(json.dumps(out, ensure_ascii=False))
