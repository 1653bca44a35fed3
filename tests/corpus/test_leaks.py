import random

import pytest

from foretell.contracts.corpus import Document
from foretell.corpus.leaks import languages, leak_share


def document(units: str | list[str], between: str = " ") -> Document:
    return Document(between.join(units), "x")


def words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [f"w{draw.randrange(10_000)}" for _ in range(count)]


def slow_leak_share(train: list[list[str]], held_out: list[list[str]], n: int) -> float:
    def grams(texts: list[list[str]]) -> list[tuple[str, ...]]:
        return [tuple(t[i : i + n]) for t in texts for i in range(max(1, len(t) - n + 1))]

    known = set(grams(train))
    found = [gram in known for gram in grams(held_out)]
    return sum(found) / len(found)


def test_planted_leak_is_found_and_nothing_else() -> None:
    train, held_out = words(5000, 1), words(1000, 2)
    assert leak_share([document(train)], [document(held_out)]) == 0
    planted = [*held_out[:500], *train[100:200], *held_out[500:]]
    share = leak_share([document(train)], [document(planted)])
    assert share == (100 - 13 + 1) / (1100 - 13 + 1)


def test_chinese_is_counted_by_characters() -> None:
    poem = "君不见黄河之水天上来奔流到海不复回君不见高堂明镜悲白发"
    other = "".join(chr(0x6000 + i) for i in range(100))
    share = leak_share([Document(f"{other}{poem}", "a")], [Document("，".join(poem), "b")])
    assert share == 1
    assert leak_share([Document(other, "a")], [Document(poem, "b")]) == 0


def test_agrees_with_the_obvious_count() -> None:
    draw = random.Random(3)
    for _ in range(20):
        texts = [[draw.choice("abc") for _ in range(draw.randrange(1, 12))] for _ in range(30)]
        train, held_out = texts[:20], texts[20:]
        share = leak_share([*map(document, train)], [*map(document, held_out)], n=4)
        assert share == pytest.approx(slow_leak_share(train, held_out, 4))


def test_case_and_punctuation_do_not_hide_a_leak() -> None:
    train = document(words(50, 1))
    assert leak_share([train], [Document(train.text.upper().replace(" ", ",\n"), "b")]) == 1


def test_nothing_to_leak() -> None:
    assert leak_share([document("abc")], []) == 0
    assert leak_share([], [Document("?!", "a")]) == 0
    with pytest.raises(ValueError, match="at least 1"):
        leak_share([], [], n=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It was the best of times, it was the worst of times", "English"),
        ("床前明月光，疑是地上霜", "Chinese"),
        ("The moon is bright for us 床前明月光，疑是地上霜" * 3, "English and Chinese"),
        ("Es war einmal ein König, der hatte eine Tochter", "Latin script"),
        ("吾輩は猫である。名前はまだ無い", "Japanese"),
        ("Все счастливые семьи похожи друг на друга", "Cyrillic script"),
        ("나랏말싸미 듕귁에 달아", "Korean"),
        ("1234 !", "no letters"),
    ],
)
def test_languages(text: str, expected: str) -> None:
    assert languages([Document(text, "a")]) == expected
