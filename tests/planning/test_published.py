"""What papers print, against what their sizes make."""

import pytest

from foretell.contracts.errors import ForetellError
from foretell.planning.published import MODELS, Published, find_published
from foretell.planning.resources import count_compute
from foretell.planning.shapes import count_parameters

COUNTED = [model for model in MODELS if model.name.startswith(("gpt", "llama-", "smollm"))]
"""Of which papers give a count, not a name."""


@pytest.mark.parametrize("model", COUNTED, ids=lambda model: model.name)
def test_counts_are_the_published_ones_within_a_hundredth(model: Published) -> None:
    assert count_parameters(model.shape).total == pytest.approx(model.parameters, rel=0.01)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_names_are_near_the_counts(model: Published) -> None:
    assert count_parameters(model.shape).total == pytest.approx(model.parameters, rel=0.04)


@pytest.mark.parametrize(
    ("name", "count"),
    [("gpt2", 124_439_808), ("gpt2-medium", 354_823_168), ("gpt2-large", 774_030_080),
     ("gpt2-xl", 1_557_611_200), ("smollm-135m", 134_515_008), ("llama-7b", 6_738_415_616)],
)  # fmt: skip
def test_counts_of_released_weights_are_exact(name: str, count: int) -> None:
    assert count_parameters(find_published(name).shape).total == count


@pytest.mark.parametrize(
    "model", [model for model in MODELS if model.compute], ids=lambda model: model.name
)
def test_compute_is_the_published_one_within_a_hundredth(model: Published) -> None:
    assert model.tokens is not None
    compute = count_compute(model.shape, model.tokens, row=model.shape.context)
    assert compute.published == pytest.approx(model.compute, rel=0.01)


def test_there_are_four_sizes_of_gpt2_and_eight_of_gpt3() -> None:
    names = [model.name for model in MODELS]
    assert len(set(names)) == len(names)
    assert sum(name.startswith("gpt2") for name in names) == 4
    assert sum(name.startswith("gpt3") for name in names) == 8


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_heads_fill_the_width(model: Published) -> None:
    assert model.shape.width % model.shape.heads == 0
    assert model.shape.heads % model.shape.key_heads == 0


def test_a_wrong_name_lists_the_right_ones() -> None:
    assert find_published("GPT2-XL").name == "gpt2-xl"
    with pytest.raises(ForetellError, match=r"gpt4 is neither .* gpt2, gpt2-medium, "):
        find_published("gpt4")
