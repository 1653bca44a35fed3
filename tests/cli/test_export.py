"""`foretell export`: what is handed over is the same model, or is not handed over."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch

from foretell import models
from foretell.cli.export import Layout
from foretell.interop import exports
from foretell.interop.doors import open_model
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.network import NeuralModel
from foretell.tokenizers import Subwords
from tests.cli.conftest import Run
from tests.cli.toy_text import write_text


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = Subwords.train([write_text(30_000)], size=300)
    torch.manual_seed(0)
    network = GPT2(GPT2Sizes(tokenizer.vocabulary_size, context=48, width=64, heads=2, layers=1))
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
    out = tmp_path_factory.mktemp("export") / "gpt2"
    models.save(NeuralModel(network, tokenizer), out)
    return out


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_what_is_handed_over_is_the_same_model(kind: str, gpt2: Path, run: Run, here: Path) -> None:
    pytest.importorskip("tensorflow" if kind in ("keras", "savedmodel") else "transformers")
    said = run("export", str(gpt2), "chinese.txt", "--to", kind, "--out", "given")
    assert said.code == 0, said.err
    card = (here / "given" / "README.md").read_text("utf-8")
    assert "equal greedy choices" in card
    parity = json.loads((here / "given" / "parity.json").read_text("utf-8"))
    assert parity["tokens"] > 4000
    assert parity["largest"] < {"gguf-q8_0": 0.2, "gguf-q4_0": 3.0}.get(kind, 1e-2)
    if kind == "huggingface":
        assert open_model(here / "given").family == "gpt2"


def test_a_file_that_fails_is_not_handed_over(
    gpt2: Path, refused: Callable, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = exports.FORMATS["gguf-f16"]

    def spoil(model: NeuralModel, folder: Path) -> None:
        real.write(model, folder)
        with torch.no_grad():
            model.network.embedding.weight[:40] += 1.0

    spoilt = replace(real, write=spoil)
    monkeypatch.setitem(exports.FORMATS, "gguf-f16", spoilt)
    said = refused("export", str(gpt2), "text.txt", "--to", "gguf-f16", "--out", "given")
    assert "another model" in said
    assert not (here / "given").exists()


def test_what_has_no_such_form_is_refused(gpt2: Path, refused: Callable) -> None:
    assert "--model gpt2" in refused("export", "lstm", "text.txt", "--to", "huggingface")
    assert "no keras form" in refused("export", "lstm", "text.txt", "--to", "keras")
    assert "no gguf-f16 form" in refused("export", "kn", "text.txt", "--to", "gguf-f16")
    assert get_args(Layout) == tuple(exports.FORMATS)
    assert "savedmodel" in refused("export", str(gpt2), "text.txt", "--to", "onnx")
