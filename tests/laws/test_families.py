"""Every registered family obeys every law; every planted bug breaks one. A new family: one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from foretell import models
from foretell.contracts.language_model import LanguageModel
from foretell.corpus.index import build_index
from foretell.interop import keras as keras_door
from foretell.models.buckets import Buckets, Parts
from foretell.models.grid import Grid
from foretell.models.infinigram import InfiniGram, default_own
from foretell.models.mixture import Mixture
from foretell.models.neural.adapted import Adapted
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.llama import Llama, LlamaSizes
from foretell.models.neural.network import NeuralModel, UnlimitedModel
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.models.ngram import NGram, estimate, quantize
from foretell.models.recent import RecentSettings, RecentText
from foretell.models.replay import Replay
from foretell.models.sliding import Sliding
from foretell.testing.laws import LAWS, check_laws
from foretell.testing.toys import ToyModel, ToyTokenizer
from foretell.tokenizers import Bytes, Characters, Subwords, Words
from tests.laws import planted

TEXTS = ["the cat sat on the mat, 床前明月光 ok " * 3, "a dog ate the cat's 123 hats\n" * 4]
TOKENIZERS = {
    "bytes": Bytes(),
    "characters": Characters.train(TEXTS),
    "words": Words.train(TEXTS),
    "bpe": Subwords.train(TEXTS, size=280),
    "unigram": Subwords.train(TEXTS, size=259, kind="unigram"),
}


def ngram(tokenizer, order=5):
    tokens = [encoding.tokens for encoding in tokenizer.encode_many(TEXTS)]
    size, boundary = tokenizer.vocabulary_size, tokenizer.boundary
    return NGram(estimate(tokens, vocabulary_size=size, boundary=boundary, order=order), tokenizer)


def recurrent(tokenizer, cell):
    torch.manual_seed(0)
    sizes = RecurrentSizes(cell, tokenizer.vocabulary_size, width=16, hidden=24, layers=2)
    return UnlimitedModel(stirred(RecurrentNetwork(sizes)), tokenizer)


def gpt(tokenizer):
    torch.manual_seed(0)
    sizes = GPTSizes(
        tokenizer.vocabulary_size, context=20, width=32, heads=2, layers=2, tables=(50, 60)
    )
    return NeuralModel(stirred(GPT(sizes)), tokenizer)


def gpt2(tokenizer):
    torch.manual_seed(0)
    sizes = GPT2Sizes(tokenizer.vocabulary_size, context=20, width=32, heads=2, layers=2)
    return NeuralModel(stirred(GPT2(sizes)), tokenizer)


def llama(tokenizer):
    torch.manual_seed(0)
    sizes = LlamaSizes(
        tokenizer.vocabulary_size, context=20, width=32, heads=4, layers=2, inner=48, key_heads=2
    )
    return NeuralModel(stirred(Llama(sizes)), tokenizer)


def adapted(tokenizer):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 24,
    }
    config = transformers.GPTNeoXConfig(
        vocab_size=tokenizer.vocabulary_size, max_position_embeddings=20, **sizes
    )
    return NeuralModel(stirred(Adapted(transformers.GPTNeoXForCausalLM(config))), tokenizer)


def keras_model(tokenizer):
    pytest.importorskip("tensorflow")
    keras_door.import_keras()
    import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Embedding(tokenizer.vocabulary_size, 8, embeddings_initializer="normal"),
            layers.GRU(8, return_sequences=True),
            layers.Dense(tokenizer.vocabulary_size, kernel_initializer="normal"),
        ]
    )
    network.build((None, None))
    return keras_door.wrap_keras(network, tokenizer)


def stirred(network):
    """Fresh projections are zero and would hide a wrong state: give every weight some size."""
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return network


def mixture(tokenizer):
    return Mixture(
        [ngram(tokenizer), recurrent(tokenizer, "lstm"), Sliding(gpt(tokenizer))], [1, 2, 3]
    )


def infinigram(tokenizer):
    tokens = [encoding.tokens for encoding in tokenizer.encode_many(TEXTS)]
    index = build_index(
        tokens,
        names=["mat", "hats"],
        vocabulary_size=tokenizer.vocabulary_size,
        boundary=tokenizer.boundary,
        tokenizer_fingerprint=tokenizer.fingerprint,
    )
    own = default_own(Grid(), beyond=1)
    return InfiniGram(index, ngram(tokenizer, order=2), own=own, longest=6)


def buckets(tokenizer):
    parts = Parts(
        [infinigram(tokenizer), RecentText(tokenizer), recurrent(tokenizer, "gru")],
        guide=0,
        gauge=2,
    )
    grid = Grid(knots=(1.0, 2.0, 4.0))
    shape = int(np.prod(grid.shape)), 3
    return Buckets(parts, grid, np.random.default_rng(0).random(shape))


FAMILIES: dict[str, Callable[..., LanguageModel]] = {
    "unigram": lambda tokenizer: ngram(tokenizer, order=1),
    "kneser-ney": ngram,
    "quantised": lambda tokenizer: quantize(ngram(tokenizer)),
    "rnn": lambda tokenizer: recurrent(tokenizer, "rnn"),
    "gru": lambda tokenizer: recurrent(tokenizer, "gru"),
    "lstm": lambda tokenizer: recurrent(tokenizer, "lstm"),
    "gpt": gpt,
    "gpt2": gpt2,
    "llama": llama,
    "adapted": adapted,
    "keras": keras_model,
    "sliding": lambda tokenizer: Sliding(gpt(tokenizer)),
    "mixture": mixture,
    "infinigram": infinigram,
    "recent": lambda tokenizer: RecentText(tokenizer, RecentSettings(reach=16)),
    "buckets": buckets,
}


def test_every_registered_family_is_here() -> None:
    built = {build(TOKENIZERS["bytes"]).family for build in FAMILIES.values()}
    assert built == set(models.FAMILIES)


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("family", FAMILIES)
def test_families_obey_the_laws(family: str, kind: str) -> None:
    results = check_laws(FAMILIES[family](TOKENIZERS[kind]), width=40)
    assert [f"{r.law}: {r.message}" for r in results if not r.passed] == []
    assert len(results) == 11


def test_toys_obey_the_laws() -> None:
    for order in (1, 2, None):
        results = check_laws(ToyModel(ToyTokenizer(), order=order), load=ToyModel.load)
        # The toy seals no folder of a registered family; its own loader reads it.
        assert [f"{r.law}: {r.message}" for r in results if not r.passed] == []


def test_replay_of_a_causal_network_obeys_the_laws() -> None:
    model = gpt(TOKENIZERS["bytes"])

    def forward(tokens):
        step = model.begin(len(tokens), mid_text=True)
        return model.advance(step.state, tokens, keep=tokens.shape[1]).logprobs

    results = check_laws(Replay(forward, model.tokenizer, context=20))
    assert [f"{r.law}: {r.message}" for r in results if not r.passed] == []
    (trip,) = [r for r in results if r.law == "round trip"]
    assert "not checked" in trip.message


@pytest.mark.parametrize("bug", planted.BUGS)
def test_each_planted_bug_is_caught_by_its_law(bug: str) -> None:
    spoil, law = planted.BUGS[bug]
    results = check_laws(spoil(ngram(TOKENIZERS["bytes"])))
    broken = [r.law for r in results if not r.passed]
    assert law in broken, f"{bug} went unseen; broken: {broken}"


def test_a_bidirectional_network_is_told_what_it_is() -> None:
    results = check_laws(planted.TwoWays(ngram(TOKENIZERS["bytes"])))
    (result,) = [r for r in results if r.law == "causality"]
    assert "changing token" in result.message
    assert "both directions" in result.message


def test_the_laws_are_eleven_and_in_order() -> None:
    assert list(LAWS) == [
        "normalised", "chunking", "scoring", "persistence", "select", "join", "padding",
        "causality", "truncation", "round trip", "bytes",
    ]  # fmt: skip


def test_a_model_that_raises_is_reported_not_raised(tmp_path: Path) -> None:
    class Failing(planted.Wrapped):
        def advance(self, state, tokens, *, lengths=None, keep=1):
            raise RuntimeError("no such row")

    results = check_laws(Failing(ngram(TOKENIZERS["bytes"])))
    assert any("RuntimeError: no such row" in r.message for r in results)
    assert np.all([not r.passed for r in results[:9]])
