"""A plain script, as Gensim's documentation writes one: python with_gensim.py LINES MODEL...

LINES: a sentence a line, words apart by spaces. MODEL: folders of networks. Prints figures as JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors, Word2Vec
from gensim.models.phrases import Phrases

import foretell
from foretell.interop.gensim import initialise, phrases_of, vectors_of

lines = Path(sys.argv[1])
sentences = [line.split() for line in lines.read_text("utf-8").splitlines()]
out = {"networks": {}, "phrases": {}}
for place in sys.argv[2:]:
    model = foretell.load(place)
    vectors = vectors_of(model)
    vectors.save_word2vec_format("vectors.txt")
    again = KeyedVectors.load_word2vec_format("vectors.txt")
    rows = again.vectors.copy()
    again.vectors = -again.vectors
    all_found = initialise(model, again)
    turned = np.array_equal(vectors_of(model).vectors, -vectors.vectors)
    again.vectors = rows
    initialise(model, again)
    back = vectors_of(model)
    trained = Word2Vec(
        sentences, vector_size=vectors.vector_size, min_count=2, epochs=1, workers=1, seed=1
    ).wv
    found = initialise(model, trained)
    out["networks"][place] = {
        "tokens": len(vectors),
        "found": all_found,
        "equal": back.index_to_key == vectors.index_to_key
        and turned
        and np.array_equal(back.vectors, vectors.vectors),
        "words_trained_by_gensim": found,
    }
for name, settings in {
    "default": {"min_count": 1, "threshold": 1.0},
    "npmi": {"min_count": 2, "threshold": 0.3, "scoring": "npmi"},
}.items():
    theirs = Phrases(sentences, **settings).freeze()
    ours = phrases_of(lines, **settings)
    out["phrases"][name] = {
        "phrases": len(theirs.phrasegrams),
        "equal": ours.phrasegrams == theirs.phrasegrams
        and all(ours[sentence] == theirs[sentence] for sentence in sentences),
    }
print(json.dumps(out, ensure_ascii=False))
