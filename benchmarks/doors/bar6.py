"""NLTK, spaCy and Gensim, from plain scripts as their own documentation writes them, on English and
Chinese: each round trip equal.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.doors.texts import EACH, read_texts
from benchmarks.result import ROOT, Result, say
from foretell import models
from foretell.contracts.language_model import LanguageModel
from foretell.contracts.tokenizer import Tokenizer
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import NeuralModel, UnlimitedModel
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.models.ngram import NGram, estimate
from foretell.tokenizers import Subwords
from foretell.tokenizers.whitespace import learn_lines

LIBRARIES = ("nltk", "spacy", "gensim")
SCRIPTS = Path(__file__).parent / "ecosystem"
CLOSE = 1e-5
"""Of probabilities and bits, relative: they cross the contract as numbers of 32 bits."""
SIZE, WIDTH, CONTEXT = 512, 32, 64
NOT_WHOLE = ["normalised"]
"""The law that models may break whose numbers stay NLTK's own."""


def measure(*, quick: bool) -> Result:
    texts = read_texts()
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if texts is None:
        return Result(None, {"reason": "needs the data; name its folder in FORETELL_DATA"})
    if missing:
        return Result(None, {"reason": f'pip install "foretell[{",".join(missing)}]"'})
    found = {}
    for language, own in (("en", texts[:EACH]), ("zh", texts[EACH:])):
        with tempfile.TemporaryDirectory() as scratch:
            found[language] = _measure(language, own[:3] if quick else own, Path(scratch))
    return Result(all(_equal(each) for each in found.values()), {"languages": found})


def _measure(language: str, texts: list[str], folder: Path) -> dict[str, Any]:
    from foretell.interop.spacy import cutter, prepare

    (folder / "corpus").mkdir()
    lines = folder / "corpus" / "lines.txt"
    lines.write_text("\n".join(prepare(texts, cutter(language))) + "\n", "utf-8")
    (folder / "texts.json").write_text(json.dumps(texts), "utf-8")
    places = _write_models(texts, lines, folder)
    networks = [place for place in places if place != "ngram"]
    found = {
        "nltk": _run("with_nltk.py", [str(lines), "texts.json"], folder),
        "spacy": _run("with_spacy.py", [language, "texts.json", *places], folder),
        "gensim": _run("with_gensim.py", [str(lines), *networks], folder),
    }
    say(f"{language}: {json.dumps(found, ensure_ascii=False)}")
    return found


def _write_models(texts: list[str], lines: Path, folder: Path) -> list[str]:
    """Folders of an n-gram model and of every kind of network, with weights by chance."""
    torch.manual_seed(0)
    parts = Subwords.train(texts, size=SIZE)
    words, _ = learn_lines(np.frombuffer(lines.read_bytes(), np.uint8))
    made = {
        "ngram": _count(texts, parts),
        "lstm": _lstm(parts),
        "lstm-of-words": _lstm(words),
        "gpt": NeuralModel(GPT(GPTSizes(SIZE, CONTEXT, WIDTH, 2, 2, tables=(99, 99))), parts),
        "gpt2": NeuralModel(GPT2(GPT2Sizes(SIZE, CONTEXT, WIDTH, 2, 2)), parts),
        "llama": NeuralModel(Llama(LlamaSizes(SIZE, CONTEXT, WIDTH, 2, 2, 64, 1)), parts),
    }
    for name, model in made.items():
        models.save(model, folder / name)
    return list(made)


def _count(texts: list[str], tokenizer: Tokenizer) -> LanguageModel:
    tokens = [encoding.tokens for encoding in tokenizer.encode_many(texts)]
    size, boundary = tokenizer.vocabulary_size, tokenizer.boundary
    return NGram(estimate(tokens, vocabulary_size=size, boundary=boundary, order=4), tokenizer)


def _lstm(tokenizer: Tokenizer) -> LanguageModel:
    sizes = RecurrentSizes("lstm", tokenizer.vocabulary_size, width=WIDTH, hidden=48)
    return UnlimitedModel(RecurrentNetwork(sizes), tokenizer)


def _run(script: str, arguments: Sequence[str], folder: Path) -> Any:
    """What a script printed, run as if foretell were installed with its entry points."""
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    installed = folder / "installed" / f"foretell-{facts['version']}.dist-info"
    installed.mkdir(parents=True, exist_ok=True)
    (installed / "METADATA").write_text(f"Name: foretell\nVersion: {facts['version']}\n")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {where}\n" for name, where in named.items())
        for group, named in facts["entry-points"].items()
    ]
    (installed / "entry_points.txt").write_text("".join(points))
    paths = [str(installed.parent), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{script} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _equal(found: dict[str, Any]) -> bool:
    counted, cut, vectors = found["nltk"], found["spacy"], found["gensim"]
    ours = counted["ours"]
    return all(
        [
            *(each["there"] <= CLOSE for each in counted["models"].values()),
            *(each["there_and_back"] <= CLOSE for each in counted["models"].values()),
            *(each["saved_equal"] for each in counted["models"].values()),
            *(each["laws_broken"] in ([], NOT_WHOLE) for each in counted["models"].values()),
            *(not each["laws_broken_renormalised"] for each in counted["models"].values()),
            ours["back"] <= CLOSE,
            ours["back_and_there"] <= CLOSE,
            abs(ours["sum"] - 1) <= CLOSE,
            abs(ours["perplexity"] / ours["perplexity_of_score"] - 1) <= CLOSE,
            counted["pieces_join"],
            counted["corpus_equal"],
            *(each["texts_apart"] <= CLOSE for each in cut.values()),
            *(each["sentences_apart"] <= CLOSE for each in cut.values()),
            *(each["disk_equal"] and each["bytes_equal"] for each in cut.values()),
            *(
                each["equal"] and each["found"] == each["tokens"]
                for each in vectors["networks"].values()
            ),
            *(each["words_trained_by_gensim"] > 0 for each in vectors["networks"].values()),
            *(each["equal"] and each["phrases"] for each in vectors["phrases"].values()),
        ]
    )
