"""Tokens on the disk are the tokens of the texts, and are not held."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.contracts.corpus import fingerprint_texts
from foretell.corpus import token_shards
from foretell.corpus.batches import with_boundaries
from foretell.corpus.token_shards import TokenDocuments, open_tokens, write_tokens
from foretell.tokenizers import Bytes

TEXTS = ["the sea", "", "深海 is deep", "a" * 90, "\n", "the end"]


def write(folder: Path, texts: list[str], tokenizer: Bytes, **keyed: int) -> TokenDocuments:
    folder.mkdir()
    write_tokens(texts, tokenizer, folder, **keyed)  # type: ignore[arg-type]
    return open_tokens(folder)


def expected(texts: list[str]) -> list[list[int]]:
    tokenizer = Bytes()
    tokens = [tokenizer.encode(text).tokens for text in texts]
    return [document.tolist() for document in with_boundaries(tokens, tokenizer.boundary)]


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(max_size=30), max_size=30), st.integers(1, 60), st.integers(1, 60))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], shard: int, chunk: int
) -> None:
    out = tmp_path_factory.mktemp("tokens") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_shards, "CHUNK_CHARACTERS", chunk)
        documents = write(out, texts, Bytes(), shard_tokens=shard)
    assert [each.tolist() for each in documents] == expected(texts)
    assert [documents[i].tolist() for i in range(len(texts))] == expected(texts)
    assert documents.fingerprint == fingerprint_texts(texts)
    assert documents.tokenizer_fingerprint == Bytes().fingerprint
    assert documents.tokens == sum(len(text.encode()) for text in texts)
    assert len(documents) == len(texts)


def test_documents_are_a_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_shards, "CHUNK_CHARACTERS", 10)
    documents = write(tmp_path / "out", TEXTS, Bytes(), shard_tokens=20)
    assert len(documents.shards) > 1
    assert documents[-1].tolist() == expected(TEXTS)[-1]
    assert [each.tolist() for each in documents[1:5:2]] == expected(TEXTS)[1:5:2]
    assert documents[0].dtype == np.int32
    with pytest.raises(IndexError):
        documents[len(TEXTS)]


def test_a_wide_vocabulary_takes_32_bits(tmp_path: Path) -> None:
    class Wide(Bytes):
        """Bytes whose boundary does not fit into 16 bits."""

        vocabulary_size = 70_001
        boundary = 70_000

    documents = write(tmp_path / "out", ["ab"], Wide())
    assert documents[0].tolist() == [70_000, 97, 98, 70_000]
    assert (tmp_path / "out" / "00000.tokens").stat().st_size == 16
    narrow = write(tmp_path / "narrow", ["ab"], Bytes())
    assert (tmp_path / "narrow" / "00000.tokens").stat().st_size == 8
    assert narrow[0].tolist() == [256, 97, 98, 256]


def test_progress_counts_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_shards, "CHUNK_CHARACTERS", 10)
    told: list[int] = []
    write_tokens(TEXTS * 4, Bytes(), tmp_path, progress=told.append)
    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == sum(len(text.encode()) for text in TEXTS * 4)


def test_neither_writing_nor_reading_holds_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_shards, "CHUNK_CHARACTERS", 1 << 14)
    text, times = "The sea is calm tonight. " * 40, 4000

    def texts() -> Iterator[str]:
        for number in range(times):
            yield f"{number} {text}"

    tracemalloc.start()
    try:
        write_tokens(texts(), Bytes(), tmp_path, shard_tokens=1 << 20)
        documents = open_tokens(tmp_path)
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        total = sum(len(document) for document in documents)
        read = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > times * len(text)
    # Of these tokens, which take 4 bytes each in memory.
    assert written < total * 4 * 0.1
    assert read < total * 4 * 0.05
