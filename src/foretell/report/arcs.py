"""Who did what to whom, drawn: an arc from each predicate to what plays a role, on a page."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from importlib.resources import files
from itertools import islice
from typing import Any, NamedTuple

from foretell.tasks.examples.frames import Frame
from foretell.tasks.roles import AnsweredRoles

MOST = 300
"""Drawings on a page."""
NARROW, WIDE, BLANK = 8.2, 15.5, 9.0
"""Pixels of a Latin letter, of a Chinese character, and between words."""
STEP, LEAST, MARGIN = 20, 26, 12
"""By which an arc is higher than the one inside it, the height of the lowest, and around all."""


class Word(NamedTuple):
    said: str
    x: float
    """Of its middle."""
    predicate: bool


def render(title: str, answers: Iterable[AnsweredRoles]) -> str:
    """A whole page of up to MOST predicates."""
    from jinja2 import Environment, StrictUndefined

    folder = files("foretell.report")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "arcs.html.j2").read_text("utf-8"))
    pairs = ((answer, frame) for answer in answers for frame in answer.frames)
    drawings = [draw(answer, frame) for answer, frame in islice(pairs, MOST)]
    page = template.render(
        title=title,
        style=(folder / "page.css").read_text("utf-8"),
        under=f"{len(drawings)} predicates, each with what belongs to it.",
        drawings=drawings,
    )
    # Lone surrogates have no bytes.
    return page.encode("utf-8", "replace").decode()


def draw(answer: AnsweredRoles, frame: Frame) -> dict[str, Any]:
    """One predicate of a sentence, in pixels."""
    words, edges = _lay_out(answer.words, frame.word)
    reach = max((_rank(frame, at) for at in range(len(frame.args))), default=-1) + 1
    base = MARGIN + LEAST + STEP * reach + 16
    arcs = []
    for at, span in enumerate(frame.args):
        left, right = edges[span.start][0], edges[span.end - 1][1]
        start, end = words[frame.word].x, (left + right) / 2
        top = base - 18 - LEAST - STEP * _rank(frame, at)
        arcs.append(
            {
                "path": f"M {start:.1f} {base - 16} C {start:.1f} {top:.1f}, {end:.1f} {top:.1f}, "
                f"{end:.1f} {base - 16}",
                "span": f"M {left:.1f} {base + 6} H {right:.1f}",
                # A cubic curve reaches three quarters of the way to its handles.
                "x": round((start + end) / 2, 1),
                "y": round(base - 16 - 0.75 * (base - 16 - top) + 4, 1),
                "name": span.name,
            }
        )
    return {
        "title": f"{answer.place}  {frame.sense}".strip(),
        "said": answer.bracketed(frame),
        "width": round(edges[-1][1] + MARGIN),
        "height": base + MARGIN + 6,
        "base": base,
        "arcs": arcs,
        "words": words,
    }


def _rank(frame: Frame, at: int) -> int:
    """How many arcs on the same side lie inside that of an argument."""
    own = frame.args[at]

    def far(start: int) -> int:
        return start - frame.word

    return sum(
        far(other.start) * far(own.start) >= 0 and abs(far(other.start)) < abs(far(own.start))
        for other in frame.args
    )


def _lay_out(words: Sequence[str], predicate: int) -> tuple[list[Word], list[tuple[float, float]]]:
    """Words with their middles, and where each begins and ends."""
    placed, edges, x = [], [], float(MARGIN)
    for at, word in enumerate(words):
        said = word.strip()
        x += BLANK if at and word[:1].isspace() else 2
        width = sum(WIDE if unicodedata.east_asian_width(c) in "WF" else NARROW for c in said)
        placed.append(Word(said, round(x + width / 2, 1), at == predicate))
        edges.append((x, x + width))
        x += width
    return placed, edges
