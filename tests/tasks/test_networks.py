"""Networks of applications: any encoder, whatever stands beside a text, put down and taken up."""

from pathlib import Path

import numpy as np
import pytest
import torch

from foretell import models, tasks
from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.corpus.pairs import MARK
from foretell.models.neural.gpt import GPT, GPTSizes
from foretell.models.neural.network import NeuralModel
from foretell.models.neural.noise import Noise, set_noise
from foretell.storage import seal
from foretell.tasks.examples.words import split
from foretell.tasks.explaining import explain
from foretell.tasks.networks.encoder import Encoder
from foretell.tasks.networks.label_network import LabelNetwork
from foretell.tasks.networks.labels import NetworkLabels, build
from foretell.tasks.networks.pretrained import PretrainedEncoder
from foretell.tasks.networks.recurrent import RecurrentEncoder
from foretell.tasks.options import LabelOptions
from foretell.tasks.rungs import try_rungs
from foretell.tokenizers import train_tokenizer
from tests.tasks.moods import draw

LABELS = ("bad", "good")
TEXTS = ["lovely", "the film is no fun, 不好看", "这部电影 真好看", "a"]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A GPT of three layers that has learned nothing, in a folder."""
    tokenizer = train_tokenizer("characters", [each.text for each in draw(50, 1)])
    torch.manual_seed(0)
    sizes = GPTSizes(tokenizer.vocabulary_size, 64, 32, 2, 3, (64,), 0.0)
    network = GPT(sizes)
    for weight in network.parameters():
        # Some begin at nothing.
        torch.nn.init.normal_(weight, std=0.1)
    folder = tmp_path_factory.mktemp("models") / "gpt"
    models.save(NeuralModel(network, tokenizer), folder)
    return str(folder)


def encoders(pretrained: str) -> list[Encoder]:
    torch.manual_seed(0)
    return [RecurrentEncoder(1024, 16, 16), PretrainedEncoder(pretrained)]


def test_words_are_the_text() -> None:
    assert split(" What  a film!\n真好 ") == ["What", " a", " film", "!", " 真", "好"]
    assert split("  ") == []


def test_vectors_do_not_depend_on_the_company(pretrained: str) -> None:
    for encoder in encoders(pretrained):
        encoder.eval()
        prepared = [encoder.prepare(split(text)) for text in TEXTS]
        with torch.inference_mode():
            together, there = encoder(prepared)
            for row, text in enumerate(prepared):
                alone, _ = encoder([text])
                words = int(there[row].sum())
                assert words == alone.shape[1]
                assert torch.allclose(together[row, :words], alone[0], atol=1e-5)


def test_vectors_look_ahead(pretrained: str) -> None:
    for encoder in encoders(pretrained):
        encoder.eval()
        with torch.inference_mode():
            one, other = (
                encoder([encoder.prepare(["a", " film", end])])[0][0, 0]
                for end in (" dull", " lovely")
            )
        # Low-rank parts begin at nothing, but the upper layers look ahead from the first.
        assert not torch.allclose(one, other)


def test_what_frozen_layers_made_is_kept_and_changes_nothing(pretrained: str) -> None:
    encoder = PretrainedEncoder(pretrained)
    encoder.train()
    prepared = [encoder.prepare(split(text)) for text in TEXTS]
    fresh, _ = encoder(prepared)
    assert all(text.kept is None for text in prepared)
    encoder.room = 10_000
    for _ in range(2):
        kept, _ = encoder(prepared)
        assert torch.equal(kept, fresh)
    assert all(text.kept is not None for text in prepared)


def test_rows_are_left_out_by_seed_and_update_alone() -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(1024, 16, 16)
    encoder.train()
    text = encoder.prepare(split(TEXTS[1]))
    found = []
    for update, rows in ((3, [5, 6]), (3, [6]), (4, [6])):
        set_noise(encoder, Noise(0, update, rows))
        found.append(encoder([text] * len(rows))[0][-1])
    assert torch.allclose(found[0], found[1], atol=1e-6)
    assert not torch.allclose(found[1], found[2])


def test_a_base_model_that_is_another_one_is_refused(pretrained: str, tmp_path: Path) -> None:
    with pytest.raises(DamagedModel, match="not the model that this was learned beside"):
        PretrainedEncoder(pretrained, fingerprint="0" * 16)
    counts = tmp_path / "counts"
    from foretell.training.recipes import build_learner

    learner = build_learner("kneser-ney", train_tokenizer("bytes", ["a"]), seed=0)
    learner.feed(["abc", "abd"])
    for batch in learner.batches(0):
        learner.update(batch, spent=0)
    learner.end_pass()
    models.save(learner.model(), counts)
    with pytest.raises(ForetellError, match="a transformer can be adapted"):
        PretrainedEncoder(str(counts))


def test_every_kind_is_tried_and_what_is_saved_answers_the_same(
    pretrained: str, tmp_path: Path
) -> None:
    options = LabelOptions(adapt=pretrained, budget="3 passes")
    examples, dev, fresh = draw(300, 1), draw(60, 2), draw(60, 3)
    choice = try_rungs(examples, dev, LABELS, options, tmp_path / "work")
    kinds = ["count", "recurrent", "prompted", "adapted", "together"]
    assert [each.rung for each in choice.tried] == kinds
    assert sum(each.behind is None for each in choice.tried) == 1
    right = {each.rung: each.measures.accuracy.value for each in choice.tried}
    assert right["count"] > 0.9
    assert right["recurrent"] > 0.9
    tasks.write(tmp_path, choice.parts, choice.weights, choice.chosen)
    assert tasks.rungs_of(tmp_path) == kinds
    texts = [each.text for each in fresh]
    assert choice.together is not None
    for part in (*choice.parts, choice.together):
        said, again = part.predict(texts), tasks.load(tmp_path, part.rung).predict(texts)
        for one, other in zip(said, again, strict=True):
            assert sum(one.probabilities.values()) == pytest.approx(1)
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


def test_a_killed_run_comes_out_the_same(tmp_path: Path) -> None:
    options = LabelOptions(budget="2 passes")
    examples, dev = draw(200, 1), draw(40, 2)
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 5

    with pytest.raises(ForetellError, match="goes on from here"):
        try_rungs(examples, dev, LABELS, options, tmp_path / "work", stop=stop)
    again = try_rungs(examples, dev, LABELS, options, tmp_path / "work").parts[1]
    whole = try_rungs(examples, dev, LABELS, options, tmp_path / "other").parts[1]
    assert isinstance(again, NetworkLabels)
    assert isinstance(whole, NetworkLabels)
    for one, other in zip(again.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_word_that_decides_is_found_by_leaving_it_out() -> None:
    torch.manual_seed(0)
    network = LabelNetwork(RecurrentEncoder(1024, 16, 16), 2, dropout=0.0)
    with torch.no_grad():
        network.out.weight.normal_()
    words = explain(NetworkLabels(LABELS, network, 1.0, "recurrent"), "a lovely film")
    assert [word for word, _ in words] == ["a", "lovely", "film"]
    assert np.isfinite([nats for _, nats in words]).all()


def test_two_texts_are_read_in_one_go_or_alone_and_any_company_is_the_same(pretrained: str) -> None:
    pairs = [f"{one}{MARK}{other}" for one in TEXTS for other in TEXTS]
    for encoder in encoders(pretrained):
        network = build(encoder, 2, pairs=True)
        with torch.no_grad():
            network.out.weight.normal_(std=0.05)
        predictor = NetworkLabels(LABELS, network, 1.0, "any")
        together = predictor.predict(pairs)
        for pair, answer in zip(pairs, together, strict=True):
            alone = predictor.predict([pair])[0].probabilities
            assert alone == pytest.approx(answer.probabilities, abs=1e-5)
        turned = predictor.predict([MARK.join(pairs[1].split(MARK)[::-1])])[0]
        assert turned.probabilities != pytest.approx(together[1].probabilities, abs=1e-5)
        assert [word for word, _ in explain(predictor, pairs[0])] == ["lovely", "lovely"]


def test_a_network_of_another_version_is_told_so(tmp_path: Path) -> None:
    seal(tmp_path, {"chosen": "recurrent", "labels": ["a", "b"], "weights": {}})
    inside = tmp_path / "recurrent"
    inside.mkdir()
    seal(inside, {"rung": "recurrent", "labels": ["a", "b"], "encoder": {"teeth": 32}})
    with pytest.raises(DamagedModel, match="use the version of foretell that wrote it"):
        tasks.load(tmp_path)
