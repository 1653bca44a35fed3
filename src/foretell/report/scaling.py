"""A scaling law for the terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foretell.evaluation.forecast import (
    MORE_PARAMETERS,
    MORE_TEXT,
    Answers,
    Check,
    ScaledRun,
    Scaling,
    write_count,
    write_passes,
)
from foretell.evaluation.results import Interval
from foretell.report.canvas import spread
from foretell.report.pictures import INK, new_picture, tidy, write_picture
from foretell.report.words import write_bits, write_signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import RenderableType

RAMP = ("#85b1da", "#5690c8", "#2f6cab", "#123f73")
"""Light to dark blue, the dark for the most: tells them apart without colour too."""
AHEAD = 1.12
"""How far lines go on beyond the last thing that they tell of."""
NEAREST = 0.045
"""Distance of two names at the ends of lines, as a share of the height."""
STEPS = 60
"""Points of a line."""


def show(scaling: Scaling) -> RenderableType:
    """Runs, law, answers."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    answers = Table.grid(padding=(0, 2))
    answers.add_column(no_wrap=True)
    answers.add_column(no_wrap=True)
    answers.add_column(overflow="fold", style="dim")
    for row in answer_rows(scaling.answer()):
        answers.add_row(*row)
    return Group(
        Text("Bits per byte on the held-out part", style="bold"),
        _runs_table(scaling),
        Text(""),
        Text(law_line(scaling)),
        Text(units_line(scaling), style="dim"),
        Text(""),
        answers,
        Text(""),
        Text(balance_line(scaling.answer())),
    )


