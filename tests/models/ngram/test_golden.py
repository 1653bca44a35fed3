"""Our numbers against KenLM's own, token by token. Needs the golden files; see their README."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from benchmarks.kenlm_golden import RECIPES, compare_with_golden, golden_folder

FOLDER = golden_folder()

pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="no golden n-gram models; set FORETELL_GOLDEN to their folder"
)

PERPLEXITIES = {
    "o3": (145.78088889804954, 103.15155213647789),
    "o5": (144.80375077018059, 102.44551510088658),
    "o5_prune001": (146.42834619456448, 103.82521597149301),
    "o4_nointerp": (102.90750755156036, 106.91708582745221),
}
LOWER = [
    (0.638345, 0.964149, 1.35872),
    (0.786306, 1.13527, 1.42871),
    (0.891211, 1.18714, 1.40279),
    (0.953732, 1.39077, 1.39026),
]
DISCOUNTS = {
    "o3": [*LOWER[:2], (0.8702, 1.18222, 1.44343)],
    "o5": [*LOWER, (0.977151, 1.5295, 1.4049)],
    "o5_prune001": [*LOWER, (0.977151, 1.5295, 1.4049)],
}


@cache
def golden() -> dict[str, dict[str, Any]]:
    assert FOLDER is not None
    return compare_with_golden(FOLDER)


@pytest.mark.parametrize("name", PERPLEXITIES)
def test_every_held_out_token_equals_kenlm(name: str) -> None:
    query = golden()[name]["kenlm"]["query"]
    assert query["tokens"] == 27870
    assert query["same_tokens"]
    assert query["largest_difference_log10"] <= 1e-4
    assert query["different_orders"] == 0
    np.testing.assert_allclose(query["perplexity"], PERPLEXITIES[name], rtol=1e-6)
    # Their file, read by us, says the same.
    read = golden()[name]["arpa"]["query"]
    assert read["largest_difference_log10"] <= 1e-5
    assert read["different_orders"] == read["different_unknowns"] == 0


@pytest.mark.parametrize("name", DISCOUNTS)
def test_discounts_equal_kenlm(name: str) -> None:
    np.testing.assert_allclose(golden()[name]["kenlm"]["discounts"], DISCOUNTS[name], atol=1e-5)
    assert golden()[name]["kenlm"]["notices"] == ()


@pytest.mark.parametrize("name", RECIPES)
def test_every_ngram_and_backoff_equals_kenlm(name: str) -> None:
    model = golden()[name]
    assert model["kenlm"]["counts"] == model["kenlm_counts"]
    arpa = model["kenlm"]["arpa"]
    assert arpa["missing"] == 0
    assert arpa["same_words"]
    assert arpa["largest_difference_log10"] <= 1e-4
    assert arpa["largest_difference_of_backoffs_log10"] <= 1e-4


@pytest.mark.parametrize("name", RECIPES)
def test_kenlms_slip_does_not_show_on_these_texts(name: str) -> None:
    # Their newest word is seen once: raw and adjusted count are equal. `test_smoothing` has texts
    # where it shows.
    assert golden()[name]["exact"]["discounts"] == golden()[name]["kenlm"]["discounts"]


def test_characters_fall_back_at_the_order_that_kenlm_refuses() -> None:
    (notice,) = golden()["chars_fallback"]["kenlm"]["notices"]
    assert notice.startswith("order 1:")
