"""Plans: shardings that fit, days and energy against published runs, refusals that advise."""

import json
from pathlib import Path
from typing import Any

import pytest

from foretell.contracts.errors import ForetellError
from foretell.planning import plan as planning
from foretell.planning.hardware import Device
from foretell.planning.options import PlanOptions
from foretell.planning.plan import (
    Plan,
    choose_sharding,
    count_energy,
    count_seconds,
    least_ranks,
    make_plan,
    parse_count,
)
from foretell.planning.published import find_published
from foretell.planning.resources import HALF, count_memory

LAPTOP = Device(
    "this machine", "a laptop", {"float32": 1e11}, 32e9, None, None, "test", measured=True
)


@pytest.fixture(autouse=True)
def _laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "measure_machine", lambda: LAPTOP)


def plan(model: str, **options: Any) -> Plan:
    return make_plan(model, PlanOptions(**options))


def test_gpt3_on_a_thousand_h100() -> None:
    found = plan("gpt3-175b", gpus=1024, gpu="h100")
    assert found.parameters.total == pytest.approx(175e9, rel=0.01)
    assert found.compute.published == pytest.approx(3.14e23, rel=0.01)
    assert found.sharding.kind == "fsdp"
    assert found.sharding.memory.total <= found.usable
    # 3.23e23 FLOPs, a third more for recomputation, at 0.4 of 1,024 x 989 TFLOP/s.
    assert found.days == pytest.approx(3.23e23 * 4 / 3 / (1024 * 989.4e12 * 0.4) / 86_400, rel=0.01)
    assert found.energy == pytest.approx(1024 * 0.7 * 24 * found.days * 1.1)


def test_days_and_energy_of_a_published_run() -> None:
    """Thoppilan et al. 2022, section 10: 3.55e23 FLOPs on 1,024 devices of 123 TFLOP/s at 56.5%
    took 57.7 days and, at 289 W and a PUE of 1.10, 451 MWh."""
    seconds = count_seconds(3.55e23, 1024, 123e12, 0.565)
    assert seconds / 86_400 == pytest.approx(57.7, rel=0.005)
    assert count_energy(1024, 289, seconds, 1.10) == pytest.approx(451_000, rel=0.005)


def test_the_cheapest_sharding_that_fits() -> None:
    shape = find_published("gpt2").shape
    common = {"ranks": 8, "rows": 512, "row": 1024, "precision": HALF}

    def least(kind: str, rows: int, recompute: bool) -> float:
        size = {"sharding": kind, "rows": rows, "recompute": recompute}
        return count_memory(shape, **{**common, **size}).total

    wanted = [("ddp", 8, False), ("ddp", 2, False), ("fsdp", 1, False), ("fsdp", 1, True)]
    for kind, rows, recompute in wanted:
        found = choose_sharding(shape, **common, usable=least(kind, rows, recompute))
        assert found is not None
        assert (found.kind, found.rows, found.recompute) == (kind, rows, recompute)
        assert found.ranks * found.rows * found.rounds == 512
    assert choose_sharding(shape, **common, usable=least("fsdp", 1, True) - 1) is None


def test_one_rank_divides_nothing() -> None:
    assert plan("gpt2", gpu="h100").sharding.kind == "ddp"


def test_least_ranks_is_the_fewest_that_fit() -> None:
    shape = find_published("gpt3-13b").shape
    few = least_ranks(shape, row=2048, precision=HALF, usable=36e9)
    assert few is not None

    def takes(ranks: int) -> float:
        asked = {"sharding": "fsdp", "rows": 1, "row": 2048, "precision": HALF}
        return count_memory(shape, ranks=ranks, recompute=True, **asked).total

    assert takes(few) <= 36e9 < takes(few - 1)
    assert least_ranks(shape, row=2048, precision=HALF, usable=1e9) is None
    assert least_ranks(shape, row=2048, precision=HALF, usable=1e12) == 1


