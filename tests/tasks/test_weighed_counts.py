from pathlib import Path

import numpy as np
import pytest

from foretell import tasks
from foretell.contracts.errors import DamagedModel, ForetellError, TextError
from foretell.storage import seal
from foretell.tasks.counts.weighed_counts import Directory, WeighedCounts, learn
from foretell.tasks.examples.rows import Example
from tests.tasks.moods import draw

LABELS = ("bad", "good")


@pytest.fixture(scope="module")
def learned() -> WeighedCounts:
    return learn(draw(200, 1), draw(60, 2), LABELS)[0]


def test_it_learns(learned: WeighedCounts) -> None:
    fresh = draw(100, 3)
    answers = learned.predict([each.text for each in fresh])
    right = [a.value == each.label for a, each in zip(answers, fresh, strict=True)]
    assert np.mean(right) > 0.95


def test_probabilities_of_all_labels_add_up_and_the_value_is_the_likeliest(
    learned: WeighedCounts,
) -> None:
    for answer in learned.predict(["lovely", "", "zzz 这", "no fun"]):
        assert tuple(answer.probabilities) == LABELS
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-12)
        assert answer.value == max(LABELS, key=lambda label: answer.probabilities[label])


def test_a_text_gets_the_same_answer_in_any_company(learned: WeighedCounts) -> None:
    texts = [each.text for each in draw(20, 4)]
    together = learned.predict(texts)
    for text, answer in zip(texts, together, strict=True):
        alone = learned.predict([text])[0]
        assert alone.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
    assert learned.predict([]) == []


def test_an_order_of_examples_changes_nothing() -> None:
    examples, dev = draw(80, 1), draw(30, 2)
    one, other = learn(examples, dev, LABELS)[0], learn(examples[::-1], dev, LABELS)[0]
    assert np.array_equal(one.ngrams, other.ngrams)
    a, b = (model.predict(["the film dull"])[0].probabilities["bad"] for model in (one, other))
    assert a == pytest.approx(b, abs=1e-3)


def test_what_is_saved_answers_the_same(learned: WeighedCounts, tmp_path: Path) -> None:
    tasks.write(tmp_path, [learned], {}, "count")
    again = tasks.load(tmp_path)
    assert again.predict(["warm"]) == learned.predict(["warm"])
    with pytest.raises(ForetellError, match=r"holds no recurrent; it holds count"):
        tasks.load(tmp_path, "recurrent")


@pytest.mark.parametrize("facts", [{}, {"chosen": "count", "weights": {}}])
def test_other_folders_are_refused(facts: dict[str, object], tmp_path: Path) -> None:
    seal(tmp_path, facts)
    with pytest.raises(ForetellError, match=r"holds no predictor|holds no count"):
        tasks.load(tmp_path)


def test_a_folder_with_other_labels_is_refused(learned: WeighedCounts, tmp_path: Path) -> None:
    learned.save(tmp_path)
    with pytest.raises(DamagedModel, match="restore"):
        WeighedCounts.load(tmp_path, {"labels": ["one"]})


def test_an_unknown_label_in_dev_is_named_by_its_row() -> None:
    dev = [*draw(10, 2), Example("odd", "angry", "dev.csv:12")]
    with pytest.raises(TextError, match=r"dev\.csv:12: the label 'angry' is none of the 2"):
        learn(draw(30, 1), dev, LABELS)


def test_words_add_up_to_the_difference_of_the_scores(learned: WeighedCounts) -> None:
    text = "her voice lovely  and LOVELY, 真好看 music"
    words = learned.explain(text)
    names = [word for word, _ in words]
    assert names[:3] == ["(begin)", "her", "voice"]
    assert names[-2:] == ["music", "(end)"]
    answer = learned.predict([text])[0]
    good, bad = answer.probabilities["good"], answer.probabilities["bad"]
    shares = float(learned.shares[1] - learned.shares[0])
    assert sum(n for _, n in words) + shares == pytest.approx(np.log(good / bad), rel=1e-3)
    assert max(words, key=lambda word: word[1])[0] in ("lovely", "看", "真", "好")


@pytest.mark.parametrize("count", [0, 1, 2, 5_000])
def test_a_directory_finds_what_is_there_and_nothing_else(count: int) -> None:
    chance = np.random.default_rng(count)
    # Some stand close together, and at both ends.
    edges = np.array([0, 1, 2, 3, 2**64 - 2, 2**64 - 1], np.uint64)
    drawn = chance.integers(0, 2**64, count, np.uint64)
    known = np.unique(np.concatenate([drawn, edges[: 2 * count]]))
    asked = np.concatenate([known, edges, chance.integers(0, 2**64, 500, np.uint64)])
    places, there = Directory(known).look_up(asked)
    assert (there == np.isin(asked, known)).all()
    assert (known[places[there]] == asked[there]).all()
