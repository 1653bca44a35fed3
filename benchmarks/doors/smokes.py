"""What each extra is for, tried in the environment that has it and nothing more:
`python -m benchmarks.doors.smokes EXTRA FOLDER`. And how each is asked for where it is missing:
`python -m benchmarks.doors.smokes --without EXTRA FOLDER`, which prints the refusal.

Imports nothing at the top but what every environment has.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from foretell.cli.main import main as command
from foretell.contracts.errors import MissingExtra

LINES = [f"the cat number {n} sat on mat {n * n % 37}, 床前明月光 {n}" for n in range(1500)]


def run(*arguments: str) -> None:
    """A command of foretell, which must succeed."""
    code = command(list(arguments))
    if code:
        raise SystemExit(f"foretell {' '.join(arguments)} ended with {code}")


def base(folder: Path) -> None:
    run("train", "text.txt", "--model", "kneser-ney", "--tokenizer", "bytes", "--out", "kn")
    run("generate", "kn", "the cat", "--max-tokens", "5")
    run("verify", "kn")


def neural(folder: Path) -> None:
    budget = ("--budget", "3k tokens", "--tokenizer", "bytes")
    run("train", "text.txt", "--model", "lstm", *budget, "--out", "lstm")
    run("score", "lstm", "text.txt")


def transformers(folder: Path) -> None:
    import torch
    import transformers as library

    from foretell.tokenizers import Bytes

    torch.manual_seed(0)
    config = library.GPTNeoXConfig(
        vocab_size=257,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        bos_token_id=256,
        eos_token_id=256,
    )
    library.GPTNeoXForCausalLM(config).save_pretrained(folder / "neox")
    Bytes().save(folder / "neox")
    run("score", "neox", "text.txt")


def tensorflow(folder: Path) -> None:
    from foretell.interop.keras import import_keras

    import_keras()
    import keras

    network = keras.Sequential(
        [
            keras.layers.Embedding(257, 8),
            keras.layers.Bidirectional(keras.layers.GRU(8, return_sequences=True)),
            keras.layers.Dense(257, activation="softmax"),
        ]
    )
    network.build((None, None))
    network.save(folder / "article.keras")
    code = command(["verify", "article.keras"])
    if code != 1:
        raise SystemExit(f"a network of two directions was verified with {code}")
    run("verify", "article.keras", "--causal")


def parquet(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"text": LINES}), folder / "text.parquet")
    run("train", "text.parquet", "--model", "unigram", "--tokenizer", "bytes", "--out", "one")


def tasks(folder: Path) -> None:
    write_pairs()
    run("task", "translate", "train", "pairs.jsonl", "--budget", "1 pass", "--out", "m")


def write_pairs() -> None:
    pairs = (json.dumps({"text": f"{n} dogs", "target": f"{n} Hunde"}) for n in range(60))
    Path("pairs.jsonl").write_text("\n".join(pairs))


def cluster(folder: Path) -> None:
    run("ngram", "estimate", "text.txt", "--shards", "2", "--cluster", "local", "--out", "shards")


def wandb(folder: Path) -> None:
    import wandb as library

    assert library.__version__


def trackio(folder: Path) -> None:
    import trackio as library

    assert library.__version__


def nltk(folder: Path) -> None:
    from nltk.lm.preprocessing import padded_everygram_pipeline

    from foretell.interop.nltk import ModifiedKneserNey

    model = ModifiedKneserNey(2)
    model.fit(*padded_everygram_pipeline(2, [line.split() for line in LINES]))
    assert 0 < model.score("cat", ["the"]) <= 1


def spacy(folder: Path) -> None:
    import spacy as library

    run("ngram", "estimate", "text.txt", "--out", "words")
    nlp = library.blank("en")
    nlp.add_pipe("foretell", config={"model": "words"})
    assert nlp(LINES[0])._.surprisal > 0


def gensim(folder: Path) -> None:
    from foretell.interop.gensim import phrases_of

    assert phrases_of(LINES, min_count=1, threshold=1.0)[["the", "cat"]]


def without_library(name: str) -> None:
    """Import a door whose library is not there."""
    from importlib import import_module

    try:
        import_module(f"foretell.interop.{name}")
    except MissingExtra as problem:
        sys.stderr.write(f"foretell: {problem}\n")
        raise SystemExit(2) from None


def without_keras() -> None:
    Path("lone.keras").write_bytes(b"PK\x03\x04")
    raise SystemExit(command(["verify", "lone.keras"]))


def without_parquet() -> None:
    Path("lone.parquet").write_bytes(b"PAR1")
    raise SystemExit(command(["train", "lone.parquet", "--model", "unigram", "--out", "no"]))


def without_measures() -> None:
    write_pairs()
    raise SystemExit(command(["task", "translate", "train", "pairs.jsonl", "--out", "no"]))


def without_torch() -> None:
    raise SystemExit(command(["train", "text.txt", "--model", "lstm", "--out", "no"]))


def without_ray() -> None:
    asked = ["ngram", "estimate", "text.txt", "--shards", "2", "--cluster", "local", "--out", "no"]
    raise SystemExit(command(asked))


def without_transformers() -> None:
    from foretell.tokenizers import Bytes

    Path("neox").mkdir()
    Bytes().save(Path("neox"))
    facts = {"model_type": "gpt_neox", "vocab_size": 257, "eos_token_id": 256, "bos_token_id": 256}
    Path("neox/config.json").write_text(json.dumps(facts))
    raise SystemExit(command(["verify", "neox"]))


def without_tracker(name: str) -> None:
    asked = ["train", "text.txt", "--model", "lstm", "--tracker", name, "--out", "no"]
    raise SystemExit(command(asked))


SMOKES: dict[str, Callable[[Path], None]] = {
    "": base,
    "neural": neural,
    "transformers": transformers,
    "tensorflow": tensorflow,
    "parquet": parquet,
    "tasks": tasks,
    "cluster": cluster,
    "wandb": wandb,
    "trackio": trackio,
    "nltk": nltk,
    "spacy": spacy,
    "gensim": gensim,
}
WITHOUT: dict[str, Callable[[], None]] = {
    "neural": without_torch,
    "transformers": without_transformers,
    "tensorflow": without_keras,
    "parquet": without_parquet,
    "tasks": without_measures,
    "cluster": without_ray,
    "wandb": lambda: without_tracker("wandb"),
    "trackio": lambda: without_tracker("trackio"),
    "nltk": lambda: without_library("nltk"),
    "spacy": lambda: without_library("spacy"),
    "gensim": lambda: without_library("gensim"),
}
NEEDS_NETWORKS = ("transformers", "wandb", "trackio")
"""Extras that are asked for only by what PyTorch is needed for first."""


def main() -> None:
    *kind, extra, place = sys.argv[1:]
    folder = Path(place)
    os.chdir(folder)
    (folder / "text.txt").write_text("\n".join(LINES) + "\n", "utf-8")
    if kind:
        WITHOUT[extra]()
        raise SystemExit("nothing was refused")
    SMOKES[extra](folder)


if __name__ == "__main__":
    main()
