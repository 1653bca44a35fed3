"""Keras models come in as language models or are told why they are none; GPT-2 goes both ways."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from foretell import models
from foretell.cli.main import main
from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.interop import keras as door
from foretell.interop.doors import open_model
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import NeuralModel
from foretell.testing.laws import check_laws
from foretell.tokenizers import Bytes, Characters

pytest.importorskip("tensorflow")
door.import_keras()
import keras  # noqa: E402

LETTERS = Characters.train(["the cat sat on the mat\n床前明月光"])
SIZE = LETTERS.vocabulary_size


def article(*, causal: bool = False, size: int = SIZE) -> keras.Model:
    """The article's network: reads in both directions."""
    gru = keras.layers.GRU(6, return_sequences=True)
    network = keras.Sequential(
        [
            keras.layers.Embedding(size, 8),
            gru if causal else keras.layers.Bidirectional(gru),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dense(size, activation="softmax"),
        ]
    )
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    tokens = LETTERS.encode("the cat sat on the mat").tokens[None]
    network.fit(tokens[:, :-1], tokens[:, 1:], epochs=2, verbose=0)
    return network


def gpt2(vocabulary: int = SIZE) -> NeuralModel:
    torch.manual_seed(0)
    network = GPT2(GPT2Sizes(vocabulary, context=20, width=16, heads=2, layers=2))
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return NeuralModel(network, LETTERS)


def broken(results) -> list[str]:
    return [result.law for result in results if not result.passed]


def test_a_network_of_two_directions_is_told_so_and_its_twin_passes(tmp_path: Path, capsys) -> None:
    file = tmp_path / "article.keras"
    article().save(file)
    assert main(["verify", str(file)]) == 1
    said = capsys.readouterr().out
    assert "✗ causality" in said
    assert "Bidirectional GRU of 6" in said
    assert "in the twin: GRU of 12" in said
    assert f"verify {file} --causal" in said
    assert main(["verify", str(file), "--causal"]) == 0


def test_the_twin_can_be_fitted_at_once() -> None:
    twin = door.causal_twin(article())
    tokens = LETTERS.encode("the cat sat").tokens[None]
    twin.fit(tokens[:, :-1], tokens[:, 1:], epochs=1, verbose=0)
    model = door.wrap_keras(twin, LETTERS)
    assert model.context is None
    assert model.score(LETTERS.encode("a mat on the cat that sat on the mat").tokens[None]).all()


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv1D(8, 3, padding="same"),
        keras.layers.GRU(8, return_sequences=True, go_backwards=True),
        keras.layers.Bidirectional(keras.layers.LSTM(8, return_sequences=True), merge_mode="sum"),
    ],
    ids=["convolution", "backwards", "sum"],
)
def test_other_layers_that_look_ahead_have_twins(layer) -> None:
    network = keras.Sequential(
        [keras.layers.Embedding(SIZE, 8), layer, keras.layers.Dense(SIZE, name="logits")]
    )
    network.build((None, None))
    model = door.wrap_keras(network, LETTERS)
    assert "causality" in broken(check_laws(model, width=6))
    assert broken(check_laws(door.twin_of(model), width=6)) == []


def test_a_network_without_layers_that_look_ahead_has_no_twin() -> None:
    with pytest.raises(ForetellError, match="use_causal_mask"):
        door.causal_twin(article(causal=True))
    with pytest.raises(ForetellError, match="reads in one direction"):
        door.twin_of(gpt2())


def test_probabilities_and_logits_are_told_apart() -> None:
    network = article(causal=True)
    raw = keras.models.clone_model(network)
    raw.layers[-1].activation = keras.activations.linear
    raw.set_weights(network.get_weights())
    tokens = LETTERS.encode("the mat").tokens[None]
    one, other = (door.wrap_keras(each, LETTERS).score(tokens) for each in (network, raw))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_file_finds_the_tokenizer_beside_it_and_keeps_its_context(tmp_path: Path) -> None:
    network = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            keras.layers.Embedding(SIZE, 8),
            keras.layers.Reshape((12, 8)),
            keras.layers.Dense(SIZE),
        ]
    )
    network.save(tmp_path / "fixed.keras")
    LETTERS.save(tmp_path)
    model = open_model(tmp_path / "fixed.keras")
    assert model.context == 12
    assert model.tokenizer.fingerprint == LETTERS.fingerprint
    assert broken(check_laws(model)) == []


