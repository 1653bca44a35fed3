import random

from foretell.contracts.corpus import Document
from foretell.corpus.duplicates import find_copies, find_exact_copies

WORDS = [f"w{i}" for i in range(2000)]
CHARACTERS = [chr(0x4E00 + i) for i in range(2000)]


def texts(units: list[str], between: str, length: int, count: int) -> list[list[str]]:
    draw = random.Random(7)
    return [[draw.choice(units) for _ in range(length)] for _ in range(count)]


def test_exact_copies_differ_in_white_space_at_most() -> None:
    documents = [Document("a  b\nc", "1"), Document(" a b c ", "2"), Document("a b d", "3")]
    copies = find_exact_copies(documents)
    assert copies.kept == (documents[0], documents[2])
    assert copies.set_aside == (("2", "1"),)
    assert find_copies(documents) == copies


def test_near_copies_in_english_and_chinese() -> None:
    for units, between in ((WORDS, " "), (CHARACTERS, "")):
        originals = texts(units, between, 200, 50)
        documents = [Document(between.join(text), f"{i}") for i, text in enumerate(originals)]
        changed = [*originals[17][:100], units[0], *originals[17][101:]]
        different = [unit if i % 4 else units[0] for i, unit in enumerate(originals[18])]
        documents += [
            Document(between.join(changed), "copy"),
            Document(between.join(different), "no"),
        ]
        copies = find_copies(documents)
        assert copies.set_aside == (("copy", "17"),)
        assert [document.name for document in copies.kept] == [*map(str, range(50)), "no"]


def test_copies_of_a_near_copy_name_the_document_kept() -> None:
    words = texts(WORDS, " ", 200, 1)[0]
    near = " ".join([*words[:199], "other"])
    documents = [Document(" ".join(words), "1"), Document(near, "2"), Document(near, "3")]
    assert find_copies(documents).set_aside == (("2", "1"), ("3", "1"))


def test_very_short_documents_are_copies_only_if_exact() -> None:
    documents = [Document("good morning to you", "1"), Document("good morning to you!", "2")]
    assert find_copies(documents).kept == tuple(documents)
    poems = [Document("白日依山尽", "1"), Document("白日依山近", "2")]
    assert find_copies(poems).kept == tuple(poems)


def test_one_document_and_none() -> None:
    assert find_copies([]).kept == ()
    assert find_copies([Document("", "1")]).set_aside == ()
