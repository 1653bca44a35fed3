"""The mixture of a comparison: which parts it keeps, and what it goes by."""

from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.learner import Budget
from foretell.ladder.rungs import Rung
from foretell.ladder.running import RECENT, Finished, Texts, train_mixture, train_rung
from foretell.models.buckets import Buckets
from foretell.tokenizers.bytes import Bytes
from foretell.training.recipes import Scope
from tests.cli.toy_text import write_text


@pytest.fixture(scope="module")
def texts() -> Texts:
    """Half of the last three parts stands in the first, so that long matches are worth much."""
    parts = [write_text(size, seed=seed) for seed, size in enumerate((40_000, 6_000, 6_000, 6_000))]
    known = [parts[0][start : start + 3_000] for start in (0, 10_000, 20_000)]
    rest = [
        [part[:3_000], part[3_000:] + said] for part, said in zip(parts[1:], known, strict=True)
    ]
    return Texts([parts[0]], *rest, end_of_text=False, prompts=("The cat",))


def finish(family: str, texts: Texts, out: Path) -> Finished:
    rung = Rung(family, "bytes", None)
    return train_rung(rung, Bytes(), texts, out, budget=Budget(passes=1), scope=Scope(), seed=0)


def test_a_mixture_goes_by_what_an_infinity_gram_matches(texts: Texts, tmp_path: Path) -> None:
    parts = [finish(family, texts, tmp_path) for family in ("kneser-ney", "infinity-gram")]
    mixed = train_mixture(parts, texts, tmp_path, least=0.0, seed=0)
    assert mixed is not None
    assert list(mixed.weights) == ["kneser-ney-bytes", "infinity-gram-bytes", RECENT]
    assert sum(mixed.weights.values()) == pytest.approx(1)
    assert mixed.laws_failed == ()
    model = mixed.load()
    assert isinstance(model, Buckets)
    assert (model.parts.guide, model.parts.gauge) == (1, None)
    best = min(part.score.bits_per_byte.value for part in parts)
    assert mixed.score.bits_per_byte.value < best
    step = model.begin()
    assert np.exp(step.logprobs).sum() == pytest.approx(1, abs=1e-5)


def test_light_parts_are_left_out(texts: Texts, tmp_path: Path) -> None:
    parts = [
        finish(family, texts, tmp_path) for family in ("unigram", "kneser-ney", "infinity-gram")
    ]
    every = train_mixture(parts, texts, tmp_path / "every", least=0.0, seed=0)
    assert every is not None
    lightest = min(every.weights, key=every.weights.__getitem__)
    least = every.weights[lightest] * 1.01
    fewer = train_mixture(parts, texts, tmp_path / "fewer", least=least, seed=0)
    assert fewer is not None
    assert set(fewer.weights) == set(every.weights) - {lightest}
    # Only one of the rungs left, whatever the text's own past is worth.
    assert train_mixture(parts, texts, tmp_path / "none", least=0.99, seed=0) is None
