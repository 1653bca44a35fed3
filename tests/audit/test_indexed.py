from pathlib import Path

import numpy as np
import pytest

from foretell.audit.indexed import (
    IndexedText,
    cut_text,
    index_documents,
    open_indexed,
    read_for_index,
    save_indexed,
)
from foretell.contracts.corpus import Document
from foretell.contracts.errors import DamagedModel, ForetellError, OutputExists, TextError
from foretell.contracts.tokenizer import Tokenizer
from foretell.tokenizers import train_tokenizer
from foretell.tokenizers.whitespace import Whitespace

TEXTS = ["the cat sat on the mat", "a cat sat in the sun. the cat sat on me", "深海里的鱼，深海"]
NAMES = ["one.txt", "two.jsonl:2", "鱼.txt"]
DOCUMENTS = [Document(text, name) for text, name in zip(TEXTS, NAMES, strict=True)]


def indexed(kind: str) -> IndexedText:
    tokenizer: Tokenizer
    if kind == "whitespace":
        tokenizer = Whitespace.of(dict.fromkeys(" ".join(TEXTS).encode().split()))
    else:
        tokenizer = train_tokenizer(kind, TEXTS * 3, size=280)
    return index_documents(DOCUMENTS, tokenizer)


@pytest.mark.parametrize("kind", ["bytes", "characters", "words", "bpe"])
def test_phrases_are_counted_where_lines_begin_and_inside(kind: str) -> None:
    text = indexed(kind)
    assert text.count("the cat sat") == 2
    assert text.count("cat sat") == 3
    assert text.count("the cat sat on the") == 1
    assert kind == "bpe" or text.count("深海") == 2
    assert text.count("the dog") == 0
    # Across two documents.
    assert text.count("mat a cat") == 0


def test_words_between_spaces_are_counted() -> None:
    text = indexed("whitespace")
    assert text.count("the cat  sat") == 2
    assert text.count("sun.") == 1
    assert text.count("sun") == 0


@pytest.mark.parametrize("kind", ["words", "whitespace"])
def test_unknown_words_are_not_alike(kind: str) -> None:
    # Half of it is unknown to the tokenizer, and so unknown in the index.
    tokenizer: Tokenizer = train_tokenizer("words", ["a b a b"] * 3)
    if kind == "whitespace":
        tokenizer = Whitespace.of([b"a", b"b"])
    text = index_documents([Document("a b quux a b", "x")], tokenizer)
    assert text.count("a b") == 2
    assert text.count("a b zork") == 0
    assert text.match("a b zork a b").lengths.tolist() == [2, 1, 0, 2, 1]


@pytest.mark.parametrize("kind", ["bytes", "bpe", "whitespace"])
def test_places_come_with_what_stands_around_them(kind: str) -> None:
    count, sources = indexed(kind).search("cat sat", most=2)
    assert count == 3
    assert len(sources) == 2
    assert [source.document for source in sources] == ["one.txt", "two.jsonl:2"]
    assert [source.text.strip() for source in sources] == ["cat sat"] * 2
    assert sources[0].before.strip() == "the"
    assert sources[0].after.strip().startswith("on the")
    assert sources[1].before.strip() == "a"


def test_nothing_from_another_document_stands_around_a_place() -> None:
    (source,) = indexed("bytes").search("on me", most=9)[1]
    assert source.offset == TEXTS[1].index("on me")
    assert source.after == ""
    (source,) = indexed("bytes").search("a cat", most=9)[1]
    assert (source.offset, source.before) == (0, "")


def test_what_comes_next_is_foretold_from_the_longest_past() -> None:
    found = indexed("whitespace").foretell("my dog and the cat sat", top=5)
    assert found.matched == "the cat sat"
    assert (found.matched_tokens, found.count, found.different) == (3, 2, 1)
    assert found.continuations == (("on", 2),)
    ends = indexed("whitespace").foretell("on me", top=5)
    assert ends.continuations == ((None, 1),)
    nothing = indexed("whitespace").foretell("zork", top=2)
    assert (nothing.matched, nothing.matched_tokens) == ("", 0)
    # Boundaries, the first one too.
    assert nothing.continuations == ((None, 4), ("the", 4))


