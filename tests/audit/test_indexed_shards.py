"""A text in shards answers as the same text in one index."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.audit.contamination import find_contamination
from foretell.audit.indexed import (
    IndexedText,
    index_documents,
    open_indexed,
    save_indexed,
    save_shards,
)
from foretell.audit.trace import trace
from foretell.contracts.corpus import Document
from foretell.contracts.errors import DamagedModel, ForetellError, OutputExists, TextError
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.index import Index
from foretell.corpus.index_shards import Indexes, deal
from foretell.storage import check_seal, seal
from foretell.tokenizers import train_tokenizer
from foretell.tokenizers.bytes import Bytes
from foretell.tokenizers.whitespace import Whitespace

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "the", "dog", "saw", "it", "in", "sun"]
ALPHABET = st.text("ab ", min_size=1, max_size=30).filter(lambda text: not text.isspace())


def made_up(seed: int, documents: int = 9) -> list[Document]:
    rng = np.random.default_rng(seed)
    return [
        Document(" ".join(rng.choice(WORDS, rng.integers(1, 60))), f"{number}.txt")
        for number in range(documents)
    ]


def tokenizer_of(kind: str, documents: list[Document]) -> Tokenizer:
    texts = [each.text for each in documents]
    if kind == "whitespace":
        return Whitespace.of(sorted({w.encode() for text in texts for w in text.split()}))
    return train_tokenizer(kind, texts, size=280)


def in_shards(documents: list[Document], tokenizer: Tokenizer, shards: int) -> IndexedText:
    counts = deal([len(each.text) for each in documents], shards)
    parts = []
    for a, b in pairwise(np.cumsum([0, *counts]).tolist()):
        index = index_documents(documents[a:b], tokenizer).index
        assert isinstance(index, Index)
        parts.append(index)
    return IndexedText(Indexes(tuple(parts)), tokenizer)


def hold_alike(one: IndexedText, many: IndexedText, text: str) -> None:
    words = text.split()
    for phrase in {text, " ".join(words[:2]), words[-1], "b", "zork"}:
        assert many.count(phrase) == one.count(phrase)
        assert many.search(phrase, most=3) == one.search(phrase, most=3)
        found, expected = many.foretell(phrase, top=500), one.foretell(phrase, top=500)
        assert (found.matched, found.count) == (expected.matched, expected.count)
        assert (found.continuations, found.different) == (
            expected.continuations,
            expected.different,
        )
    for found_part, expected_part in zip(many.match(text), one.match(text), strict=True):
        assert found_part.tolist() == expected_part.tolist()
    assert trace(many, text, least=2, most=4) == trace(one, text, least=2, most=4)
    asked = [Document(text, "asked")]
    assert find_contamination(many, asked, least_tokens=3) == find_contamination(
        one, asked, least_tokens=3
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(ALPHABET, min_size=1, max_size=6), st.integers(1, 4), ALPHABET)
def test_random_letters_are_found_alike(texts: list[str], shards: int, text: str) -> None:
    documents = [Document(each, str(number)) for number, each in enumerate(texts)]
    one = index_documents(documents, Bytes())
    hold_alike(one, in_shards(documents, Bytes(), min(shards, len(texts))), text)


@pytest.mark.parametrize("kind", ["characters", "words", "bpe", "whitespace"])
def test_words_are_found_alike(kind: str) -> None:
    documents = made_up(0)
    tokenizer = tokenizer_of(kind, documents)
    one = index_documents(documents, tokenizer)
    for shards in (1, 2, 4, 9):
        many = in_shards(documents, tokenizer, shards)
        for asked in made_up(1, 4):
            hold_alike(one, many, f"zork {asked.text} {documents[5].text}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = made_up(0)
    counts = deal([len(each.text) for each in documents], 3)
    tokens = save_shards(iter(documents), counts, tokenizer_of("words", documents), tmp_path / "of")
    assert tokens == sum(len(each.text.split()) for each in documents)
    return tmp_path / "of"


def test_a_folder_is_opened_again(folder: Path) -> None:
    documents = made_up(0)
    one = index_documents(documents, tokenizer_of("words", documents))
    many = open_indexed(folder)
    hold_alike(one, many, documents[7].text)
    assert sorted(each.name for each in folder.iterdir()) == [
        "manifest.json",
        *("shard-0", "shard-1", "shard-2"),
    ]
    parts = [open_indexed(folder / f"shard-{number}") for number in range(3)]
    assert sum(part.count("the cat") for part in parts) == one.count("the cat") > 0
    with pytest.raises(OutputExists):
        save_shards(documents, [len(documents)], many.tokenizer, folder)
    with pytest.raises(ForetellError, match="stand in a folder"):
        save_indexed(many, folder.parent / "copy")


def test_a_missing_shard_is_named(folder: Path) -> None:
    shutil.rmtree(folder / "shard-1")
    with pytest.raises(DamagedModel, match=r"shard-1/.* is missing"):
        open_indexed(folder)


def test_shards_in_another_order_are_refused(folder: Path) -> None:
    (folder / "shard-0").rename(folder / "kept")
    (folder / "shard-2").rename(folder / "shard-0")
    (folder / "kept").rename(folder / "shard-2")
    with pytest.raises(DamagedModel, match=r"shard-[02]/.* is damaged"):
        open_indexed(folder)


def test_a_foreign_shard_is_refused(folder: Path) -> None:
    documents = made_up(3)
    shutil.rmtree(folder / "shard-2")
    save_indexed(
        index_documents(documents, open_indexed(folder / "shard-0").tokenizer), folder / "shard-2"
    )
    with pytest.raises(DamagedModel, match=r"shard-2/.* is damaged"):
        open_indexed(folder)
    # Sealed again, but of another tokenizer.
    facts = check_seal(folder / "shard-2") | {
        "format": "foretell-index-shards-1",
        "shards": ["shard-0", "shard-1", "shard-2"],
    }
    shutil.rmtree(folder / "shard-2")
    save_indexed(index_documents(documents, Bytes()), folder / "shard-2")
    seal(folder, facts)
    with pytest.raises(DamagedModel, match=r"not the one that the index in \S*shard-2 was"):
        open_indexed(folder)


def test_damage_in_a_shard_is_named(folder: Path) -> None:
    places = folder / "shard-1" / "places.bin"
    places.write_bytes(places.read_bytes()[::-1])
    with pytest.raises(DamagedModel, match=r"shard-1/places\.bin is damaged"):
        open_indexed(folder)


@pytest.mark.parametrize("counts", [[2, 6], [2, 8], [12, 1]])
def test_a_text_that_changed_is_refused(counts: list[int], tmp_path: Path) -> None:
    with pytest.raises(TextError, match="changed"):
        save_shards(made_up(0), counts, Bytes(), tmp_path / "of")
    assert not list(tmp_path.iterdir())
