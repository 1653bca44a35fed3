import random
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import pytest

from foretell.evaluation.results import CurvePoint
from foretell.report.canvas import spread
from foretell.report.figures import curves_svg, sensible, tradeoff_svg

FIGURES = [curves_svg, tradeoff_svg]


def check(svg):
    ET.fromstring(svg)
    assert "nan" not in re.sub(r"<text.*?</text>", "", svg).lower()
    assert "http" not in svg
    assert "~" not in svg
    assert not re.search(r"#f[de]0", svg)


@pytest.mark.parametrize("draw", FIGURES)
def test_same_values_same_figure(comparison, draw):
    assert draw(comparison, "en") == draw(comparison, "en")


@pytest.mark.parametrize("draw", FIGURES)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("narrow", [False, True])
def test_names_and_colours_come_from_the_page(comparison, draw, language, narrow):
    svg = draw(comparison, language, narrow=narrow)
    check(svg)
    assert "currentColor" in svg
    assert "var(--c0)" in svg
    if not narrow:
        for rung in comparison.rungs:
            assert rung.name in svg


@pytest.mark.parametrize("draw", FIGURES)
def test_names_are_escaped_and_no_mathematics(comparison, draw):
    rung = replace(comparison.rungs[0], name="<b> $x_1$ & 模型")
    svg = draw(replace(comparison, rungs=(rung, *comparison.rungs[1:])), "en")
    check(svg)
    assert "&lt;b&gt; $x_1$ &amp; 模型" in svg


def test_sparse_curves(comparison):
    rungs = comparison.rungs
    assert (
        curves_svg(replace(comparison, rungs=tuple(replace(r, curve=()) for r in rungs)), "en")
        == ""
    )
    one = (CurvePoint(0.0, 0, 2.0),)
    for curve in (one, (CurvePoint(5.0, 10, 2.0),)):
        alone = replace(rungs[0], curve=curve)
        for kept in ((alone,), (alone, replace(rungs[1], curve=()))):
            for narrow in (False, True):
                check(curves_svg(replace(comparison, rungs=kept), "en", narrow=narrow))
                check(tradeoff_svg(replace(comparison, rungs=kept), "en", narrow=narrow))


def test_equal_costs_and_no_rungs(comparison):
    same = tuple(replace(r, milliseconds_per_token=0.0, bytes_on_disk=0) for r in comparison.rungs)
    check(tradeoff_svg(replace(comparison, rungs=same), "en"))
    assert tradeoff_svg(replace(comparison, rungs=()), "en") == ""


def test_sensible_agrees_with_its_definition():
    source = random.Random(1)
    for _ in range(200):
        cost = [source.randint(1, 6) for _ in range(8)]
        bits = [source.randint(1, 6) for _ in range(8)]
        kept = sensible(cost, bits)
        slow = {
            (cost[i], bits[i])
            for i in range(8)
            if not any(
                cost[j] <= cost[i]
                and bits[j] <= bits[i]
                and (cost[j], bits[j]) != (cost[i], bits[i])
                for j in range(8)
            )
        }
        assert {(cost[i], bits[i]) for i in kept} == slow
        assert len(kept) == len(slow)


def test_spread_keeps_order_distance_and_bounds():
    source = random.Random(2)
    for count in range(1, 12):
        wanted = [source.uniform(0, 100) for _ in range(count)]
        places = spread(wanted, 7.0, 0.0, 100.0)
        order = sorted(range(count), key=lambda i: wanted[i])
        assert all(places[b] - places[a] >= 7.0 - 1e-9 for a, b in pairwise(order))
        assert min(places) >= -1e-9
        assert max(places) <= 100 + 1e-9
    assert spread([50.0], 7.0, 0.0, 100.0) == [50.0]
    assert spread([], 7.0, 0.0, 100.0) == []