def test_the_first_word_of_a_text_matches_inside_a_document() -> None:
    text = indexed("bpe")
    whole = text.match("cat sat in")
    assert whole.lengths[0] == len(whole.tokens)
    assert text.index.count(whole.tokens) == 1
    assert whole.ends[-1] == len("cat sat in")
    assert len(text.match("").lengths) == 0


def test_an_empty_phrase_is_refused() -> None:
    for phrase in ("", " "):
        with pytest.raises(TextError, match="nothing to look for"):
            indexed("bytes").count(phrase)


def test_a_frequent_match_shows_the_first_places() -> None:
    text = index_documents([Document("a" * 3000, "a")], train_tokenizer("bytes", []))
    count, found = text.find(np.array([ord("a")], np.int32), most=3)
    assert count == 3000
    assert [source.offset for source in found] == [0, 1, 2]


@pytest.mark.parametrize("kind", ["bpe", "whitespace"])
def test_a_folder_is_opened_again(kind: str, tmp_path: Path) -> None:
    text = indexed(kind)
    save_indexed(text, tmp_path / "index")
    again = open_indexed(tmp_path / "index")
    assert again.count("the cat sat") == 2
    assert again.search("cat sat", most=5) == text.search("cat sat", most=5)
    with pytest.raises(OutputExists):
        save_indexed(text, tmp_path / "index")


def test_damage_is_named(tmp_path: Path) -> None:
    save_indexed(indexed("bytes"), tmp_path / "index")
    for file in sorted((tmp_path / "index").iterdir()):
        kept = file.read_bytes()
        if not kept:
            continue
        middle = len(kept) // 2
        file.write_bytes(kept[:middle] + bytes([kept[middle] ^ 1]) + kept[middle + 1 :])
        with pytest.raises(DamagedModel, match=file.name):
            open_indexed(tmp_path / "index")
        file.write_bytes(kept)
    open_indexed(tmp_path / "index")


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    text = indexed("bytes")
    swapped = IndexedText(text.index, indexed("bpe").tokenizer)
    save_indexed(swapped, tmp_path / "index")
    with pytest.raises(DamagedModel, match="not the one"):
        open_indexed(tmp_path / "index")


def test_what_is_no_index_is_refused(tmp_path: Path) -> None:
    from foretell.storage import new_folder, seal

    with pytest.raises(DamagedModel, match="no folder"):
        open_indexed(tmp_path / "none")
    with new_folder(tmp_path / "model") as folder:
        seal(folder, {"format": "foretell-model-1"})
    with pytest.raises(ForetellError, match="no index"):
        open_indexed(tmp_path / "model")


@pytest.mark.parametrize("kind", ["bytes", "characters", "words", "bpe", "whitespace"])
def test_a_text_is_cut_where_no_token_is(kind: str) -> None:
    text = "the  cat \n sat on\n\nthe mat\u3000深海 里\t'tis 12 3, a cat's sun.  \n" * 3
    tokenizer = indexed(kind).tokenizer
    whole = tokenizer.encode(text).tokens.tolist()
    for size in range(1, 9):
        pieces = list(cut_text(text, size))
        assert "".join(pieces) == text
        assert len(pieces) > 5
        assert [t for each in tokenizer.encode_many(pieces) for t in each.tokens] == whole
    assert list(cut_text("")) == [""]


def test_documents_are_read_clean_and_with_their_names(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\r\ntwo", newline="")
    (tmp_path / "b.jsonl").write_text('{"text": "x"}\n{"text": " "}\n{"text": "y"}\n')
    assert list(read_for_index(tmp_path)) == [
        Document("one\ntwo", "a.txt"),
        Document("x", "b.jsonl:1"),
        Document("y", "b.jsonl:3"),
    ]
    (tmp_path / "c.txt").write_text(" \n")
    with pytest.raises(TextError, match="white space"):
        list(read_for_index(tmp_path / "c.txt"))
