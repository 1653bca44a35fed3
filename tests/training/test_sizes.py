"""Networks of a size that was asked for."""

import pytest

from foretell.contracts.errors import ForetellError
from foretell.tokenizers.bytes import Bytes
from foretell.training.networks import estimate_needs
from foretell.training.recipes import TRANSFORMERS, Scope


@pytest.mark.parametrize("family", TRANSFORMERS)
@pytest.mark.parametrize("parameters", [50_000, 135_000, 365_000, 1_000_000, 4_000_000, 30_000_000])
def test_layers_have_about_as_many_parameters(family: str, parameters: int) -> None:
    needs = estimate_needs(family, Bytes(), Scope(parameters=parameters))
    assert needs.inner == pytest.approx(parameters, rel=0.2)


def test_what_is_asked_for_has_no_tables() -> None:
    needs = estimate_needs("gpt", Bytes(), Scope(parameters=1_000_000))
    assert needs.parameters < 1.2 * needs.inner
    assert estimate_needs("gpt", Bytes(), Scope()).parameters > 2 * needs.parameters


def test_recurrent_networks_are_refused() -> None:
    with pytest.raises(ForetellError, match="cannot be chosen"):
        estimate_needs("lstm", Bytes(), Scope(parameters=1_000_000))
