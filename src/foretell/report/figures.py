"""The two figures of the page: how the rungs learned, and what their quality costs.

The wide form carries names at the lines; the narrow one numbers, for a list beneath it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import log10
from typing import TYPE_CHECKING, Any

from foretell.evaluation.results import Comparison, RungResult
from foretell.report.canvas import (
    INCH,
    INK,
    SMALL,
    Labels,
    colour,
    draw_path,
    log_ticks,
    new_axes,
    new_figure,
    set_ticks,
    spread,
    text_width,
    to_svg,
    write_at,
)
from foretell.report.words import words, write_bits, write_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = {"unigram": "s", "kneser-ney": "s", "infinity-gram": "s", "mixture": "D", "gpt": "o"}
"""By family; recurrent networks take the triangle."""
LINE = 17.0
"""Distance that two labels above one another need."""
TIMES = (0.01, 0.1, 1, 10, 60, 600, 3600, 36000, 360000)
MORE_TIMES = tuple(sorted((*TIMES, 0.03, 0.3, 3, 30, 180, 1800, 10800, 108000)))
MOST_TIMES = 8
ABOVE = 1.25
"""Rungs worse than this many times the floor are named, not drawn: they would flatten the rest."""


def marker(rung: RungResult) -> str:
    return MARKERS.get(rung.family, "^")


def bits_range(
    comparison: Comparison, values: Sequence[float], least: float
) -> tuple[float, float, list[RungResult]]:
    """Bottom and top of the bits axis, and the rungs that stand above it."""
    floor = next((r for r in comparison.rungs if r.name == comparison.floor), None)
    limit = (floor.bits_per_byte.value if floor else min(values)) * ABOVE
    above = [r for r, value in zip(comparison.rungs, values, strict=True) if value > limit]
    shown = [value for value in values if value <= limit] or list(values)
    if len(shown) == len(values):
        above = []
    low, high = min(shown), max(shown)
    room = max(high - low, least)
    return low - 0.12 * room, high + 0.12 * room, above


def bits_ticks(axes: Axes, low: float, high: float, labels: Labels) -> None:
    from matplotlib.ticker import MaxNLocator

    places = [p for p in MaxNLocator(5).tick_values(low, high) if low <= p <= high]
    decimals = 1 if len(places) < 2 or round(10 * (places[1] - places[0]), 6) % 1 == 0 else 2
    set_ticks(axes.yaxis, places, [f"{place:.{decimals}f}" for place in places], labels)


def write_time(seconds: float, language: str) -> str:
    say = words(language)
    if seconds < 60:
        return say["second"].format(n=f"{seconds:g}")
    if seconds < 3600:
        return say["minute"].format(n=f"{seconds / 60:g}")
    return say["hour"].format(n=f"{seconds / 3600:g}")


def curves_svg(comparison: Comparison, language: str, *, narrow: bool = False) -> str:
    """Bits per byte on the stopping part against seconds; empty if no rung has a curve."""
    say, labels = words(language), Labels()
    rungs = [rung for rung in comparison.rungs if rung.curve]
    if not rungs:
        return ""
    ends = [
        r.curve[-1].bits_per_byte if r.curve else r.bits_per_byte.value for r in comparison.rungs
    ]
    low, high, above = bits_range(comparison, ends, 0.05)
    shown = [rung for rung in rungs if rung not in above]
    times = [point.seconds for rung in shown for point in rung.curve]
    least = max(min(times), max(times) / 1e4, 1e-3)
    most = max(max(times), least * 1.5)
    log = most / least > 30
    width, height = (360.0, 330.0) if narrow else (920.0, 420.0)
    late = [rung for rung in shown if not stands_early(rung, least, most, log=log)]
    names = [curve_name(comparison, rung, say["floor"]) for rung in late]
    right = 34.0 if narrow else 36 + max((text_width(name) for name in names), default=0.0)
    box = (42.0, 46.0, width - 42 - right, height - 46 - 34)
    figure = new_figure(width, height)
    axes = new_axes(figure, box)
    axes.set_ylim(low, high)
    if log:
        axes.set_xscale("log")
        axes.set_xlim(least / 1.35, most * 1.04)
        inside = [t for t in MORE_TIMES if least / 1.35 <= t <= most * 1.04]
        sparse = narrow or len(inside) > MOST_TIMES
        places = [float(t) for t in inside if not sparse or t in TIMES]
    else:
        from matplotlib.ticker import MaxNLocator

        axes.set_xlim(0, most * 1.02)
        unit = 3600 if most > 7200 else 60 if most > 150 else 1
        ticks = MaxNLocator(4 if narrow else 6, steps=[1, 2, 3, 5, 10]).tick_values(0, most / unit)
        places = [float(t) * unit for t in ticks if 0 <= t * unit <= most * 1.02]
    set_ticks(axes.xaxis, places, [write_time(place, language) for place in places], labels)
    bits_ticks(axes, low, high, labels)
    floor = next((r for r in comparison.rungs if r.name == comparison.floor), None)
    if floor is not None:
        level = ends[comparison.rungs.index(floor)]
        axes.axhline(level, color=INK, linewidth=1.1, linestyle=(0, (5, 4)), alpha=0.75, zorder=1)
    for rung in shown:
        index = comparison.rungs.index(rung)
        xs = [max(point.seconds, least) for point in rung.curve]
        ys = [point.bits_per_byte for point in rung.curve]
        style: dict[str, Any] = {"color": colour(index), "zorder": 3}
        axes.plot(xs, ys, linewidth=2.0, solid_joinstyle="round", solid_capstyle="round", **style)
        axes.plot(xs[-1:], ys[-1:], marker=marker(rung), markersize=7, linestyle="none", **style)
    label_ends(figure, axes, comparison, shown, late, least, labels, say["floor"], narrow=narrow)
    write_heading(figure, box, say["axis_bits"], labels)
    note_above(axes, comparison, above, ends, labels, language, narrow=narrow)
    write_below(axes, say["axis_time"], labels)
    return to_svg(figure, labels, "curves" + "-narrow" * narrow, say["curves_title"])


def stands_early(rung: RungResult, least: float, most: float, *, log: bool) -> bool:
    """Whether a rung is one point at the left, where a label in the right margin is far away."""
    seconds = max(rung.curve[-1].seconds, least)
    share = log10(seconds / least) / log10(most / least) if log else seconds / most
    return len(rung.curve) == 1 and share < 0.4


def curve_name(comparison: Comparison, rung: RungResult, floor_word: str) -> str:
    return f"{rung.name} · {floor_word}" if rung.name == comparison.floor else rung.name


def label_ends(
    figure: Figure,
    axes: Axes,
    comparison: Comparison,
    rungs: Sequence[RungResult],
    late: Sequence[RungResult],
    least: float,
    labels: Labels,
    floor_word: str,
    *,
    narrow: bool,
) -> None:
    """Names at the ends: in the right margin for lines, beside the dot for early lone points."""
    to_pixels = axes.transData.transform
    _, y0 = axes.transAxes.transform((0, 0))
    x1, y1 = axes.transAxes.transform((1, 1))
    margin: list[tuple[RungResult, float, float]] = []
    lone: list[tuple[RungResult, float, float]] = []
    for rung in rungs:
        last = rung.curve[-1]
        x, y = to_pixels((max(last.seconds, least), last.bits_per_byte))
        (margin if rung in late else lone).append((rung, float(x), float(y)))
    inverse = figure.transFigure.inverted().transform
    for group, at_margin in ((margin, True), (lone, False)):
        # Lone points stand at most where the floor's dashes run, so their names sit above.
        lift = 0.0 if at_margin else 10.0
        heights = spread([y + lift for _, _, y in group], LINE, y0 + 4, y1 - 4)
        for (rung, x, y), height in zip(group, heights, strict=True):
            index = comparison.rungs.index(rung)
            name = str(index + 1) if narrow else curve_name(comparison, rung, floor_word)
            start = x1 + 18 if at_margin else x + 10
            write_at(figure, inverse((start, height)), name, labels)
            if at_margin:
                path = [inverse((x + 6, y)), inverse((x1 + 4, y)), inverse((start - 3, height))]
                draw_path(figure, path, colour(index), 1.0, 0.75)


def write_heading(
    figure: Figure, box: tuple[float, float, float, float], text: str, labels: Labels
) -> None:
    """The name of the bits axis, flat above it, where it can be read."""
    height = figure.get_size_inches()[1] * INCH
    y = (box[1] + box[3] + 22) / height
    write_at(figure, (0.0, y), text, labels)


def write_below(axes: Axes, text: str, labels: Labels) -> None:
    axes.annotate(
        labels.hold(text),
        (1, 0),
        (0, -38),
        xycoords="axes fraction",
        textcoords="offset pixels",
        ha="right",
        fontsize=SMALL,
        color=INK,
        parse_math=False,
    )


def note_above(
    axes: Axes,
    comparison: Comparison,
    above: Sequence[RungResult],
    values: Sequence[float],
    labels: Labels,
    language: str,
    *,
    narrow: bool,
) -> None:
    """Name what is too bad to be drawn, and how bad, at the top right."""
    if not above:
        return
    say = words(language)
    worst = [values[comparison.rungs.index(rung)] for rung in above]
    numbers = [comparison.rungs.index(rung) + 1 for rung in above]
    names = [f"({n})" for n in numbers] if narrow else [rung.name for rung in above]
    named = [f"{name} {write_bits(bits)}" for name, bits in zip(names, worst, strict=True)]
    text = f"{say['off_scale']}{say['colon']}{say['join'].join(named)}"
    if text_width(text) > (300 if narrow else 560):
        text = say["off_scale_many"].format(
            n=len(above), low=write_bits(min(worst)), high=write_bits(max(worst))
        )
    text = f"↑ {text}"
    axes.annotate(
        labels.hold(text),
        (1, 1),
        (0, 4 if narrow else 18),
        xycoords="axes fraction",
        textcoords="offset pixels",
        ha="right",
        fontsize=SMALL,
        color=INK,
        alpha=0.8,
        parse_math=False,
    )


def sensible(cost: Sequence[float], bits: Sequence[float]) -> list[int]:
    """Places that no other beats in both, cheapest first; of equals, the first."""
    order = sorted(range(len(cost)), key=lambda i: (cost[i], bits[i]))
    best, kept = float("inf"), []
    for index in order:
        if bits[index] < best:
            kept.append(index)
            best = bits[index]
    return kept


def tradeoff_svg(comparison: Comparison, language: str, *, narrow: bool = False) -> str:
    """Bits per byte against milliseconds a token and against bytes on disk, two panels."""
    say, labels = words(language), Labels()
    if not comparison.rungs:
        return ""
    bits = [rung.bits_per_byte.value for rung in comparison.rungs]
    low, high, above = bits_range(comparison, bits, 0.05)
    width, height = (360.0, 560.0) if narrow else (920.0, 400.0)
    boxes = (
        [(42.0, 330.0, 296.0, 190.0), (42.0, 46.0, 296.0, 190.0)]
        if narrow
        else [(42.0, 46.0, 412.0, 312.0), (496.0, 46.0, 412.0, 312.0)]
    )
    figure = new_figure(width, height)
    speeds = [rung.milliseconds_per_token for rung in comparison.rungs]
    sizes = [float(rung.bytes_on_disk) for rung in comparison.rungs]
    for box, costs, name in zip(boxes, (speeds, sizes), ("axis_speed", "axis_size"), strict=True):
        axes = new_axes(figure, box)
        axes.set_ylim(low, high)
        axes.set_xscale("log")
        kept = [i for i, rung in enumerate(comparison.rungs) if rung not in above]
        costs = [max(cost, 1e-6) for cost in costs]
        inside = [costs[i] for i in kept]
        span = max((max(inside) / min(inside)) ** 0.09, 1.12)
        left, right = min(inside) / span, max(inside) * span
        axes.set_xlim(left, right)
        places = log_ticks(left, right)
        if len(places) > 5:
            places = places[:: -(-len(places) // 5)]
        if name == "axis_speed":
            names = [f"{place:g}" for place in places]
        else:
            names = [write_size(round(place)).replace(".0 ", " ") for place in places]
        set_ticks(axes.xaxis, places, names, labels)
        bits_ticks(axes, low, high, labels)
        front = sensible([costs[i] for i in kept], [bits[i] for i in kept])
        joined = [kept[i] for i in front]
        axes.plot(
            [costs[i] for i in joined],
            [bits[i] for i in joined],
            color=INK,
            linewidth=1.2,
            alpha=0.55,
            zorder=2,
        )
        for i in kept:
            rung = comparison.rungs[i]
            axes.plot(
                [costs[i]], [bits[i]], color=colour(i), marker=marker(rung), markersize=9, zorder=3
            )
        place_names(figure, axes, comparison, kept, costs, bits, joined, labels, narrow=narrow)
        write_below(axes, say[name], labels)
        if box is boxes[0] or narrow:
            write_heading(figure, box, say["axis_bits"], labels)
        if (box is boxes[-1] and not narrow) or (box is boxes[0] and narrow):
            note_above(axes, comparison, above, bits, labels, language, narrow=narrow)
    return to_svg(figure, labels, "tradeoff" + "-narrow" * narrow, say["tradeoff_title"])


def place_names(
    figure: Figure,
    axes: Axes,
    comparison: Comparison,
    kept: Sequence[int],
    costs: Sequence[float],
    bits: Sequence[float],
    joined: Sequence[int],
    labels: Labels,
    *,
    narrow: bool,
) -> None:
    """A name beside each dot, on the side where it meets least: other names, dots, the line."""
    dots = {i: axes.transData.transform((costs[i], bits[i])) for i in kept}
    left, bottom = axes.transAxes.transform((0, 0))
    right, top = axes.transAxes.transform((1, 1))
    marks = [(float(x), float(y)) for x, y in dots.values()]
    for one, other in pairwise(joined):
        (ax, ay), (bx, by) = dots[one], dots[other]
        marks += [(ax + (bx - ax) * s / 24, ay + (by - ay) * s / 24) for s in range(1, 24)]
    placed: list[tuple[float, float, float, float]] = []
    inverse = figure.transFigure.inverted().transform
    for i in kept:
        name = str(i + 1) if narrow else comparison.rungs[i].name
        wide, (x, y) = text_width(name), dots[i]
        best: tuple[float, float, float] | None = None
        for rank, (dx, dy) in enumerate(
            (side, lift)
            for lift in (0, 12, -12, 18, -18, 30, -30, 44, -44)
            for side in ((10, -10 - wide) if abs(lift) < 15 else (-wide / 2, 10, -10 - wide))
        ):
            x0, y0 = x + dx, y + dy - 8
            x1, y1 = x0 + wide, y0 + 16
            cost = 0.02 * rank
            cost += sum(x0 - 6 < mx < x1 + 6 and y0 - 4 < my < y1 + 4 for mx, my in marks)
            cost += sum(
                4
                for a0, b0, a1, b1 in placed
                if x0 < a1 + 4 and a0 < x1 + 4 and y0 < b1 and b0 < y1
            )
            cost += (
                8 * (x0 < left - 4) + 8 * (x1 > right + 6) + 8 * (y0 < bottom) + 8 * (y1 > top + 8)
            )
            if best is None or cost < best[0]:
                best = (cost, x0, y0)
        assert best is not None
        _, x0, y0 = best
        placed.append((x0, y0, x0 + wide, y0 + 16))
        near = min(max(x, x0), x0 + wide)
        if abs(y0 + 8 - y) > 20:
            edge = y0 + (16 if y > y0 else 0)
            draw_path(figure, [inverse((x, y)), inverse((near, edge))], colour(i), 0.8, 0.7)
        write_at(figure, inverse((x0, y0 + 8)), name, labels)
