import json
from pathlib import Path

import numpy as np
import pytest

from foretell import tasks
from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.predictor import Label
from foretell.tasks import labelling, scope, tagging
from foretell.tasks.examples.words import split
from foretell.tasks.options import LabelOptions, TeachOptions
from tests.tasks import moods, requests


def test_a_share_of_usual_texts_is_as_unusual() -> None:
    """What it promises: of texts like those kept back, so many are rejected."""
    chance = np.random.default_rng(0)
    words = [f"w{number}" for number in range(300)]
    texts = [" ".join(chance.choice(words, 6)) for _ in range(1500)]
    shares = chance.beta(2, 2, len(texts))
    answers = [Label("a", {"a": share, "b": 1 - share}) for share in shares]
    known = scope.learn(texts[:500], texts[500:1000], {"count": answers[500:1000]})
    usual = np.array(known.usual("count", texts[1000:], answers[1000:]))
    for reject in (0.05, 0.2, 0.5):
        found = np.mean([scope.rejects(share, reject) for share in usual])
        assert found == pytest.approx(reject, abs=0.05)
    # Strange words and a doubtful answer are each enough to be rarer.
    asked = [texts[0], "ξένο κείμενο", texts[0]]
    sure, unsure = Label("a", {"a": 0.99, "b": 0.01}), Label("a", {"a": 0.5, "b": 0.5})
    plain, strange, doubtful = known.usual("count", asked, [sure, sure, unsure])
    assert strange < plain
    assert doubtful < plain
    assert known.usual("count", [], []) == []


def test_labels_are_withheld_from_what_is_out_of_scope(tmp_path: Path) -> None:
    data = moods.write(tmp_path / "a.jsonl", moods.draw(400, 1))
    options = LabelOptions(budget="1 pass")
    labelling.train_into(tmp_path / "m", data, options)
    (tmp_path / "new.jsonl").write_text(
        '{"text": "the film lovely music 3"}\n{"text": "Ξυπνητήρι: 7 ώρα, παρακαλώ!"}\n', "utf-8"
    )
    known = scope.load(tmp_path / "m", reject=0.05)
    assert known is not None
    for rung in tasks.rungs_of(tmp_path / "m"):
        predictor = tasks.load(tmp_path / "m", rung)
        usual, strange = labelling.answer(
            predictor, tmp_path / "new.jsonl", options, known=known, reject=0.05
        )
        assert json.loads(usual.json)["label"] == usual.label.value == "good"
        assert json.loads(strange.json)["label"] is None
        assert strange.line.split("\t")[1] == ""
        assert strange.usual is not None
        assert strange.usual <= 0.05
    with pytest.raises(ForetellError, match="--reject must be a share"):
        scope.load(tmp_path / "m", reject=5)
    (tmp_path / "m" / "scope" / "texts.npy").unlink()
    with pytest.raises(DamagedModel):
        scope.load(tmp_path / "m")


def test_requests_know_their_scope_and_spans_alone_have_none(tmp_path: Path) -> None:
    drawn = requests.draw(400, 1)
    data = requests.write(tmp_path / "a.jsonl", drawn)
    tagging.train_into(tmp_path / "m", data, TeachOptions(budget="1 pass"))
    known = scope.load(tmp_path / "m")
    assert known is not None
    predictor = tagging.load(tmp_path / "m", "count")
    (tmp_path / "new.txt").write_text("".join(drawn[3].words) + "\nΞένο κείμενο εδώ\n", "utf-8")
    usual, strange = tagging.answer(
        predictor, tmp_path / "new.txt", LabelOptions(), known=known, reject=0.05
    )
    assert usual.tagging.words == tuple(split("".join(drawn[3].words)))
    assert json.loads(usual.json)["usual"] > 0.05
    assert json.loads(strange.json)["label"] is None
    bare = requests.write(tmp_path / "b.jsonl", [each._replace(label="") for each in drawn])
    tagging.train_into(tmp_path / "spans", bare, TeachOptions(budget="1 pass"))
    assert scope.load(tmp_path / "spans") is None
    with pytest.raises(ForetellError, match="does not know what is usual"):
        scope.load(tmp_path / "spans", reject=0.05)
