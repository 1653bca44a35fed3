"""What a language model of ours, learned from the Chinese text at hand, adds to labels: the same
network learns the labels from its weights and from fresh ones, and both answer the same texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import foretell, say

BUDGET, QUICK_BUDGET = "15m", "1m"


def chinese_texts(data: Path) -> Iterator[str]:
    """What other data sets here have to learn from; none of the pairs that labels are asked of."""
    for name in ("sentiment/chnsenticorp/train.tsv", "textcls/tnews/train.tsv"):
        for line in (data / name).read_text("utf-8").split("\n"):
            yield line.rpartition("\t")[0]
    for line in (data / "mt/tatoeba_cmn_eng/cmn.txt").read_text("utf-8").splitlines():
        yield line.split("\t")[1]
    for line in (data / "summarization/csl_title/dev.tsv").read_text("utf-8").splitlines():
        yield "\n".join(line.split("\t")[1:])
    for name in ("trial", "dev"):
        content = json.loads((data / f"qa/cmrc2018/cmrc2018_{name}.json").read_text("utf-8"))
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                yield paragraph["context"]
    for line in (data / "nlu/ocnli/train.10k.json").read_text("utf-8").splitlines():
        yield json.loads(line)["sentence1"]


def measure_pretraining(data: Path, scratch: Path, *, quick: bool) -> dict[str, Any]:
    """Accuracy of the adapted kind on pairs of texts, from both, and what lies between. scratch:
    holds train.jsonl and test.jsonl."""
    import torch

    from foretell import models, tasks
    from foretell.corpus.pairs import MARK
    from foretell.evaluation.intervals import paired_difference
    from foretell.models.neural.gpt import GPT
    from foretell.models.neural.network import NeuralModel
    from foretell.tasks.labelling import train_into
    from foretell.tasks.options import LabelOptions

    text = scratch / "chinese.jsonl"
    texts = [each for each in chinese_texts(data) if each.strip()]
    lines = (json.dumps({"text": each}, ensure_ascii=False) + "\n" for each in texts)
    text.write_text("".join(lines), "utf-8")
    budget = QUICK_BUDGET if quick else BUDGET
    ended = foretell(
        ["train", str(text), "--field", "text", "--out", "pretrained", "--budget", budget],
        folder=scratch,
    )
    assert ended.code == 0, ended.err
    learned = models.load(scratch / "pretrained")
    assert isinstance(learned, NeuralModel)
    assert isinstance(learned.network, GPT)
    torch.manual_seed(0)
    fresh = GPT(learned.network.sizes)
    models.save(NeuralModel(fresh, learned.tokenizer), scratch / "fresh")
    rows = [json.loads(line) for line in (scratch / "test.jsonl").read_text("utf-8").splitlines()]
    asked = [MARK.join(row[name] for name in ("text", "second")) for row in rows]
    right = {}
    for name in ("pretrained", "fresh"):
        options = LabelOptions(adapt=str(scratch / name), second="second")
        train_into(scratch / f"from_{name}", scratch / "train.jsonl", options)
        answers = tasks.load(scratch / f"from_{name}", "adapted").predict(asked)
        right[name] = np.array(
            [each.value == row["label"] for each, row in zip(answers, rows, strict=True)], float
        )
        say(f"  adapted from {name} weights: {100 * right[name].mean():.1f}")
    apart = paired_difference(right["pretrained"], right["fresh"], np.ones(len(rows)))
    return {
        "characters": sum(map(len, texts)),
        "parameters": learned.parameters,
        "accuracy": {name: 100 * float(each.mean()) for name, each in right.items()},
        "pretraining_adds": asdict(apart),
    }
