"""What training an application found, as a page for who would rather look: the kinds of models side
by side, and what was taken for what. From the record in the model's folder; runs no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from foretell.storage import write_text
from foretell.tasks.teaching import record_of

PAGE = "report.html"
MOST = 25
"""Labels or names that a table shows; the others are counted together."""
SHADES = 7
OTHERS = "(others)"
KEPT_BACK = "Measured on the part kept back, by which choices were made, so a little too good."
Record = Mapping[str, Any]


def write_beside(model: Path) -> Path | None:
    """The page in the folder of the model that it is about, which is whole without it; None if
    there is no room."""
    try:
        write_text(model / PAGE, render(model.name, record_of(model)))
    except OSError:
        return None
    return model / PAGE


def render(name: str, record: Record) -> str:
    """A whole page. record: what `foretell task` wrote as task.json."""
    from jinja2 import Environment, StrictUndefined

    folder = files("foretell.report")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "task.html.j2").read_text("utf-8"))
    build = next((each for mark, each in BUILDERS.items() if mark in record), _labels)
    page = template.render(
        title=name, style=(folder / "page.css").read_text("utf-8"), **build(record)
    )
    # Lone surrogates have no bytes.
    return page.encode("utf-8", "replace").decode()


def _share(interval: Record) -> str:
    return f"{interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]"


def _apart(behind: Record | None) -> str:
    if behind is None:
        return "best"
    return f"{behind['value']:+.3f} [{behind['low']:+.3f}, {behind['high']:+.3f}]"


def _table(title: str, headings: Sequence[str], rows: list[Any], note: str = "") -> Record:
    return {"title": title, "headings": headings, "rows": rows, "note": note}


def _chosen(record: Record) -> Record:
    found: Record = next(each for each in record["tried"] if each["rung"] == record["rung"])
    return found


def _rungs(
    record: Record,
    headings: Sequence[str],
    cells: Callable[[Record], Sequence[str]],
    *,
    note: str = "",
) -> Record:
    """A row a kind of model. headings: of the cells, which are of its measures; the last one names
    what is held against the best."""
    rows = [
        {
            "best": each["rung"] == record["rung"],
            "cells": [
                each["rung"],
                *cells(each["measures"]),
                _apart(each["behind"]),
                f"{each['seconds']:.0f}",
            ],
        }
        for each in record["tried"]
    ]
    return _table("Kinds of models", ("", *headings, "seconds"), rows, note)


def _labels(record: Record) -> Record:
    best = _chosen(record)["measures"]
    headings = (
        *("accuracy", "macro F1", "nats a text", "calibration error"),
        "accuracy against the best",
    )
    note = (
        f"Always the commonest label: {best['floor']:.3f}. Nats: -ln P of the right label. "
        f"Calibration error by chance alone: {best['chance_error']:.3f}."
    )

    def cells(found: Record) -> list[str]:
        return [
            _share(found["accuracy"]),
            f"{found['macro_f1']:.3f}",
            f"{found['nats']:.3f}",
            _share(found["calibration_error"]),
        ]

    return {
        "answer": f"{record['rung']}: {_share(best['accuracy'])} of {best['texts']:,} texts right",
        "under": f"{len(record['labels'])} labels, {record['examples']:,} examples. {KEPT_BACK}",
        "sections": [
            _rungs(record, headings, cells, note=note),
            confusion(best["confusion"]),
        ],
    }


def confusion(counts: Mapping[str, Mapping[str, int]]) -> Record:
    """Right label down, answer across; shaded by the share of the right label's texts."""
    totals: dict[str, int] = {}
    for right, row in counts.items():
        totals[right] = totals.get(right, 0) + sum(row.values())
        for said in row:
            totals.setdefault(said, 0)
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    shown = ranked[:MOST]
    names = [*shown, *([OTHERS] if len(ranked) > MOST else [])]
    place = {name: shown.index(name) if name in shown else MOST for name in ranked}
    cells = [[0] * len(names) for _ in names]
    for right, row in counts.items():
        for said, count in row.items():
            cells[place[right]][place[said]] += count
    return {
        "title": "What was taken for what",
        "names": names,
        "matrix": [
            {
                "name": name,
                "cells": [
                    {
                        "count": count or "",
                        "right": at == index,
                        "shade": f"h{shade(count / max(1, sum(row)))}" if count else "none",
                    }
                    for at, count in enumerate(row)
                ],
            }
            for index, (name, row) in enumerate(zip(names, cells, strict=True))
        ],
        "note": "A row for each right label, a column for each answer; the darker, the larger the "
        "share of the row.",
    }


def shade(share: float) -> int:
    """1 to SHADES."""
    return min(SHADES, 1 + int(share * SHADES))


