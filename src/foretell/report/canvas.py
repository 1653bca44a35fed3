"""Figures without a global state: axes in pixels, labels that need no font, SVG for a page.

matplotlib draws with stand-in colours and stand-in labels; both are replaced in the SVG text:

    #fe0007         ->  var(--c7)           a rung's colour, light and dark
    #fd0000         ->  currentColor        text and axes
    ~12~            ->  GPT 1.3M, BPE 2k    so that no font here must know any script
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED = "#fd0000", "#fd0001"
COLOURS = 8
"""Of the palette, `--c0` to `--c7`; after them it starts again, with another marker."""
INCH = 72.0
"""SVG units to matplotlib's inch, so that all sizes here are page pixels."""
SMALL = 12.0
"""Pixels of all text."""


@dataclass
class Labels:
    """Text that stands in for labels while matplotlib draws, and is exchanged afterwards."""

    texts: list[str] = field(default_factory=list)

    def hold(self, text: str) -> str:
        self.texts.append(text)
        return f"~{len(self.texts) - 1}~"


def text_width(text: str, size: float = SMALL) -> float:
    """About how wide a text is on a page, in pixels, without asking any font."""
    from rich.cells import cell_len

    return 0.56 * size * cell_len(text)


def colour(index: int) -> str:
    return f"#fe{index % COLOURS:04x}"


def new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width / INCH, height / INCH), dpi=INCH)


def new_axes(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Axes in a box given in pixels: left, bottom, width, height."""
    width, height = figure.get_size_inches() * INCH
    left, bottom, wide, high = box
    axes = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    axes.patch.set_visible(False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(MUTED)
    axes.tick_params(which="both", color=MUTED, labelcolor=INK, labelsize=SMALL, length=0, pad=6)
    axes.grid(True, axis="y", color=MUTED, linewidth=0.6, alpha=0.35)
    axes.set_axisbelow(True)
    return axes


def set_ticks(axis: Any, places: Sequence[float], names: Sequence[str], labels: Labels) -> None:
    from matplotlib.ticker import NullLocator

    axis.set_ticks(list(places), labels=[labels.hold(name) for name in names])
    axis.set_minor_locator(NullLocator())


def log_ticks(low: float, high: float) -> list[float]:
    """Round places between low and high: decades, filled with 3, or 2 and 5, if they are few."""
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        places = [s * 10.0**e for e in range(-9, 16) for s in steps]
        inside = [place for place in places if low <= place <= high]
        if len(inside) >= 3:
            return inside
    return inside


def spread(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Places near `wanted`, in its order, at least `distance` apart and inside low to high.

    Blocks of labels that touch move together to the mean of what they want (as in isotonic
    regression); if all of them need more room than there is, they share it evenly.
    """
    if not wanted:
        return []
    distance = min(distance, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    blocks: list[list[float]] = []  # sum of (wanted - rank * distance), count
    for rank, index in enumerate(order):
        blocks.append([wanted[index] - rank * distance, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    places = [0.0] * len(wanted)
    rank = 0
    last = (len(wanted) - 1) * distance
    for total, count in blocks:
        start = min(max(total / count, low), high - last)
        for _ in range(int(count)):
            places[order[rank]] = start + rank * distance
            rank += 1
    return places


def draw_path(figure: Figure, path: Sequence[Any], tint: str, width: float, alpha: float) -> None:
    from matplotlib.lines import Line2D

    xs, ys = [p[0] for p in path], [p[1] for p in path]
    figure.add_artist(Line2D(xs, ys, color=tint, linewidth=width, alpha=alpha))


def write_at(figure: Figure, place: Any, text: str, labels: Labels) -> None:
    """Text that begins at a place (x, y) in figure coordinates, centred on it in height."""
    x, y = place
    figure.text(
        x,
        y,
        labels.hold(text),
        fontsize=SMALL,
        color=INK,
        va="center_baseline",
        parse_math=False,
    )


def to_svg(figure: Figure, labels: Labels, key: str, title: str) -> str:
    """The figure as an <svg> element to stand in a page; equal input gives equal text."""
    from io import StringIO

    from matplotlib import rc_context

    out = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": f"foretell {key}"}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r' id="[A-Za-z0-9.]+_[A-Za-z0-9_.]*"', "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.S)
    svg = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, flags=re.S)
    svg = re.sub(r" ?font-family: [^;\"]*;", "", svg)  # the page's own
    svg = re.sub(r"\n\s*", "\n", svg)
    svg = svg.replace(INK, "currentColor").replace(MUTED, "var(--rule)")
    svg = re.sub(r"#fe000([0-7])", r"var(--c\1)", svg)
    svg = re.sub(r"~(\d+)~", lambda found: escape(labels.texts[int(found[1])]), svg)
    name = escape(title, quote=True)
    return svg.replace("<svg", f'<svg role="img" aria-label="{name}" class="figure"', 1).strip()
