import pytest

from foretell.audit.contamination import find_contamination, find_words
from foretell.audit.indexed import IndexedText, index_documents
from foretell.contracts.corpus import Document
from foretell.tokenizers import train_tokenizer
from foretell.tokenizers.whitespace import Whitespace

TRAIN = (
    "It was a bright cold day in April, and the clocks were striking thirteen, said the book. "
    "Ships at a distance have every man's wish on board; for some they come in with the tide."
)
CHINESE = "很久很久以前，在一个遥远的海边，住着一位喜欢讲故事的老渔夫和他的小孙女。"
KINDS = ["bytes", "characters", "bpe", "whitespace"]


def against(kind: str, *train: str) -> IndexedText:
    tokenizer = (
        Whitespace.of(dict.fromkeys(" ".join(train).encode().split()))
        if kind == "whitespace"
        else train_tokenizer(kind, list(train) * 5, size=300)
    )
    return index_documents([Document(text, f"{n}.txt") for n, text in enumerate(train)], tokenizer)


@pytest.mark.parametrize("kind", KINDS)
def test_thirteen_words_in_a_row_contaminate(kind: str) -> None:
    copied = "bright cold day in April, and the clocks were striking thirteen, said the"
    tests = [
        f"I read that {copied} end of it.",
        copied.replace("striking", "ringing") + " and so on and so on",
        copied,
    ]
    found = find_contamination(
        against(kind, TRAIN), [Document(text, str(n)) for n, text in enumerate(tests)]
    )
    assert [each.contaminated for each in found.findings] == [True, False, True]
    assert [each.shared_grams for each in found.findings] == [1, 0, 1]
    assert [each.gram_words for each in found.findings] == [13, 13, 13]
    assert (found.contaminated, found.judged, found.shortened) == (2, 3, 0)


def test_a_short_document_is_one_gram_and_a_shorter_one_is_not_judged() -> None:
    tests = ["every man's wish on board; for some they", "for some they come in with the", "hello"]
    found = find_contamination(against("bpe", TRAIN), [Document(text, "t") for text in tests])
    first, second, third = found.findings
    assert (first.gram_words, first.grams, first.contaminated) == (9, 1, True)
    assert (second.gram_words, second.grams, second.contaminated) == (0, 0, False)
    assert (third.words, third.contaminated) == (1, False)
    assert (found.judged, found.shortened) == (1, 1)


def test_the_share_of_long_matches() -> None:
    copy, other = TRAIN[10:60], "~" * 50
    tests = [copy, other, copy + other]
    found = find_contamination(
        against("bytes", TRAIN), [Document(text, "t") for text in tests], least_tokens=20
    )
    assert [each.share for each in found.findings] == [1.0, 0.0, 0.5]
    assert [each.longest for each in found.findings] == [50, 0, 50]
    assert (found.clean, found.dirty) == (1, 1)
    assert found.share == 0.5
    source = found.findings[2].source
    assert source is not None
    assert (source.document, source.offset, source.text) == ("0.txt", 10, copy)
    assert found.findings[1].source is None


@pytest.mark.parametrize("kind", ["bytes", "characters", "words"])
def test_a_character_is_a_word_of_chinese(kind: str) -> None:
    index = against(kind, CHINESE)
    inside = "从前，在一个遥远的海边，住着一位喜欢讲书"
    found = find_contamination(
        index, [Document(inside, "a"), Document("我们明天去看海吧好不好", "b")]
    )
    first, second = found.findings
    assert (first.words, first.grams, first.shared_grams) == (18, 6, 4)
    assert not second.contaminated


def test_words_lie_in_bytes() -> None:
    text = "Né 深海 x_1, 😀b"
    data = text.encode()
    words = [data[a:b].decode() for a, b in find_words(text).tolist()]
    assert words == ["Né", "深", "海", "x", "1", "b"]
    assert find_words("").shape == (0, 2)
