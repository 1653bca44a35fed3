"""How one model learned, as a picture: from the lines that a run leaves in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from foretell.evaluation.forecast import write_count
from foretell.report.pictures import INK, new_picture, tidy, write_picture
from foretell.training.journal import LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "training.png"
HELD_OUT, TRAINING = "#123f73", "#5690c8"
UNSEEN, SEEN = "held_out_bits_per_byte", "train_nats_per_token"


def draw_beside(model: Path) -> Path | None:
    """The picture of a run in the folder of the model that it made, which is whole without it;
    None if there is nothing to draw, or no room."""
    path = model / PICTURE
    try:
        return path if (model / LINES).exists() and draw(model / LINES, path) else None
    except OSError:
        return None


def draw(lines: Path, path: Path) -> bool:
    """Loss on the text kept back, and on the text learned from, against tokens. False, and
    nothing drawn, if the run was over too soon for two points of the first.

    lines: `training.jsonl` of a model.
    """
    entries = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    looks = [(entry["tokens"], entry[UNSEEN]) for entry in entries if UNSEEN in entry]
    if len(looks) < 2:
        return False
    # The first batches, before anything is learned, would flatten the rest.
    seen = [(e["tokens"], e[SEEN]) for e in entries if e["tokens"] >= looks[0][0] / 2]
    figure = new_picture(7.5, 6.0)
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(*zip(*looks, strict=True), color=HELD_OUT, linewidth=1.8, marker="o", markersize=4)
    below.plot(*zip(*seen, strict=True), color=TRAINING, linewidth=1.4)
    best = min(looks, key=lambda look: look[1])
    above.annotate(
        f"{best[1]:.3f}",
        best,
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        color=INK,
    )
    _title(above, "bits per byte on text kept back")
    _title(below, "nats per token on the text learned from")
    below.set_xlim(0, entries[-1]["tokens"])
    below.xaxis.set_major_formatter(lambda place, _: write_count(place) if place else "0")
    below.set_xlabel("tokens", color=INK)
    write_picture(figure, path)
    return True


def _title(axes: Axes, text: str) -> None:
    tidy(axes)
    axes.set_title(text, loc="left", fontsize=10, color=INK)
