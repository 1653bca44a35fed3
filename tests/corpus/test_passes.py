"""A pass from the disk has every target once, in any order of blocks, and can begin anywhere."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foretell.contracts.tokenizer import Encoding
from foretell.corpus import token_shards
from foretell.corpus.batches import Batch, lanes, pack
from foretell.corpus.passes import Pass, cut_blocks
from foretell.corpus.token_shards import Shard, TokenDocuments, open_tokens, write_tokens
from foretell.tokenizers import Bytes

Arrange = Callable[..., Iterator[Batch]]


class Counting(Bytes):
    """The text `5 9` is the tokens 5, 6, 7, 8: so that every token of a corpus is unique."""

    vocabulary_size = 200_000
    boundary = 199_999

    def encode(self, text: str) -> Encoding:
        tokens = np.arange(*map(int, text.split()), dtype=np.int32)
        return Encoding(tokens, np.ones(len(tokens), np.int32))


def write(folder: Path, lengths: list[int], *, shard: int = 200, chunk: int = 40) -> TokenDocuments:
    ends = np.cumsum([1, *lengths]).tolist()
    texts = [f"{first} {last}" for first, last in pairwise(ends)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_shards, "CHUNK_CHARACTERS", chunk)
        folder.mkdir()
        write_tokens(texts, Counting(), folder, shard_tokens=shard)
    return open_tokens(folder)


def read(batches: Iterator[Batch]) -> list[bytes]:
    return [
        b"".join(x.tobytes() for x in (batch.tokens, batch.targets, batch.scored))
        for batch in batches
    ]


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=60),
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(1, 80),
    st.integers(1, 300),
    st.integers(0, 9),
)
@pytest.mark.parametrize("arrange", [pack, lanes])
def test_every_target_is_scored_once_and_batches_are_counted(
    tmp_path_factory: pytest.TempPathFactory,
    arrange: Arrange,
    lengths: list[int],
    rows: int,
    width: int,
    block: int,
    window: int,
    number: int,
) -> None:
    documents = write(tmp_path_factory.mktemp("tokens") / "out", lengths)
    made = Pass(documents, arrange, rows, width, (3, number), block, window)
    batches = list(made)
    assert len(batches) == len(made)
    # The boundary ends every document: it is foretold once for each.
    found = Counter(t for batch in batches for t in batch.targets[batch.scored].tolist())
    assert found.pop(Counting.boundary) == len(lengths)
    assert found == Counter(range(1, sum(lengths) + 1))
    assert all(len(batch.tokens) <= rows for batch in batches)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> TokenDocuments:
    lengths = np.random.default_rng(1).integers(0, 40, 300).tolist()
    return write(tmp_path_factory.mktemp("tokens") / "out", lengths, shard=1500)


def small(documents: TokenDocuments, arrange: Arrange, *key: int) -> Pass:
    return Pass(documents, arrange, 3, 8, (key[0], key[1]), block_tokens=100, window_tokens=900)


@pytest.mark.parametrize("arrange", [pack, lanes])
def test_a_pass_begins_at_any_batch(arrange: Arrange, documents: TokenDocuments) -> None:
    whole = read(iter(small(documents, arrange, 0, 1)))
    assert len(small(documents, arrange, 0, 1).windows) > 4
    for done in range(0, len(whole) + 1, 7):
        assert read(small(documents, arrange, 0, 1).since(done)) == whole[done:]
    assert read(small(documents, arrange, 0, 1).since(len(whole))) == []


@pytest.mark.parametrize("arrange", [pack, lanes])
def test_the_key_decides_the_order(arrange: Arrange, documents: TokenDocuments) -> None:
    assert read(iter(small(documents, arrange, 3, 1))) == read(
        iter(small(documents, arrange, 3, 1))
    )
    assert read(iter(small(documents, arrange, 3, 1))) != read(
        iter(small(documents, arrange, 3, 2))
    )
    assert read(iter(small(documents, arrange, 3, 1))) != read(
        iter(small(documents, arrange, 4, 1))
    )


def test_a_window_is_all_that_is_read_and_comes_from_everywhere(
    documents: TokenDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    before = Shard.read

    def spy(shard: Shard, first: int, last: int) -> list[np.ndarray]:
        found = before(shard, first, last)
        seen.extend(int(document[1]) for document in found if len(document) > 2)
        return found

    monkeypatch.setattr(Shard, "read", spy)
    made = small(documents, pack, 0, 0)
    next(iter(made))
    total = documents.tokens
    tokens = sum(int(block.lengths.sum()) for block in made.windows[0])
    assert tokens < 1100 < total / 4
    assert len(seen) <= sum(block.last - block.first for block in made.windows[0])
    assert min(seen) < 0.25 * total
    assert max(seen) > 0.75 * total
    seen.clear()
    next(made.since(len(made) - 1))
    # The last window alone: those before it are counted, not read.
    assert len(seen) <= sum(block.last - block.first for block in made.windows[-1])


def test_blocks_hold_every_document_once(documents: TokenDocuments) -> None:
    blocks = cut_blocks(documents.shards, 100)
    assert sum(block.last - block.first for block in blocks) == len(documents)
    for one, two in pairwise(blocks):
        assert two.first == (one.last if one.shard is two.shard else 0)
        assert int(one.lengths.sum()) < 250


def test_nothing_makes_an_empty_pass(tmp_path: Path) -> None:
    made = Pass(write(tmp_path / "out", []), pack, 2, 4, (0, 0))
    assert len(made) == 0
    assert list(made) == []
