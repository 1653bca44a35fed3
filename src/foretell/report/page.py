"""One HTML file that says what a comparison found. Loads nothing; runs no model.

Whatever models or texts say reaches the page escaped, and the policy in its head allows no
script but the page's own, by hash.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from foretell.evaluation.results import Comparison, Contrast, RungResult, TokenSurprisal
from foretell.report.canvas import COLOURS
from foretell.report.figures import curves_svg, marker, tradeoff_svg
from foretell.report.tables import (
    half_width,
    leak_line,
    make_plain,
    recommendation,
    split_line,
    text_line,
)
from foretell.report.words import (
    align_points,
    decided_said,
    words,
    write_bits,
    write_clock,
    write_p,
    write_percent,
    write_signed,
    write_significant,
    write_size,
)

LIMIT = 1_900_000
"""Bytes of a page; passages of the worst rungs are left out, and named, to stay below."""
ALTERNATIVES = 5
DIGIT, POINT = "\u2007", "\u2008"
"""Spaces as wide as a digit and as a point."""
SHAPES = {"s": "square", "o": "disc", "D": "diamond", "^": "triangle"}
MARK = "▮"
LOST = "\N{REPLACEMENT CHARACTER}"
ANCHOR = 12
"""Tokens that must match the text to find the way again after pieces of characters."""


@dataclass(frozen=True)
class Place:
    """Where a token stands in its passage: characters start to end, as one of `pieces`."""

    start: int
    end: int
    pieces: int = 1


def align(tokens: Sequence[str], text: str) -> list[Place] | None:
    """Places of tokens in the text they spell; None if they do not.

    A token that is part of a character reads as U+FFFD, and its characters are found from the
    tokens on both sides:

        text     the 语 is       tokens   "the ", "�", "�", "�", " is"
        places   0-4   4-5 (3 pieces), three times   5-8
    """
    places: list[Place] = []
    at, index = 0, 0
    while index < len(tokens):
        token = tokens[index]
        if token and LOST not in token and text.startswith(token, at):
            places.append(Place(at, at + len(token)))
            at += len(token)
            index += 1
            continue
        stop = index + 1
        while stop < len(tokens) and (LOST in tokens[stop] or not tokens[stop]):
            stop += 1
        anchor = ""
        for later in tokens[stop : stop + ANCHOR]:
            if LOST in later:
                break
            anchor += later
        end = find_end(text, at, stop - index, anchor)
        if end is None:
            return None
        places += share_pieces(text, at, end, stop - index)
        at, index = end, stop
    return places if at == len(text) else None


def find_end(text: str, at: int, pieces: int, anchor: str) -> int | None:
    """Where the characters behind some pieces end; a byte each if that fits, else the nearest."""
    if not anchor:
        return len(text) if at < len(text) else None
    candidates: list[int] = []
    end = text.find(anchor, at + 1)
    while end >= 0 and len(candidates) < 50:
        if len(text[at:end].encode()) == pieces:
            return end
        candidates.append(end)
        end = text.find(anchor, end + 1)
    return candidates[0] if candidates else None


def share_pieces(text: str, start: int, end: int, pieces: int) -> list[Place]:
    """Pieces to characters: by bytes if each is one, evenly if that comes out, else all to all."""
    sizes = [len(character.encode()) for character in text[start:end]]
    if sum(sizes) != pieces:
        each, rest = divmod(pieces, len(sizes))
        if rest or not each:
            return [Place(start, end, pieces)] * pieces
        sizes = [each] * len(sizes)
    return [
        Place(start + offset, start + offset + 1, size)
        for offset, size in enumerate(sizes)
        for _ in range(size)
    ]


def passage_data(comparison: Comparison, language: str) -> list[dict[str, Any]]:
    """The passage as each rung read it, for the script of the page; rungs in table order."""
    readings = {
        rung.name: comparison.passage[rung.name]
        for rung in comparison.rungs
        if comparison.passage.get(rung.name)
    }
    whole = [
        text
        for tokens in readings.values()
        if LOST not in (text := "".join(token.text for token in tokens))
    ]
    text = max(whole, key=lambda t: (whole.count(t), len(t)), default="")
    return [read_rung(name, tokens, text, language) for name, tokens in readings.items()]


def read_rung(
    name: str, tokens: Sequence[TokenSurprisal], text: str, language: str
) -> dict[str, Any]:
    """One rung's reading, compact: each token is start, end, pieces, bits, p, decided, others."""
    spelled = [token.text for token in tokens]
    places = align(spelled, text) if text else None
    shared = places is not None
    if places is None:
        text, places = "".join(spelled), []
        for piece in spelled:
            start = places[-1].end if places else 0
            places.append(Place(start, start + len(piece)))
    rows = []
    for token, place in zip(tokens, places, strict=True):
        others = [
            value
            for other, probability in token.alternatives[:ALTERNATIVES]
            for value in (other, round_for_page(probability))
        ]
        decided = decided_said(token.decided_by, language)
        bits, probability = round(float(token.bits), 2), round_for_page(token.probability)
        rows.append([place.start, place.end, place.pieces, bits, probability, decided, others])
    total = sum(token.bits for token in tokens) / max(1, len(text.encode()))
    note = words(language)["passage_total"].format(tokens=len(tokens), bits=write_bits(total))
    return {"name": name, "text": text, "shared": shared, "note": note if shared else "", "t": rows}


