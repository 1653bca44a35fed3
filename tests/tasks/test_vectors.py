from pathlib import Path

import numpy as np
import pytest
import torch

from foretell import tasks
from foretell.contracts.errors import TextError
from foretell.tasks import labelling
from foretell.tasks.examples import vectors
from foretell.tasks.examples.vectors import read_vectors
from foretell.tasks.networks.recurrent import RecurrentEncoder
from foretell.tasks.options import LabelOptions
from tests.tasks import moods


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_vectors_are_read_in_the_forms_that_people_have(tmp_path: Path) -> None:
    lines = ("The 1 -1", "cat\t2 0", "the 9 9", "new york 0 2", "猫 -2 0")
    for name, all_lines in (("glove.txt", lines), ("fast.vec", ("5 2", *lines))):
        found = read_vectors(write(tmp_path / name, *all_lines), ())
        assert found.words == ["the", "cat", "new york", "猫"]
        assert np.isclose(np.mean(found.rows**2), 1)
        assert np.allclose(found.rows[1] / found.rows[0, 0], [2, 0])


def test_rare_words_are_kept_if_an_example_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "MOST_FREQUENT", 2)
    path = write(tmp_path / "v.txt", "a 1 2", "b 1 2", "c 1 2", "d 1 2")
    assert read_vectors(path, {"d"}).words == ["a", "b", "d"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("a 1 2", "b 1 x"), "v.txt:2 is not a word and 2 numbers"),
        (("a 1 2", "1 2"), "v.txt:2 is not"),
        (("a 1 nan",), "v.txt:1 is not"),
        (("word",), "v.txt:1 is not a word and 0 numbers"),
        (("3 2",), "no word vectors"),
    ],
)
def test_what_is_no_vector_is_named(tmp_path: Path, lines: tuple[str, ...], said: str) -> None:
    with pytest.raises(TextError, match=said):
        read_vectors(write(tmp_path / "v.txt", *lines), ())


def test_words_begin_with_their_vectors_and_others_with_none() -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(64, vectors=(3, ["cat", "dog"])).eval()
    encoder.begin_with(np.array([[1, 0, 0], [0, 1, 0]], np.float32))
    with torch.no_grad():
        encoder.table.weight.zero_()
        got = encoder._embed([encoder.prepare(["A", " Cat", " sat"]), encoder.prepare(["dog"])])
        assert encoder.fitted is not None
        wanted = 0.1 * encoder.fitted.weight.T[:2]
    assert torch.allclose(got[[1, 3]], wanted)
    assert not got[[0, 2]].any()


def test_a_predictor_keeps_its_vectors(tmp_path: Path) -> None:
    data = moods.write(tmp_path / "moods.jsonl", moods.draw(60, 1))
    path = write(tmp_path / "v.txt", "good 1 0 0", "bad 0 1 0", "zzz 0 0 1")
    options = LabelOptions(vectors=str(path), budget="2 passes")
    labelling.train_into(tmp_path / "m", data, options)
    path.unlink()
    network = tasks.load(tmp_path / "m", "recurrent").network
    assert network.encoder.facts["vectors"] == [3, ["good", "bad", "zzz"]]
    assert network.encoder.prepare(["ZZZ"]).known.tolist() == [2]
    with pytest.raises(TextError, match="cannot read"):
        labelling.train_into(tmp_path / "n", data, options)
