from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from foretell import models
from foretell.models.mixture import Mixture
from tests.cli.conftest import Run
from tests.laws.planted import UnnormalisedMixture


@pytest.mark.parametrize("model", ["kn", "unigram", "lstm"])
def test_sound_models_keep_all_laws(model: str, run: Run) -> None:
    said = run("verify", model)
    assert said.code == 0, said.out
    assert said.out.count("✓") == 11
    assert all(law["passed"] for law in run("verify", model, "--json").json)


def test_a_mixture_keeps_all_laws(run: Run, here: Path) -> None:
    parts = [models.load(here / name) for name in ("kn", "lstm")]
    models.save(Mixture(parts, [0.4, 0.6]), here / "mixture")
    assert run("verify", "mixture").code == 0


def test_a_broken_law_is_named_and_ends_with_1(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = models.load(here / "kn")
    monkeypatch.setattr(models, "load", lambda path: UnnormalisedMixture(sound))
    said = run("verify", "kn")
    assert said.code == 1
    assert "✗ normalised" in said.out
    assert said.err == ""


def test_an_altered_model_is_refused(refused: Callable[..., str], here: Path) -> None:
    file = here / "kn" / "order2.rows.bin"
    values = np.fromfile(file, "<f4")
    (values + 1).astype("<f4").tofile(file)
    assert "damaged" in refused("verify", "kn")
