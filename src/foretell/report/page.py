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
from itertools import accumulate
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


@dataclass(frozen=True)
class Place:
    """Where a token stands in its passage: characters start to end, as one of `pieces`."""

    start: int
    end: int
    pieces: int


def place_tokens(sizes: Sequence[int], text: str) -> list[Place]:
    """The characters that tokens of so many bytes stand for, one after another.

    Tokens that cut a character all get the characters that they spell together:

        text     the 语 is       sizes   4  1  1  1  3
        places   0-4   4-5 (3 pieces), three times   5-8

    Raises ValueError if the sizes do not add up to the bytes of the text.
    """
    byte_places = accumulate((len(character.encode()) for character in text), initial=0)
    character_at = {byte: index for index, byte in enumerate(byte_places)}
    if sum(sizes) != len(text.encode()):
        raise ValueError(
            f"tokens stand for {sum(sizes)} bytes of a passage of {len(text.encode())}; "
            "give the surprisals of the whole `passage_text` and of no other text"
        )
    places: list[Place] = []
    at = start = pieces = 0
    for size in sizes:
        at += size
        pieces += 1
        end = character_at.get(at)
        if end is not None:
            places += [Place(start, end, pieces)] * pieces
            start, pieces = end, 0
    return places


def passage_data(comparison: Comparison, language: str) -> list[dict[str, Any]]:
    """The passage as each rung read it, for the script of the page; rungs in table order."""
    return [
        read_rung(rung.name, tokens, comparison.passage_text, language)
        for rung in comparison.rungs
        if (tokens := comparison.passage.get(rung.name))
    ]


def read_rung(
    name: str, tokens: Sequence[TokenSurprisal], text: str, language: str
) -> dict[str, Any]:
    """One rung's reading; a token is start, end, pieces, bytes, bits, probability, decided, others.

    Raises ValueError if the tokens do not stand for the text.
    """
    rows = []
    places = place_tokens([token.bytes for token in tokens], text)
    for token, place in zip(tokens, places, strict=True):
        others = [
            value
            for other, probability in token.alternatives[:ALTERNATIVES]
            for value in (other, round_for_page(probability))
        ]
        where = [place.start, place.end, place.pieces, int(token.bytes)]
        bits, probability = round(float(token.bits), 2), round_for_page(token.probability)
        rows.append([*where, bits, probability, decided_said(token.decided_by, language), others])
    total = sum(token.bits for token in tokens) / max(1, len(text.encode()))
    note = words(language)["passage_total"].format(tokens=len(tokens), bits=write_bits(total))
    return {"name": name, "note": note, "t": rows}


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
        text = comparison.passage_text if passage else ""
        page = template.render(
            **values,
            passage=passage,
            left_out=left_out,
            data=script_json({"text": text, "rungs": passage, "say": said}),
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
