import json
from pathlib import Path

import pytest

from foretell.contracts.errors import ForetellError, OutputExists
from foretell.evaluation.forecast import ScaledRun
from foretell.ladder import grid as grids
from foretell.ladder import scaling
from foretell.ladder.grid import choose_grid, choose_passes, estimate_seconds
from foretell.ladder.laws import read_scaling
from foretell.ladder.options import ScaleOptions
from foretell.training.fit import Interrupted
from tests.cli.toy_text import write_text

TINY = (3_000, 12_000, 28_000)
RATES = {size: size * 1e-10 for size in grids.SIZES}


class Audience:
    """Counts runs."""

    def __init__(self) -> None:
        self.runs: list[tuple[ScaledRun, bool]] = []

    def corpus(self, corpus: object) -> None: ...

    def begin(self, name: str, seconds: float | None):  # type: ignore[no-untyped-def]
        return lambda glance: None

    def scaled(self, run: ScaledRun, *, again: bool) -> None:
        self.runs.append((run, again))


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(grids, "SIZES", TINY)
    monkeypatch.setattr(scaling, "SIZES", TINY)
    monkeypatch.setattr(scaling, "_passes", lambda material: 1)
    monkeypatch.setattr(grids, "HALVINGS", 2)
    path = tmp_path / "text.txt"
    path.write_text(write_text(30_000, chinese=0.0), encoding="utf-8")
    return path


def options(out: Path, budget: str = "30s") -> ScaleOptions:
    return ScaleOptions(budget=budget, out=str(out), size=300, threads=1)


def test_a_law_of_a_text(text: Path, tmp_path: Path) -> None:
    audience = Audience()
    found = scaling.scale(text, options(tmp_path / "law"), spectator=audience)
    assert len(found.runs) == len(TINY) * 3
    assert all(not again for _, again in audience.runs)
    assert len({run.parameters for run in found.runs}) == len(TINY)
    whole = max(run.tokens for run in found.runs)
    assert whole == found.tokens
    # More text and more parameters are better, on the whole.
    best = min(found.runs, key=lambda run: run.bits_per_byte)
    worst = max(found.runs, key=lambda run: run.bits_per_byte)
    assert best.tokens > worst.tokens
    assert read_scaling(tmp_path / "law") == found
    assert not (tmp_path / "law" / "work").exists()
    settings = json.loads((tmp_path / "law" / "settings.json").read_text("utf-8"))
    assert "out" not in settings["options"]
    with pytest.raises(OutputExists, match="another text or with other options"):
        scaling.scale(text, options(tmp_path / "law", budget="60s"))


def test_stopped_it_goes_on_where_it_was(text: Path, tmp_path: Path) -> None:
    out, audience = tmp_path / "law", Audience()
    with pytest.raises(Interrupted):
        scaling.scale(text, options(out), spectator=audience, stop=lambda: len(audience.runs) >= 2)
    done = sorted(each.name for each in (out / "runs").iterdir())
    assert len(done) == 2
    again = Audience()
    found = scaling.scale(text, options(out), spectator=again)
    assert [from_before for _, from_before in again.runs].count(True) == 2
    whole = scaling.scale(text, options(tmp_path / "whole"))
    assert [(run.tokens, run.bits_per_byte) for run in whole.runs] == [
        (run.tokens, run.bits_per_byte) for run in found.runs
    ]


def test_a_folder_with_something_else_is_refused(text: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    with pytest.raises(OutputExists, match="something else"):
        scaling.scale(text, options(other))


def test_a_budget_of_passes_is_refused(text: Path, tmp_path: Path) -> None:
    with pytest.raises(ForetellError, match="budget of time"):
        scaling.scale(text, options(tmp_path / "law", budget="3 passes"))
    assert not (tmp_path / "law").exists()


def test_fewer_texts_are_among_more(text: Path, tmp_path: Path) -> None:
    material = scaling.load_material(text, options(tmp_path))
    few, count = material.take(material.tokens // 4)
    more, _ = material.take(material.tokens // 2)
    assert more[: len(few)] == few
    assert count >= material.tokens // 4
    assert material.take(material.tokens) == (
        [material.texts[index] for index in material.order],
        material.tokens,
    )


def test_the_largest_grid_that_fits_is_taken() -> None:
    passes = 4
    whole = choose_grid(400_000, passes, 1e9, RATES, 0)
    assert (len(whole.sizes), len(whole.texts), whole.texts[-1]) == (4, 4, 400_000)
    costs = [cell.parameters * cell.tokens for cell in whole.cells]
    assert costs == sorted(costs)
    seconds = estimate_seconds(whole, RATES, 0)
    less = choose_grid(400_000, passes, seconds / 2, RATES, 0)
    assert less.sizes == whole.sizes[:3]
    least = choose_grid(400_000, passes, seconds / 40, RATES, 0)
    assert len(least.sizes) == len(least.texts) == 3
    with pytest.raises(ForetellError, match="larger --budget"):
        choose_grid(400_000, passes, seconds / 1e6, RATES, 0)


@pytest.mark.parametrize(("tokens", "passes"), [(40_000, 16), (385_000, 4), (10_000_000, 1)])
def test_short_texts_are_read_more_often(tokens: int, passes: int) -> None:
    assert choose_passes(tokens, dict.fromkeys(grids.PASSES, 1024)) == passes
