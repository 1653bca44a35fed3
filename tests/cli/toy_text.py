"""Text from a toy grammar: enough order for a model to find, and made in a moment."""

import random

ENGLISH = (
    ("The cat", "A sailor", "My neighbour", "The old king", "Nobody", "Her brother"),
    ("saw", "forgot", "painted", "wanted", "followed", "sold"),
    ("the harbour", "a red door", "two letters", "the moon", "a map", "their song"),
)
CHINESE = (
    ("小猫", "水手", "邻居", "老国王", "没有人", "他的哥哥"),
    ("看见了", "忘记了", "画了", "想要", "跟着", "卖掉了"),
    ("港口", "红色的门", "两封信", "明月", "一张地图", "他们的歌"),
)


def paragraph(chance: random.Random, *, chinese: bool) -> str:
    said = []
    for _ in range(5):
        parts = [chance.choice(words) for words in (CHINESE if chinese else ENGLISH)]
        number = chance.randrange(1000)
        if chinese:
            said.append(f"{''.join(parts)}，第{number}天。")
        else:
            said.append(f"{' '.join(parts)} on day {number}. ")
    return "".join(said).strip()


def write_text(size: int, *, chinese: float = 0.3, seed: int = 0) -> str:
    """Paragraphs of about `size` bytes together, this share of them Chinese."""
    chance, out, total = random.Random(seed), [], 0
    while total < size:
        out.append(paragraph(chance, chinese=chance.random() < chinese))
        total += len(out[-1].encode()) + 2
    return "\n\n".join(out) + "\n"