def test_a_file_without_a_tokenizer_reads_no_text(tmp_path: Path) -> None:
    article().save(tmp_path / "lone.keras")
    model = open_model(tmp_path / "lone.keras")
    with pytest.raises(ForetellError, match="without a tokenizer"):
        model.tokenizer.encode("the")
    models.save(model, tmp_path / "kept")
    assert models.load(tmp_path / "kept").tokenizer.fingerprint == model.tokenizer.fingerprint


def test_networks_that_are_no_sequence_of_distributions_are_refused() -> None:
    last_only = keras.Sequential(
        [keras.layers.Embedding(SIZE, 8), keras.layers.GRU(8), keras.layers.Dense(SIZE)]
    )
    last_only.build((None, None))
    with pytest.raises(ForetellError, match="return_sequences=True"):
        door.wrap_keras(last_only, LETTERS)
    with pytest.raises(ForetellError, match="tokenizer that belongs"):
        door.wrap_keras(article(), Bytes())
    never_called = keras.Sequential([keras.layers.Dense(SIZE)])
    with pytest.raises(ForetellError, match="fit it first"):
        door.wrap_keras(never_called, LETTERS)


def test_what_may_hold_code_is_refused(tmp_path: Path) -> None:
    code = keras.Sequential([keras.layers.Embedding(SIZE, 8), keras.layers.Lambda(lambda x: x)])
    code.build((None, None))
    code.save(tmp_path / "code.keras")
    with pytest.raises(DamagedModel, match="Keras cannot open"):
        open_model(tmp_path / "code.keras")
    (tmp_path / "old.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DamagedModel, match=r"save it as \.keras"):
        open_model(tmp_path / "old.h5")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(DamagedModel, match="is a program"):
        open_model(tmp_path / "program")
    (tmp_path / "junk.keras").write_bytes(b"PK\x03\x04junk")
    with pytest.raises(DamagedModel, match="Keras cannot open"):
        open_model(tmp_path / "junk.keras")


def test_gpt2_has_the_same_logits_and_weights_both_ways(tmp_path: Path) -> None:
    import tensorflow

    ours = gpt2()
    network = door.to_keras(ours)
    network.save(tmp_path / "gpt2.keras")
    network.export(tmp_path / "program", verbose=False)
    tokens = np.random.default_rng(0).integers(0, SIZE, (3, 20)).astype(np.int32)
    with torch.inference_mode():
        hidden, _ = ours.network.learn(
            torch.from_numpy(tokens).long(), memory=None, segments=None, positions=None
        )
        expected = ours.network.logits(hidden).numpy()
    again = keras.saving.load_model(tmp_path / "gpt2.keras")
    program = tensorflow.saved_model.load(str(tmp_path / "program"))
    for found in (network(tokens), again(tokens), program.serve(tokens)):
        np.testing.assert_allclose(np.asarray(found), expected, atol=1e-5)
    back = door.from_keras(again, LETTERS)
    assert back.network.sizes == ours.network.sizes
    for name, weight in ours.network.state_dict().items():
        assert torch.equal(back.network.state_dict()[name], weight), name
    model = open_model(tmp_path / "gpt2.keras")
    assert model.context == 20


def test_only_a_gpt2_has_a_keras_form_and_only_its_own_comes_back() -> None:
    sizes = LlamaSizes(SIZE, context=20, width=16, heads=2, layers=1, inner=24, key_heads=2)
    with pytest.raises(ForetellError, match="has no Keras form"):
        door.to_keras(NeuralModel(Llama(sizes), LETTERS))
    with pytest.raises(ForetellError, match="no GPT-2"):
        door.from_keras(article(), LETTERS)


def test_importing_keras_says_nothing_and_a_missing_one_says_which_extra(monkeypatch) -> None:
    code = "from foretell.interop import keras; keras.import_keras()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
    monkeypatch.setattr(door, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"foretell\[tensorflow\]"):
        door.import_keras()
