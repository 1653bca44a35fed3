from dataclasses import replace

from foretell.evaluation.results import Interval, RungResult
from foretell.ladder.verdict import recommend
from tests.report.example import FLOOR, build_comparison

RUNGS = sorted(build_comparison().rungs, key=lambda rung: rung.bits_per_byte.value)


def changed(name: str, low: float, high: float) -> list[RungResult]:
    """The rungs with another difference to the floor for one of them."""
    interval = Interval((low + high) / 2, low, high)
    return [replace(r, difference=interval) if r.name == name else r for r in RUNGS]


def test_a_cheaper_rung_is_named_if_it_is_measurably_better_than_the_floor() -> None:
    said = recommend(changed("GRU 0.7M, bytes", -0.05, -0.01), FLOOR)
    assert "LSTM 0.9M" in said["en"] or "GRU 0.7M" in said["en"]
    assert FLOOR in said["en"]
    assert FLOOR in said["zh"]


def test_a_rung_that_may_be_no_better_than_the_floor_is_not_named() -> None:
    rungs = RUNGS
    for rung in RUNGS[1:]:
        if rung.name != FLOOR:
            rungs = [
                replace(r, difference=Interval(-0.01, -0.03, 0.01)) if r is rung else r
                for r in rungs
            ]
    said = recommend(rungs, FLOOR)["en"]
    assert said.startswith(f"Choose the {RUNGS[0].name}")
    assert [rung.name for rung in RUNGS[1:] if rung.name in said] == [FLOOR]


def test_where_nothing_is_better_the_floor_is_chosen() -> None:
    said = recommend(changed(RUNGS[0].name, -0.05, 0.01), FLOOR)
    assert said["en"].startswith(f"Choose the {FLOOR}")


def test_what_may_have_read_the_text_is_said_of_what_is_recommended_alone() -> None:
    best, other = RUNGS[0].name, RUNGS[1].name
    said = recommend(RUNGS, FLOOR, doubtful=[best])
    assert f"The {best} learned elsewhere" in said["en"]
    assert f"{best} 是在别处训练的" in said["zh"]
    within = [replace(RUNGS[0], weights={"GPT-9": 0.5}), *RUNGS[1:]]
    assert "GPT-9 learned elsewhere" in recommend(within, FLOOR, doubtful=["GPT-9"])["en"]
    alone = [replace(RUNGS[0], weights={}), *RUNGS[1:]]
    assert "elsewhere" not in recommend(alone, FLOOR, doubtful=[other])["en"]
