import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretell.contracts.corpus import Document, Split
from foretell.contracts.errors import TextError
from foretell.corpus.splits import choose_shares, cut_passages, prepare, split

PARTS = ("train", "stopping", "tuning", "held_out")


def documents(count: int, size: int = 1000, seed: int = 1) -> list[Document]:
    draw = random.Random(seed)
    return [
        Document("".join(draw.choices("abcdefgh ", k=size)), f"{seed}-{i}") for i in range(count)
    ]


def parts(result: Split) -> dict[str, str]:
    return {document.name: part for part in PARTS for document in getattr(result, part)}


@given(st.text(st.sampled_from("aé深😀。.！ \n"), max_size=400), st.integers(1, 60))
def test_passages_joined_are_the_text(text: str, size: int) -> None:
    passages = cut_passages(Document(text, "a"), size)
    assert "".join(passage.text for passage in passages) == text
    assert all(len(p.text.encode()) <= max(4, size + size // 4) for p in passages)
    assert len({passage.name for passage in passages}) == len(passages)


def test_passages_end_where_a_reader_would_pause() -> None:
    paragraph = "one two\nthree four\n\n"
    passages = cut_passages(Document(paragraph * 10, "a"), 50)
    assert [passage.text for passage in passages] == [paragraph * 2] * 5
    lines = cut_passages(Document("a line of text\n" * 10, "a"), 50)
    assert all(passage.text.endswith("\n") for passage in lines)
    english = cut_passages(Document("So it is. " * 20, "a"), 64)
    assert all(passage.text.endswith(". ") for passage in english)
    chinese = cut_passages(Document("白日依山尽，黄河入海流。" * 20, "a"), 100)
    assert all(passage.text.endswith("。") for passage in chinese)
    assert chinese[0].name == "a#1"


def test_short_document_stays_itself() -> None:
    document = Document("short", "a")
    assert cut_passages(document) == [document]
    assert cut_passages(Document("", "a")) == [Document("", "a")]
    with pytest.raises(ValueError, match="at least 1"):
        cut_passages(document, 0)


def test_prepare_cuts_few_or_dominating_documents_only() -> None:
    many = documents(80, 5000)
    assert prepare(many).documents == tuple(many)
    assert not prepare(many).passages
    few = prepare(documents(10, 50_000))
    assert few.passages
    assert len(few.documents) > 200
    one_large = prepare([*documents(80, 1000), *documents(1, 300_000, seed=2)])
    assert one_large.passages
    assert sum(document.name.startswith("1-") for document in one_large.documents) == 80
    assert len(prepare(documents(1, 40_000)).documents) >= 60


def test_parts_share_nothing_and_keep_the_order() -> None:
    given_documents = documents(400)
    result = split(given_documents)
    assert len(parts(result)) == 400
    for part in PARTS:
        names = [int(document.name[2:]) for document in getattr(result, part)]
        assert names == sorted(names)
    assert split(given_documents) == result
    assert parts(split(given_documents[::-1])) == parts(result)
    assert parts(split(given_documents, seed=1)) != parts(result)
    assert len(result.held_out) == pytest.approx(0.06 * 400, abs=15)


def test_added_documents_move_none() -> None:
    old, new = documents(400), documents(80, seed=2)
    before, after = parts(split(old)), parts(split([*new, *old]))
    assert {name: after[name] for name in before} == before


def test_growth_into_the_next_step_moves_documents_to_train_alone() -> None:
    old = documents(100)
    before = parts(split(old))
    after = parts(split([*old, *documents(2000, seed=2)]))
    moved = {after[name] for name in before if before[name] != after[name]}
    assert moved == {"train"}


def test_copies_fall_into_the_same_part() -> None:
    originals = documents(100)
    copies = [Document(f" {document.text}\n", f"copy {document.name}") for document in originals]
    where = parts(split([*originals, *copies]))
    assert all(where[document.name] == where[f"copy {document.name}"] for document in originals)


def test_shares_shrink_with_the_text() -> None:
    assert choose_shares(100_000, 1000).held_out == 0.10
    assert choose_shares(4_000_000, 1000).held_out == 0.06
    assert choose_shares(100_000_000, 100_000).held_out * 100_000_000 <= 300_000
    assert choose_shares(100_000_000, 100_000).stopping * 100_000_000 <= 64_000
    # However large the documents, there are enough of them to tell models apart.
    assert choose_shares(100_000_000, 400).held_out * 400 >= 12


@pytest.mark.parametrize("given_documents", [[], documents(10, 1000), documents(19, 100)])
def test_too_short(given_documents: list[Document]) -> None:
    size = sum(len(document.text) for document in given_documents)
    with pytest.raises(TextError, match=f"{size:,} bytes make {len(given_documents)} documents"):
        split(given_documents)


def test_passages_are_marked() -> None:
    prepared = prepare(documents(1, 200_000))
    result = split(prepared.documents, passages=prepared.passages)
    assert result.passages
    with pytest.raises(TextError, match="passages; give at least"):
        split(prepared.documents[:9], passages=True)