def round_for_page(probability: float) -> float:
    return float(f"{float(probability):.3g}")


def script_json(value: object) -> str:
    """JSON that may stand inside a <script> element: no `<`, `>` or `&` remains."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def say_value(value: object) -> str:
    """A setting as a reader would write it."""
    plain = make_plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def table_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """What the sortable table shows of each rung."""
    speeds = align_points(
        [write_significant(rung.milliseconds_per_token) for rung in comparison.rungs],
        digit=DIGIT,
        point=POINT,
    )
    rows = []
    for index, rung in enumerate(comparison.rungs):
        difference = rung.difference
        rows.append(
            {
                "rung": rung,
                "index": index,
                "swatch": swatch(rung, index),
                "bits": write_bits(rung.bits_per_byte.value),
                "half": write_bits(half_width(rung)),
                "unspelled": ""
                if abs(rung.bits_per_byte_unspelled - rung.bits_per_byte.value) < 0.0005
                else write_bits(rung.bits_per_byte_unspelled),
                "difference": "" if difference is None else write_signed(difference.value),
                "interval": ""
                if difference is None
                else f"[{write_signed(difference.low)}, {write_signed(difference.high)}]",
                "p": write_p(rung.p_value),
                "size": write_size(rung.bytes_on_disk),
                "trained": write_clock(rung.train_seconds),
                "speed": speeds[index],
            }
        )
    return rows


def swatch(rung: RungResult, index: int) -> dict[str, str]:
    return {"shape": SHAPES[marker(rung)], "colour": f"var(--c{index % COLOURS})"}


def example_parts(example: str) -> tuple[str, str, str]:
    """Before, the word, after; everything before if the marks are not two."""
    parts = example.split(MARK)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (example, "", "")


def contrast_lists(comparison: Comparison, say: Mapping[str, str]) -> list[dict[str, Any]]:
    """Words that the second rung foretells better, then those that it foretells worse."""
    if not comparison.contrasts:
        return []
    one, two = comparison.contrast_pair
    most = max(abs(contrast.bits) for contrast in comparison.contrasts) or 1.0

    def rows(wanted: list[Contrast]) -> list[dict[str, Any]]:
        return [
            {
                "word": contrast.word,
                "bits": ("−" if contrast.bits < 0 else "+") + f"{abs(contrast.bits):.1f}",
                "share": round(100 * abs(contrast.bits) / most, 1),
                "count": contrast.count,
                "example": example_parts(contrast.example),
            }
            for contrast in sorted(wanted, key=lambda c: -abs(c.bits))
        ]

    better = rows([contrast for contrast in comparison.contrasts if contrast.bits > 0])
    worse = rows([contrast for contrast in comparison.contrasts if contrast.bits <= 0])
    lists = [
        {"title": say["contrast_better"].format(a=one, b=two), "rows": better},
        {"title": say["contrast_worse"].format(a=one, b=two), "rows": worse},
    ]
    return [part for part in lists if part["rows"]]


def split_rows(comparison: Comparison, say: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """Part, documents, bytes, share; the whole last."""
    whole = sum(part["bytes"] for part in comparison.split.values())
    documents = sum(part["documents"] for part in comparison.split.values())
    rows = [
        (
            say.get(name, name),
            f"{part['documents']:,}",
            f"{part['bytes']:,}",
            write_percent(part["bytes"] / whole) if whole else "",
        )
        for name, part in comparison.split.items()
    ]
    return [*rows, (say["whole"], f"{documents:,}", f"{whole:,}", "100%" if whole else "")]


def method_rows(rung: RungResult, index: int, say: Mapping[str, str]) -> dict[str, Any]:
    """How one rung was made: label and value, empty ones left out."""
    facts = [
        (say["family"], rung.family),
        (say["tokenizer"], rung.tokenizer),
        (say["parameters"], "" if rung.parameters is None else f"{rung.parameters:,}"),
        (
            say["settings"],
            say["join"].join(f"{name} {say_value(v)}" for name, v in rung.settings.items()),
        ),
        (
            say["weights"],
            say["join"].join(f"{name} {write_percent(w)}" for name, w in rung.weights.items()),
        ),
        (say["folder"], rung.folder),
    ]
    return {
        "name": rung.name,
        "swatch": swatch(rung, index),
        "facts": [(label, value) for label, value in facts if value],
        "signature": rung.signature,
        "failed": rung.laws_failed,
    }


def page_values(comparison: Comparison, language: str) -> dict[str, Any]:
    """All that the template needs, written out."""
    say = words(language)
    floor = next((r for r in comparison.rungs if r.name == comparison.floor), None)
    end = floor.curve[-1].bits_per_byte if floor and floor.curve else None
    return {
        "say": say,
        "comparison": comparison,
        "answer": recommendation(comparison, language),
        "resolution": say["resolution"].format(bits=write_bits(comparison.resolution)),
        "took": say["took"].format(time=write_clock(comparison.seconds)),
        "facts": [
            (say["text"], text_line(comparison, language)),
            (say["split"], split_line(comparison, language)),
            (say["leak"], leak_line(comparison, language)),
        ],
        "rows": (rows := table_rows(comparison)),
        "unspelled": any(row["unspelled"] for row in rows),
        "failures": [(r.name, message) for r in comparison.rungs for message in r.laws_failed],
        "curves": [curves_svg(comparison, language, narrow=narrow) for narrow in (False, True)],
        "floor": comparison.floor + ("" if end is None else f" ({write_bits(end)})"),
        "tradeoff": [tradeoff_svg(comparison, language, narrow=narrow) for narrow in (False, True)],
        "contrasts": contrast_lists(comparison, say),
        "pair": comparison.contrast_pair,
        "splits": split_rows(comparison, say),
        "methods": [method_rows(rung, i, say) for i, rung in enumerate(comparison.rungs)],
        "settings": [(key, say_value(value)) for key, value in comparison.settings.items()],
    }


def render_page(comparison: Comparison, language: str = "en") -> str:
    """The whole report as one HTML document, under two megabytes, that needs no network."""
    from jinja2 import Environment, StrictUndefined

    folder = files("foretell.report")
    script = (folder / "page.js").read_text("utf-8")
    digest = base64.b64encode(sha256(script.encode()).digest()).decode()
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "page.html.j2").read_text("utf-8"))
    values = page_values(comparison, language)
    passage = passage_data(comparison, language)
    said = {key: values["say"][key] for key in SCRIPT_WORDS}
    left_out: list[str] = []
    while True:
        page = template.render(
            **values,
            passage=passage,
            left_out=left_out,
            data=script_json({"rungs": passage, "say": said}),
            style=(folder / "page.css").read_text("utf-8"),
            script=script,
            digest=digest,
        )
        encoded = page.encode("utf-8", "replace")  # lone surrogates have no bytes
        if len(encoded) <= LIMIT or not passage:
            return encoded.decode()
        left_out.insert(0, passage.pop()["name"])


SCRIPT_WORDS = ("probability", "surprisal", "alternatives", "decided", "fragment")


def write_page(comparison: Comparison, path: Path, language: str = "en") -> None:
    """Write the report; whoever reads `path` meanwhile sees the old page or the new one."""
    page = render_page(comparison, language)
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
