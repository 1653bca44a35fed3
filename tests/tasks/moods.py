"""Toy reviews in English and Chinese, with a mood that words decide."""

import json
import random
from pathlib import Path

from foretell.tasks.examples.rows import Example

WORDS = {
    "good": ("lovely", "warm", "great fun", "真好看", "很温暖"),
    "bad": ("dull", "cold", "no fun", "不好看", "很无聊"),
}
FILLER = ("the film", "a plot", "her voice", "这部电影", "the end", "music")


def draw(count: int, seed: int) -> list[Example]:
    chance = random.Random(seed)
    found = []
    for number in range(count):
        label = chance.choice(sorted(WORDS))
        said = [chance.choice(FILLER), chance.choice(WORDS[label]), chance.choice(FILLER)]
        text = f"{' '.join(said)} {number + seed * count}"
        found.append(Example(text, label, f"drawn:{number}"))
    return found


def write(path: Path, examples: list[Example], *, text: str = "text", label: str = "label") -> Path:
    lines = (json.dumps({text: each.text, label: each.label}) + "\n" for each in examples)
    path.write_text("".join(lines), encoding="utf-8")
    return path