def _tags(record: Record) -> Record:
    best = _chosen(record)["measures"]

    def cells(found: Record) -> list[str]:
        label = found["label_accuracy"]
        apart = found["calibration_error"] or found["span_calibration_error"]
        return [
            _share(found["f1"]),
            _share(label) if label else "",
            _share(apart) if apart else "",
            _share(found["exact"]),
        ]

    headings = ("span F1", "label", "calibration error", "all right", "all right against the best")
    note = (
        "Calibration error: of the probabilities of labels, or without labels of spans; by chance "
        f"alone {best['chance_error']:.3f}."
    )
    return {
        "answer": f"{record['rung']}: span F1 {_share(best['f1'])}; all right in "
        f"{_share(best['exact'])} of {best['texts']:,} texts",
        "under": f"{record['examples']:,} examples. {KEPT_BACK}",
        "sections": [_rungs(record, headings, cells, note=note), _names(best["names"])],
    }


def _names(names: Mapping[str, Sequence[int]]) -> Record:
    ranked = sorted(names.items(), key=lambda each: (-each[1][2], each[0]))
    rows = [
        {
            "best": False,
            "cells": [
                name,
                f"{right / max(1, said):.3f}",
                f"{right / max(1, there):.3f}",
                f"{2 * right / max(1, said + there):.3f}",
                f"{there:,}",
            ],
        }
        for name, (right, said, there) in ranked[:MOST]
    ]
    note = f"The {MOST} most frequent of {len(ranked)}." if len(ranked) > MOST else ""
    return _table("Spans by name", ("", "precision", "recall", "F1", "there"), rows, note)


def _roles(record: Record) -> Record:
    best = _chosen(record)["measures"]
    given, found = best["given"], best["found"]

    def cells(measures: Record) -> list[str]:
        return [_share(measures[part]["f1"]) for part in ("given", "found")]

    headings = ("F1, predicates given", "F1, predicates found", "all right against the best")
    return {
        "answer": f"{record['rung']}: span F1 {_share(given['f1'])} with the predicates that "
        f"stand there, {_share(found['f1'])} with those that were found",
        "under": f"{record['predicates']:,} predicates of {record['sentences']:,} sentences. "
        f"{KEPT_BACK}",
        "sections": [_rungs(record, headings, cells), _names(given["names"])],
    }


def _texts(record: Record) -> Record:
    best = _chosen(record)["measures"]

    def cells(found: Record) -> list[str]:
        return [_percent(found["score"]), *(f"{value:.1f}" for value in found["others"].values())]

    headings = (best["name"], *best["others"], "against the best")
    return {
        "answer": f"{record['rung']}: {best['name']} {_percent(best['score'])} over "
        f"{best['texts']:,} texts",
        "under": f"{record['examples']:,} examples. {KEPT_BACK}",
        "sections": [_rungs(record, headings, cells, note=best["signature"])],
    }


def _choices(record: Record) -> Record:
    best = _chosen(record)["measures"]
    note = (
        f"Choosing blindly: {best['floor']:.3f}. Nats: -ln P of the right choices. Calibration "
        f"error by chance alone: {best['chance_error']:.3f}."
    )

    def cells(found: Record) -> list[str]:
        return [
            _share(found["accuracy"]),
            f"{found['nats']:.3f}",
            _share(found["calibration_error"]),
        ]

    headings = ("accuracy", "nats a question", "calibration error", "accuracy against the best")
    return {
        "answer": f"{record['rung']}: {_share(best['accuracy'])} of {best['texts']:,} questions "
        "right",
        "under": f"{record['examples']:,} questions with {record['choices']:.1f} choices. "
        f"{KEPT_BACK}",
        "sections": [_rungs(record, headings, cells, note=note)],
    }


def _percent(interval: Record) -> str:
    return f"{interval['value']:.1f} [{interval['low']:.1f}, {interval['high']:.1f}]"


def _generation(record: Record) -> Record:
    rows = [
        {
            "best": each["rung"] == record["rung"],
            "cells": [
                each["rung"],
                _share(each["bits_per_byte"]),
                _apart(each["behind"]),
                f"{each['seconds']:.0f}",
            ],
        }
        for each in record["generates"]
    ]
    best = next(each for each in record["generates"] if each["rung"] == record["rung"])
    headings = ("", "bits a byte", "against the best", "seconds")
    return {
        "answer": f"{record['rung']}: {_share(best['bits_per_byte'])} bits a byte",
        "under": f"{record['texts']:,} texts on {record['topics']:,} topics, of which "
        f"{record['forms']:,} have a form. {KEPT_BACK}",
        "sections": [_table("Kinds of models", headings, rows)],
    }


BUILDERS = {
    "choices": _choices,
    "predicates": _roles,
    "names": _tags,
    "task": _texts,
    "generates": _generation,
}
"""By what only records of a kind have."""
