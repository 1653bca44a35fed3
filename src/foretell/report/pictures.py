"""Pictures as files, for whoever would rather look: white paper, thin rules, PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#222222", "#bbbbbb"


def new_picture(width: float, height: float) -> Figure:
    """A figure of so many inches, without a global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes) -> None:
    """Two spines and lines across, all faint."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(which="both", color=FAINT, labelcolor=INK, labelsize=9)
    axes.grid(True, axis="y", color=FAINT, linewidth=0.5, alpha=0.5)


def write_picture(figure: Figure, path: Path) -> None:
    """As a PNG, in place of an older one."""
    from foretell.storage import new_file

    with new_file(path, replace=True) as file:
        figure.savefig(file, format="png", dpi=160)
