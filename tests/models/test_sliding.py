import numpy as np
import pytest

from foretell.models.sliding import Sliding, unlimited
from foretell.testing.laws import check_laws
from foretell.testing.toys import ToyModel, ToyTokenizer


def toy(context: int) -> ToyModel:
    """Everything that its state holds counts, so a wrong window shows."""
    return ToyModel(ToyTokenizer(), order=None, context=context, seed=3)


def slow_twin(model: ToyModel, tokens: np.ndarray) -> np.ndarray:
    """ln P of each token by the drawing at the top of sliding.py, one window at a time."""
    context, overlap = model.context, model.context // 2
    text = np.concatenate([[model.tokenizer.boundary], tokens]).astype(np.int32)
    out = []
    for place in range(1, len(text)):
        start = 0
        while place > start + context:
            start += context - overlap
        seen = text[start:place]
        step = model.begin(mid_text=start > 0)
        seen = seen[1:] if start == 0 else seen
        if len(seen):
            step = model.advance(step.state, seen[None])
        out.append(step.logprobs[0, -1, text[place]])
    return np.array(out)


@pytest.mark.parametrize("context", [2, 3, 4, 7, 8])
@pytest.mark.parametrize("length", [0, 1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 40])
def test_windows_are_those_of_the_drawing(context: int, length: int) -> None:
    model = toy(context)
    generator = np.random.default_rng(length)
    tokens = generator.integers(0, model.tokenizer.boundary, length).astype(np.int32)
    (scores,) = Sliding(model).score_documents([tokens])
    np.testing.assert_allclose(scores, slow_twin(model, tokens), atol=1e-6)


def test_many_documents_are_scored_as_each_alone() -> None:
    reader = Sliding(toy(6))
    generator = np.random.default_rng(0)
    documents = [generator.integers(0, 8, n).astype(np.int32) for n in (3, 0, 50, 6, 7, 29, 12)]
    for document, scores in zip(documents, reader.score_documents(documents), strict=True):
        np.testing.assert_allclose(scores, reader.score_documents([document])[0], atol=1e-6)


@pytest.mark.parametrize("context", [2, 5, 8])
def test_it_obeys_the_laws(context: int) -> None:
    results = check_laws(Sliding(toy(context)), width=30, load=lambda folder: Sliding(toy(context)))
    # The toy is not among the registered families, so its folder is not read back.
    assert [r.message for r in results if not r.passed and r.law != "round trip"] == []


def test_only_a_window_is_wrapped() -> None:
    model = ToyModel(ToyTokenizer())
    assert unlimited(model) is model
    with pytest.raises(ValueError, match="2 tokens or more"):
        Sliding(model)
