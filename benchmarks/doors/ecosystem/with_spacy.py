"""A plain script, as spaCy's documentation writes one: python with_spacy.py LANGUAGE TEXTS MODEL...

Imports nothing of foretell for its pipeline: the component is found by its entry point. Prints
figures as JSON.
"""

import json
import shutil
import sys
from pathlib import Path

import spacy

language, texts = sys.argv[1], json.loads(Path(sys.argv[2]).read_text("utf-8"))
out = {}
for place in sys.argv[3:]:
    nlp = spacy.blank(language)
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("foretell", config={"model": place})
    docs = list(nlp.pipe(texts, batch_size=4))
    bits = [[token._.surprisal for token in doc] for doc in docs]
    nlp.to_disk("pipeline")
    from_disk = spacy.load("pipeline")
    from_bytes = spacy.blank(language)
    from_bytes.add_pipe("sentencizer")
    from_bytes.add_pipe("foretell")
    from_bytes.from_bytes(nlp.to_bytes())
    shutil.rmtree("pipeline")

    # What foretell itself says of these texts; only now is it imported.
    import foretell

    score = foretell.score(foretell.load(place), texts)
    expected = [evidence.nats / 0.6931471805599453 for evidence in score.evidence]
    out[place] = {
        "tokens": sum(map(len, docs)),
        "sentences": sum(len(list(doc.sents)) for doc in docs),
        "texts_apart": max(
            abs(doc._.surprisal - total) / total for doc, total in zip(docs, expected, strict=True)
        ),
        "sentences_apart": max(
            abs(sum(sent._.surprisal for sent in doc.sents) - doc._.surprisal) for doc in docs
        ),
        "disk_equal": bits
        == [[t._.surprisal for t in d] for d in from_disk.pipe(texts, batch_size=4)],
        "bytes_equal": bits
        == [[t._.surprisal for t in d] for d in from_bytes.pipe(texts, batch_size=4)],
    }
print(json.dumps(out, ensure_ascii=False))