def test_a_laptop() -> None:
    found = plan("gpt2")
    assert found.device is LAPTOP
    assert found.precision == "float32"
    assert found.tokens.value == 20 * 124_439_808
    assert "Hoffmann" in found.tokens.source
    assert found.energy is None
    assert found.pue.value == 1
    assert plan("gpt2", watts=30).energy == pytest.approx(0.03 * found.seconds / 3600)


def test_what_does_not_fit_says_what_would() -> None:
    with pytest.raises(ForetellError) as told:
        plan("llama-7b")
    said = str(told.value)
    assert "llama-7b does not fit on a laptop" in said
    gpus = int(said.split("--gpus ")[1].split()[0])
    assert plan("llama-7b", gpus=gpus, gpu="h100").sharding.memory.total <= 72e9
    with pytest.raises(ForetellError, match="does not fit"):
        plan("llama-7b", gpus=gpus - 1, gpu="h100")
    largest = said.split("published sizes ")[1].split()[0]
    assert plan(largest).sharding.memory.total <= 0.55 * 32e9

    with pytest.raises(ForetellError, match=r"does not fit on 4 a100: .* on --gpus \d+ --gpu a100"):
        plan("gpt3-175b", gpus=4, gpu="a100")
    with pytest.raises(ForetellError, match="no number of t4 holds it"):
        plan("gpt3-175b", gpus=4, gpu="t4")


REFUSED = [
    ({"gpus": 8}, "say which GPUs the 8 are, such as --gpu h100"),
    ({"gpus": 0, "gpu": "h100"}, "--gpus must be 1 or more"),
    ({"gpu": "abacus"}, "no figures are known of abacus"),
    ({"gpus": 1024, "gpu": "h100"}, "has 512 rows of 1,024, too few for 1,024 ranks"),
    ({"context": 2048}, "--context must be from 1 to the model's 1024"),
    ({"context": 0}, "--context must be from 1"),
    ({"precision": HALF}, "a laptop multiplies in float32, not in 16-bit"),
    ({"utilisation": 1.5}, "--utilisation must be above 0 and at most 1"),
    ({"watts": -1}, "--watts must be above 0"),
    ({"pue": 0.5}, "--pue must be 1 or more"),
    ({"tokens": "many"}, "cannot read --tokens many"),
    ({"batch": "0"}, "cannot read --batch 0"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ForetellError, match=message):
        plan("gpt2", **options)


def test_what_is_given_is_taken() -> None:
    found = plan(
        "gpt2",
        gpus=8,
        gpu="a100",
        tokens="1B",
        batch="65536",
        context=512,
        precision="float32",
        utilisation=0.5,
        watts=350,
        pue=1.5,
    )
    assert (found.tokens.value, found.batch.value, found.row) == (1e9, 65_536, 512)
    assert found.sharding.rows_in_update * found.row == 65_536
    assert found.seconds == pytest.approx(found.compute.done / (8 * 19.5e12 * 0.5))
    assert found.energy == pytest.approx(8 * 0.35 * found.seconds / 3600 * 1.5)


def test_a_model_folder(tmp_path: Path) -> None:
    config = {"model_type": "gpt2", "vocab_size": 1000, "n_positions": 64}
    (tmp_path / "config.json").write_text(
        json.dumps(config | {"n_embd": 48, "n_head": 4, "n_layer": 2})
    )
    found = plan(str(tmp_path))
    assert found.published is None
    assert found.shape.vocabulary == 1000
    assert found.sharding.kind == "ddp"


@pytest.mark.parametrize(
    ("text", "count"),
    [("300B", 300e9), ("0.5M", 5e5), ("2e9", 2e9), ("1,000", 1000), ("15 T", 15e12), ("7k", 7000)],
)
def test_counts(text: str, count: float) -> None:
    assert parse_count(text, "--tokens") == count


@pytest.mark.parametrize("text", ["", "B", "-3B", "1.2.3", "3X", "0.5", "1e999"])
def test_what_is_no_count(text: str) -> None:
    with pytest.raises(ForetellError, match="write a number such as 300B"):
        parse_count(text, "--tokens")
