"""A model that is only asked: what it says is what the contract says, brute force."""

from pathlib import Path

import numpy as np
import pytest

from foretell import models, tasks
from foretell.contracts.errors import DamagedModel
from foretell.corpus.pairs import MARK
from foretell.models.ngram import NGram, estimate
from foretell.storage import seal
from foretell.tasks import prompted
from foretell.tasks.examples.rows import Example
from foretell.tasks.prompted import Prompted
from foretell.tokenizers import train_tokenizer

LABELS = ("bad", "good")
WORDS = {"bad": ("dull", "cold", "难看"), "good": ("warm", "fun", "好看")}


def draw(count: int) -> list[Example]:
    return [
        Example(f"{WORDS[label][n % 3]}", label, str(n))
        for n in range(count)
        for label in (LABELS[n % 2],)
    ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An n-gram model that has read such labels behind such texts."""
    texts = [f"Text: {each.text}\nLabel: {each.label}\n" for each in draw(60)]
    texts += ["Question: a fruit?\nAnswer: plum\n", "Question: a city?\nAnswer: Rome\n"] * 9
    tokenizer = train_tokenizer("characters", texts)
    tokens = [tokenizer.encode(text).tokens for text in texts]
    folder = tmp_path_factory.mktemp("models") / "ngram"
    size, boundary = tokenizer.vocabulary_size, tokenizer.boundary
    trie = estimate(tokens, vocabulary_size=size, boundary=boundary, order=16)
    models.save(NGram(trie, tokenizer), folder)
    return folder


def test_labels_are_asked_for(place: Path, tmp_path: Path) -> None:
    asked = prompted.learn(str(place), draw(40), draw(30), LABELS, choices=False)
    texts = [each.text for each in draw(30)]
    answers = asked.predict(texts)
    assert [each.value for each in answers] == [each.label for each in draw(30)]
    for each in answers:
        assert sum(each.probabilities.values()) == pytest.approx(1)
    (tmp_path / "m").mkdir()
    tasks.write(tmp_path / "m", [asked], {}, "prompted")
    assert tasks.load(tmp_path / "m").predict(texts) == answers
    facts = asked.facts | {"labels": LABELS, "voice": asked.facts["voice"] - 1}
    with pytest.raises(DamagedModel, match="not the model that was asked"):
        prompted.load(facts)


@pytest.mark.parametrize("shots", [(), (("cold", "bad"), ("warm", "good"))])
def test_a_label_has_the_probability_of_its_words(place: Path, shots: prompted.Shots) -> None:
    model = models.load(place)
    asked = Prompted(LABELS, str(place), model, shots, False, (0.0, 0.0), 1.0)
    texts = ["fun", "难看", f"dull{MARK}fun"]
    before = "".join(f"Text: {text}\nLabel: {label}\n\n" for text, label in shots)
    for text, found in zip(texts, asked.ask(texts), strict=True):
        told = before + f"Text: {text.replace(MARK, chr(10) + 'And: ')}\nLabel:"
        read = model.tokenizer.encode(told).tokens
        for label, logprob in zip(LABELS, found, strict=True):
            whole = np.concatenate([read, model.tokenizer.encode(f" {label}\n").tokens])
            assert model.score(whole[None])[0, len(read) :].sum() == pytest.approx(
                logprob, abs=1e-4
            )


def test_choices_are_asked_for_in_their_own_words(place: Path) -> None:
    questions = ("a fruit?", "a city?")
    pairs = [
        Example(f"{question}{MARK}{choice}", "right" if n == m else "wrong", "")
        for n, question in enumerate(questions)
        for m, choice in enumerate(("plum", "Rome"))
    ]
    asked = prompted.learn(str(place), pairs, pairs, ("right", "wrong"), choices=True)
    found = asked.ask([each.text for each in pairs])
    assert [row[0] > 0 for row in found] == [True, False, False, True]
    assert not found[:, 1].any()
    answers = asked.predict([each.text for each in pairs])
    assert [each.value for each in answers] == [each.label for each in pairs]


def test_long_texts_are_cut_before_what_asks(place: Path) -> None:
    model = models.load(place)
    asked = Prompted(LABELS, str(place), model, (), False, (0.0, 0.0), 1.0)
    assert np.isfinite(asked.ask(["warm " * 2000])).all()


def test_a_folder_whose_model_is_gone_is_refused(place: Path, tmp_path: Path) -> None:
    asked = prompted.learn(str(place), draw(40), draw(30), LABELS, choices=False)
    folder = tmp_path / "m"
    folder.mkdir()
    tasks.write(folder, [asked], {}, "prompted")
    (folder / "prompted" / "manifest.json").unlink()
    seal(folder / "prompted", {"rung": "prompted", "labels": LABELS} | asked.facts | {"model": "x"})
    with pytest.raises(DamagedModel, match="there is no model x"):
        tasks.load(folder)
