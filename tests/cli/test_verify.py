import re
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


def test_an_accumulated_batch_is_proved_equal(run: Run, here: Path) -> None:
    said = run("verify", "accumulation", "lstm")
    assert said.code == 0, said.err
    assert said.out.startswith(" ✓ accumulation of lstm")


def test_two_processes_are_proved_equal_to_one(run: Run, here: Path) -> None:
    said = run("verify", "ranks", "lstm")
    assert said.code == 0, said.out + said.err
    assert said.out.startswith(" ✓ ranks of lstm")


def test_a_resumed_run_is_proved_equal(run: Run, here: Path) -> None:
    (proof,) = run("verify", "resume", "lstm", "--json").json
    assert proof["passed"], proof
    # A quick machine may be done before the last kill comes.
    assert re.search(r"[1-3] kills: the same weights", proof["message"])


def test_a_run_on_another_text_is_no_proof(refused: Callable[..., str], here: Path) -> None:
    text = (here / "text.txt").read_text()
    (here / "other.txt").write_text(text.replace("e", "i"))
    assert "is not the text that this model learned from" in refused(
        "verify", "resume", "lstm", "--text", "other.txt"
    )


def test_what_was_counted_has_no_proof_of_resuming(refused: Callable[..., str]) -> None:
    assert "was counted in one pass" in refused("verify", "resume", "kn")
    assert "write verify MODEL" in refused("verify", "backwards", "kn")
    assert "has no record" in refused("verify", "resume", "text.txt")
