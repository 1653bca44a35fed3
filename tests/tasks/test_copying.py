import json
from pathlib import Path

import numpy as np
import pytest

from foretell.tasks import writing
from foretell.tasks.networks.copying import Copying, copies, fit_copies
from foretell.tasks.options import TextOptions
from foretell.testing.laws import check_laws
from foretell.testing.toys import ToyModel, ToyTokenizer

TOY = ToyModel(ToyTokenizer(), order=2)
WEIGHTS = [0.1, 0.3, 0.6]


def test_copying_obeys_the_laws() -> None:
    results = check_laws(
        Copying(TOY, WEIGHTS), load=lambda folder: Copying(ToyModel.load(folder), WEIGHTS)
    )
    assert [f"{r.law}: {r.message}" for r in results if not r.passed] == []


def test_what_follows_the_longest_match_is_copied() -> None:
    text = np.array([1, 2, 3, 1, 2, 4, 9], np.int32)
    found = {
        tuple(written): (matched, followed.tolist())
        for written in ([], [1], [7], [3, 1], [1, 2], [3, 1, 2], [5, 3, 1, 2])
        for matched, followed in [copies(text, np.array(written, np.int32), 3)]
    }
    assert found == {
        (): (0, text.tolist()),
        (1,): (1, [2, 2]),
        (7,): (0, text.tolist()),
        (3, 1): (2, [2]),
        (1, 2): (2, [3, 4]),
        (3, 1, 2): (3, [4]),
        (5, 3, 1, 2): (3, [4]),
    }


def test_the_text_is_the_one_before_the_last_boundary() -> None:
    tokenizer = TOY.tokenizer
    boundary = tokenizer.boundary
    first, second = (tokenizer.encode(text).tokens for text in ("abc", "bca"))
    read = np.concatenate([first, [boundary], second, [boundary], second[:1]]).astype(np.int32)
    model = Copying(TOY, [0.5, 0.5])
    got = model.advance(model.begin().state, read[None]).logprobs[0, 0]
    alone = TOY.advance(TOY.begin().state, read[None]).logprobs[0, 0]
    wanted = 0.5 * np.exp(alone)
    wanted[second[1]] += 0.5
    assert np.allclose(np.exp(got), wanted, atol=1e-6)


def test_weights_are_those_that_make_what_came_likely() -> None:
    chance = np.random.default_rng(0)
    boundary = TOY.tokenizer.boundary
    others = [token for token in range(TOY.tokenizer.vocabulary_size) if token != boundary]
    ends = np.array([boundary], np.int32)
    pairs = []
    for number in range(80):
        text, written = (chance.choice(others, 6).astype(np.int32) for _ in range(2))
        if number % 2:
            # Whoever begins to copy goes on to the end.
            written = text[chance.integers(0, 5) :]
        pairs.append((np.concatenate([text, ends]), np.concatenate([written, ends])))
    weights, saved = fit_copies(TOY, pairs)
    assert weights[0] < 0.9
    assert min(weights[2:]) > 0.8
    assert 0.1 < saved < 1
    model = Copying(TOY, weights)
    nats = [
        [-each.score(np.concatenate(pair)[None])[0, len(pair[0]) :].sum() for pair in pairs]
        for each in (TOY, model)
    ]
    assert 1 - sum(nats[1]) / sum(nats[0]) == pytest.approx(saved, abs=1e-4)


def test_summaries_have_names_that_were_never_seen(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz")

    def rows(count: int) -> list[dict[str, str]]:
        found = []
        for _ in range(count):
            name, place = ("".join(chance.choice(letters, 6)) for _ in range(2))
            text = f"Yesterday the painter {name} came to {place} and stayed there."
            found.append({"text": text, "target": f"the painter {name} came"})
        return found

    data, test = tmp_path / "data.jsonl", rows(8)
    data.write_text("".join(json.dumps(row) + "\n" for row in rows(300)), "utf-8")
    options = TextOptions(budget="30 passes", target="target")
    writing.train_into(tmp_path / "m", data, "summarize", options)
    writer = writing.load(tmp_path / "m", "transformer")
    assert len(writer.copies) > 2
    for row, (best, *_) in zip(test, writer.write([row["text"] for row in test]), strict=True):
        the, painter, name, *_ = best.text.split()
        assert (the, painter) == ("the", "painter")
        assert row["text"].split()[3].startswith(name)