def _runs_table(scaling: Scaling) -> RenderableType:
    """Sizes down, text across."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("parameters", justify="right")
    found = {(run.parameters, run.tokens): run for run in scaling.runs}
    texts = sorted({tokens for _, tokens in found})
    for tokens in texts:
        table.add_column(f"{write_count(tokens)} tokens", justify="right")
    for size in sorted({size for size, _ in found}):
        cells = [found.get((size, tokens)) for tokens in texts]
        row = ["" if run is None else write_bits(run.bits_per_byte) for run in cells]
        table.add_row(write_count(size), *row)
    return table


def law_line(scaling: Scaling) -> str:
    law = scaling.fitted.law
    return (
        f"Law  L = {law.floor:.3f} + {law.a:.3g} / N^{law.alpha:.2f}"
        f" + {law.b:.3g} / D^{law.beta:.2f}"
    )


def units_line(scaling: Scaling) -> str:
    passes = scaling.passes
    text = "D tokens"
    if passes > 1:
        worth = scaling.worth(1)
        text += f" of text times {worth:.2f}, what {write_passes(passes)} are worth"
    return f"     N parameters of the layers, {text}; exponents {_exponents(scaling)}"


def _exponents(scaling: Scaling) -> str:
    alpha = scaling.fitted.band(lambda law: law.alpha)
    beta = scaling.fitted.band(lambda law: law.beta)
    return f"[{alpha.low:.2f}, {alpha.high:.2f}] and [{beta.low:.2f}, {beta.high:.2f}]"


def answer_rows(answers: Answers) -> list[tuple[str, str, str]]:
    """Question, answer with its band, and what it is about."""
    more = write_count(MORE_PARAMETERS * answers.parameters)
    text = write_count(MORE_TEXT * answers.tokens)
    size, tokens = write_count(answers.parameters), write_count(answers.tokens)
    now = answers.now
    said = f"{write_bits(now.value)} [{write_bits(now.low)}, {write_bits(now.high)}]"
    passes = write_passes(answers.passes)
    return [
        ("Now", said, f"{size} parameters, all of the text ({tokens} tokens), {passes}"),
        ("Twice the text", _change(answers.more_text), f"{text} tokens, {passes}"),
        ("Four times the parameters", _change(answers.more_parameters), f"{more} parameters"),
        ("Both", _change(answers.both), ""),
    ]


def _change(interval: Interval) -> str:
    low, high = write_signed(interval.low), write_signed(interval.high)
    return f"{write_signed(interval.value)} [{low}, {high}]"


def balance_line(answers: Answers) -> str:
    balance = answers.balance
    size = write_count(balance.value)
    if balance.high > 1e12:
        return "Data and parameters: these runs do not show where they balance."
    return (
        f"Text and parameters balance at {size} parameters [{write_count(balance.low)}, "
        f"{write_count(balance.high)}]: below, more parameters buy more; above, more text."
    )


def check_line(check: Check) -> str:
    """`Predicted 1.832 [1.790, 1.871], measured 1.845: off by 0.7%, inside the band`."""
    low, high = write_bits(check.predicted.low), write_bits(check.predicted.high)
    where = "inside" if check.inside else "outside"
    return (
        f"Predicted {write_bits(check.predicted.value)} [{low}, {high}] bits per byte for "
        f"{write_count(check.parameters)} parameters, measured {write_bits(check.measured)}: "
        f"off by {abs(check.error):.1%}, {where} the band{check.note and f' ({check.note})'}"
    )


def draw(scaling: Scaling, path: Path) -> None:
    """The runs and the law against parameters and against text, as a PNG."""
    figure = new_picture(11.0, 4.8)
    left, right = figure.subplots(1, 2, sharey=True)
    sizes = sorted({run.parameters for run in scaling.runs})
    texts = sorted({run.tokens for run in scaling.runs})
    most = max(scaling.tokens, texts[-1])
    _lines(
        left,
        scaling,
        texts,
        along=(sizes[0], sizes[-1], MORE_PARAMETERS * sizes[-1]),
        loss=lambda size, text: (size, scaling.worth(text)),
        dots=lambda text: [(run.parameters, run) for run in scaling.runs if run.tokens == text],
        named=lambda text: f"{write_count(text)} tokens",
    )
    _lines(
        right,
        scaling,
        sizes,
        along=(texts[0], texts[-1], MORE_TEXT * most),
        loss=lambda text, size: (size, scaling.worth(text)),
        dots=lambda size: [(run.tokens, run) for run in scaling.runs if run.parameters == size],
        named=lambda size: f"{write_count(size)} parameters",
    )
    answers = scaling.answer()
    more = MORE_PARAMETERS * answers.parameters
    _mark(left, more, f"four times the parameters\n{_change(answers.more_parameters)}")
    _mark(right, MORE_TEXT * most, f"twice the text\n{_change(answers.more_text)}")
    _set_places(left, [*sizes, more])
    _set_places(right, [*texts, MORE_TEXT * most])
    left.set_ylabel("bits per byte on the held-out part")
    left.set_xlabel("parameters of the layers")
    right.set_xlabel(f"tokens of text, {write_passes(scaling.passes)}")
    write_picture(figure, path)


def _lines(
    axes: Axes,
    scaling: Scaling,
    each: Sequence[int],
    *,
    along: tuple[float, float, float],
    loss: Callable[[float, float], tuple[float, float]],
    dots: Callable[[int], list[tuple[int, ScaledRun]]],
    named: Callable[[int], str],
) -> None:
    """A line for each amount of one thing along the other; dashed where there are no runs."""
    import numpy as np

    first, last, end = along
    inside = np.geomspace(first, last, STEPS)
    beyond = np.geomspace(last, end * AHEAD, STEPS)
    law = scaling.fitted.law
    ends: list[float] = []
    for index, amount in enumerate(each):
        tint = RAMP[len(RAMP) - len(each) + index]
        for places, style in ((inside, "-"), (beyond, (0, (4, 3)))):
            values = [law.loss(*loss(place, amount)) for place in places]
            axes.plot(places, values, color=tint, linewidth=1.6, linestyle=style)
        for place, run in dots(amount):
            dot: dict[str, Any] = {"markersize": 5.5, "markeredgecolor": "white", "zorder": 4}
            axes.plot(place, run.bits_per_byte, "o", color=tint, **dot)
        ends.append(values[-1])
    bands = [scaling.fitted.predict(*loss(place, each[-1])) for place in beyond]
    axes.fill_between(
        beyond, [b.low for b in bands], [b.high for b in bands], color=RAMP[-1], alpha=0.12, lw=0
    )
    _style(axes, first, end)
    low, high = axes.get_ylim()
    for amount, height in zip(each, spread(ends, NEAREST * (high - low), low, high), strict=True):
        axes.annotate(
            named(amount),
            (end * AHEAD, height),
            xytext=(5, 0),
            textcoords="offset points",
            fontsize=8.5,
            color=INK,
            va="center",
        )


def _style(axes: Axes, first: float, end: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(first / 1.25, end * AHEAD)
    tidy(axes)


def _set_places(axes: Axes, places: Sequence[float]) -> None:
    """Ticks where the runs are, and where the question is."""
    from matplotlib.ticker import NullLocator

    axes.xaxis.set_ticks(places, labels=[write_count(place) for place in places])
    axes.xaxis.set_minor_locator(NullLocator())


def _mark(axes: Axes, place: float, text: str) -> None:
    """Where the question is."""
    axes.axvline(place, color=INK, linewidth=0.8, linestyle=":")
    axes.annotate(
        text,
        (place, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4, -2),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=8.5,
        color=INK,
    )
