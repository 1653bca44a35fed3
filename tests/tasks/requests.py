"""Toy requests in English and Chinese, with slots that words beside them decide."""

import json
import random
from pathlib import Path

from foretell.tasks.examples.spans import Span, tags_of
from foretell.tasks.examples.tagged import Tagged, spaced

CITIES = (("new", "york"), ("boston",), ("北", "京"), ("san", "jose"))


def draw(count: int, seed: int) -> list[Tagged]:
    chance = random.Random(seed)
    found = []
    for number in range(count):
        label = chance.choice(["fare", "flight"])
        words = ["a", label, str(number + seed * count)]
        spans = []
        for before, name in (("from", "start"), ("to", "end")):
            city = chance.choice(CITIES)
            words.append(before)
            spans.append(Span(len(words), len(words) + len(city), name))
            words += city
        found.append(Tagged(spaced(words), tuple(spans), label, f"drawn:{number}"))
    return found


def write(path: Path, examples: list[Tagged]) -> Path:
    lines = (
        {
            "words": [word.strip() for word in each.words],
            "tags": tags_of(each.spans, len(each.words)),
            "label": each.label,
        }
        for each in examples
    )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, "utf-8")
    return path
