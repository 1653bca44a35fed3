"""The cache against sums written out, and what it must not know."""

from pathlib import Path

import numpy as np
import pytest

from foretell import models
from foretell.contracts.errors import ForetellError
from foretell.models import recent
from foretell.models.recent import RecentSettings, RecentText
from foretell.testing.toys import ToyTokenizer
from foretell.tokenizers import Bytes

TOKENIZER = ToyTokenizer("abc", words=())
SIZE = TOKENIZER.vocabulary_size


def chances(text: list[int], settings: RecentSettings) -> np.ndarray:
    """P of every token after a text, by the formula of the module."""
    text = text[-settings.reach :]
    found = np.full(SIZE, 1 / SIZE)
    for n in range(1, settings.order + 1):
        counts = np.zeros(SIZE)
        past = text[len(text) - n + 1 :] if n > 1 else []
        for at in range(n - 1, len(text)):
            if text[at - n + 1 : at] == past:
                counts[text[at]] += settings.decay ** (len(text) - 1 - at) if n == 1 else 1
        found = (counts + settings.hold * found) / (counts.sum() + settings.hold)
    return found


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("reach", [1, 7, 1000])
def test_it_is_its_formula(order: int, reach: int) -> None:
    settings = RecentSettings(order=order, reach=reach, decay=0.9, hold=0.3)
    model = RecentText(TOKENIZER, settings)
    text = np.random.default_rng(order).integers(0, 3, 40).astype(np.int32)
    step = model.advance(model.begin().state, text[None], keep=40)
    everything = np.concatenate([model.begin().logprobs, step.logprobs], axis=1)[0]
    expected = np.stack([chances(text[:at].tolist(), settings) for at in range(41)])
    np.testing.assert_allclose(np.exp(everything), expected, atol=1e-6)
    np.testing.assert_allclose(np.exp(everything).sum(axis=1), 1, atol=1e-6)
    scores = model.score(text[None])[0]
    np.testing.assert_allclose(np.exp(scores), expected[np.arange(40), text], atol=1e-6)


def test_pieces_in_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = RecentText(TOKENIZER, RecentSettings(reach=20))
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 3, size).astype(np.int32) for size in (50, 0, 33)]
    whole = model.score_documents(texts)
    monkeypatch.setattr(recent, "BLOCK", 7)
    for one, other in zip(whole, model.score_documents(texts), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_said_is_likelier_said_again() -> None:
    model = RecentText(Bytes())
    text = Bytes().encode("the cat sat. the cat sat. the c").tokens[None]
    first, again = model.score(text)[0, 1:12], model.score(text)[0, 14:25]
    assert (again > first).all()


def test_a_boundary_makes_it_forget() -> None:
    model = RecentText(TOKENIZER)
    text = np.array([[0, 0, 1, TOKENIZER.boundary]], np.int32)
    after = model.advance(model.begin().state, text)
    np.testing.assert_array_equal(after.logprobs, model.begin().logprobs)
    assert after.state.lengths.tolist() == [5]


def test_it_comes_back_from_a_folder(tmp_path: Path) -> None:
    model = RecentText(Bytes(), RecentSettings(order=3, reach=5, decay=0.5, hold=2.0))
    models.save(model, tmp_path / "model")
    loaded = models.load(tmp_path / "model")
    assert isinstance(loaded, RecentText)
    assert loaded.settings == model.settings


@pytest.mark.parametrize("bad", [{"order": 0}, {"reach": 0}, {"decay": 0}, {"hold": 0}])
def test_settings_of_no_cache_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ForetellError):
        RecentSettings(**bad)


def test_a_token_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(ValueError, match="encode with this model's tokenizer"):
        RecentText(TOKENIZER).score(np.array([[SIZE]], np.int32))
