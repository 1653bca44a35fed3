"""What a user can say to `foretell compare`. Imports nothing heavy: the command line reads it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class CompareOptions:
    """Options of a comparison; a field a flag."""

    budget: str = "5m"
    """Time for the whole comparison, reading and measuring included: 90s, 5m, 1h."""
    out: str | None = None
    """Folder for models and report; runs/NAME-OF-TEXT if not given. The same command again goes
    on where it was stopped."""
    field: str | None = None
    """Column or key that holds the text, for csv, jsonl and parquet."""
    rungs: str | None = None
    """Rungs as family:tokenizer:size, with commas between, such as
    gpt:bytes,lstm:bpe:2048,kneser-ney:words; the whole ladder if not given."""
    beside: str | None = None
    """Models from elsewhere to measure beside the ladder, as they are: names, folders or files,
    with commas between, such as smollm2-135m,models/mine."""
    seed: int = 0
    """Decides the split, the first weights, the order of the text and the samples."""
    threads: int | None = None
    """Processor cores to use; all if not given."""
    language: Literal["en", "zh"] = "en"
    """Language of table and report: en or zh."""
    tokens: dict[str, int] = dataclasses.field(default_factory=dict)
    """Tokens for each network to learn from, in place of time. A finished comparison writes this
    into its compare.yaml: repeats from there are equal, bit for bit, on one machine."""


@dataclass(frozen=True)
class TrainOptions:
    """Options of training one model; a field a flag."""

    model: Literal[
        "unigram", "kneser-ney", "infinity-gram", "rnn", "gru", "lstm", "gpt", "gpt2", "llama"
    ] = "gpt"
    """Family of the model."""
    tokenizer: Literal["bytes", "characters", "words", "bpe", "unigram"] = "bpe"
    """What a token is; all but words can spell every text, Chinese too."""
    size: int | None = None
    """Vocabulary of a bpe or unigram tokenizer; from the size of the text if not given."""
    budget: str = "2m"
    """When to stop: 90s, 5m, 2h, '3 passes' or '500k tokens'. Counting takes one pass."""
    field: str | None = None
    """Column or key that holds the text, for csv, jsonl and parquet."""
    order: int = 5
    """Longest n-gram of kneser-ney, also beneath an infinity-gram."""
    prune: str = "0"
    """Drop n-grams of order 1, 2, ... of kneser-ney seen this often or less, such as 0,0,1; the
    last number repeats."""
    parameters: str | None = None
    """Size of a gpt, gpt2 or llama, such as 4M: parameters of its layers, without those of its
    vocabulary; as suits the budget if not given."""
    learning_rate: float | None = None
    """Of AdamW at its highest, Muon's in proportion; as suits family, text and budget if not
    given."""
    rows_at_once: int | None = None
    """Rows of a batch that are read together, all if not given. Fewer take less memory and more
    time, and learn the same."""
    seed: int = 0
    """Decides the split, the first weights and the order of the text."""
    threads: int | None = None
    """Processor cores to use; all if not given."""
    tracker: Literal["wandb", "trackio"] | None = None
    """Show the run at Weights & Biases or in trackio while it goes on; lines of JSON, and
    TensorBoard's files if it is installed, are always written for a network."""
    sharding: Literal["ddp", "fsdp"] = "ddp"
    """What each of several processes that torchrun started holds of a network: all of it (ddp),
    or its share of weights, gradients and optimiser (fsdp)."""


@dataclass(frozen=True)
class ScaleOptions:
    """Options of a scaling law; a field a flag."""

    budget: str = "10m"
    """Time for all runs together: 90s, 5m, 1h. It decides how large they are."""
    out: str | None = None
    """Folder for runs, law and picture; scale/NAME-OF-TEXT if not given. The same command again
    goes on where it was stopped."""
    model: Literal["gpt", "gpt2", "llama"] = "gpt"
    """Family of the models."""
    tokenizer: Literal["bytes", "characters", "words", "bpe", "unigram"] = "bpe"
    """What a token is, as in `foretell train`."""
    size: int | None = None
    """Vocabulary of a bpe or unigram tokenizer; from the size of the text if not given."""
    field: str | None = None
    """Column or key that holds the text, for csv, jsonl and parquet."""
    seed: int = 0
    """Decides the split, the first weights and the order of the text."""
    threads: int | None = None
    """Processor cores to use; all if not given."""


@dataclass(frozen=True)
class GenerateOptions:
    """Options of generating text; a field a flag."""

    max_tokens: int = 200
    """Most tokens to generate."""
    temperature: float = 0.8
    """0 always takes the likeliest token; 1 draws as the model foretells."""
    top_k: int | None = None
    """Draw from the k likeliest tokens only."""
    top_p: float | None = 0.95
    """Draw from the likeliest tokens that hold this much of the probability."""
    min_p: float | None = None
    """Draw from tokens at least this likely, against the likeliest."""
    repetition: float = 1.0
    """Over 1 makes tokens of the last stretch less likely."""
    stop: str | None = None
    """End before this text."""
    seed: int = 0
    """Equal seeds give equal texts."""


Method = Literal["lora", "all"]


@dataclass(frozen=True)
class AdaptOptions:
    """Options of teaching a model that exists; a field a flag."""

    budget: str = "5m"
    """When to stop: 90s, 5m, 2h, '3 passes' or '500k tokens'."""
    method: Method | None = None
    """lora: low-rank parts beside the matrices learn (Hu et al. 2022), and are merged at the end;
    all: every weight learns. lora for models of more than 5M parameters if not given."""
    rank: int = 16
    """Of the low-rank parts."""
    learning_rate: float | None = None
    """Of AdamW at its highest; as suits the method if not given."""
    general: str | None = None
    """File or folder with a general text, by which forgetting shows; the documentation inside
    Python if not given."""
    field: str | None = None
    """Column or key that holds the text, for csv, jsonl and parquet; beside --answer, the
    question."""
    answer: str | None = None
    """Column or key that holds the answer, for questions with answers: only answers are learned,
    in the form of the model's chat template if it has one."""
    seed: int = 0
    """Decides the split, the first weights and the order of the text."""
    threads: int | None = None
    """Processor cores to use; all if not given."""
