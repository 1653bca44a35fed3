import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.audit.indexed import index_documents
from foretell.audit.trace import count_covered, find_maximal, trace
from foretell.contracts.corpus import Document
from foretell.tokenizers import train_tokenizer
from foretell.tokenizers.bytes import Bytes

ALPHABET = st.text("ab", max_size=30)


@settings(max_examples=100, deadline=None)
@given(st.lists(ALPHABET, min_size=1, max_size=4), ALPHABET, st.integers(1, 5))
def test_passages_are_the_maximal_ones(texts: list[str], text: str, least: int) -> None:
    documents = [Document(each, str(number)) for number, each in enumerate(texts)]
    found = trace(index_documents(documents, Bytes()), text, least=least, most=100)
    stands = {
        (a, b)
        for a in range(len(text))
        for b in range(a + least, len(text) + 1)
        if any(text[a:b] in each for each in texts)
    }
    maximal = {
        (a, b) for a, b in stands if not any(c <= a and b <= d for c, d in stands - {(a, b)})
    }
    assert {(each.begin, each.end) for each in found.passages} == maximal
    covered = {place for a, b in stands for place in range(a, b)}
    assert (found.tokens, found.covered) == (len(text), len(covered))
    lengths = [each.tokens for each in found.passages]
    assert lengths == sorted(lengths, reverse=True)
    for passage in found.passages:
        assert passage.text == text[passage.begin : passage.end]
        assert passage.count == len(passage.sources)
        for source in passage.sources:
            said = texts[int(source.document)]
            assert said[source.offset :].startswith(passage.text)
            assert said[: source.offset].endswith(source.before)


def test_spans_from_lengths() -> None:
    lengths = np.array([0, 3, 2, 4, 3, 2, 1, 0, 2, 1], np.int32)
    assert find_maximal(lengths, 1).tolist() == [1, 3, 8]
    assert find_maximal(lengths, 3).tolist() == [1, 3]
    assert count_covered(lengths, 1) == 8
    assert count_covered(lengths, 3) == 6
    assert count_covered(lengths, 9) == 0


@pytest.mark.parametrize("kind", ["characters", "bpe", "words"])
def test_chinese_is_traced(kind: str) -> None:
    texts = ["科学家说这种鱼从来没有被记录过。", "今天天气很好，我们去看海。"]
    tokenizer = train_tokenizer(kind, texts * 5, size=300)
    documents = [Document(text, f"{number}.txt") for number, text in enumerate(texts)]
    text = "我听科学家说这种鱼从来没有见过"
    found = trace(index_documents(documents, tokenizer), text, least=8)
    # A subword may run across two characters, and then ends the passage before them.
    assert "科学家说这种鱼从来" in found.passages[0].text
    assert found.passages[0].sources[0].document == "0.txt"
    spelled = text.encode()[found.passages[0].begin : found.passages[0].end]
    assert spelled.decode("utf-8", "replace") == found.passages[0].text
