import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.corpus.index import FACTS, Index, Match, Names, build_index, index_stream, open_index

B = 0
TEXTS = [[1, 2, 1], [], [2, 2, 1, 2], [3]]
NAMES = ["a.txt", "b.txt:1", "b.txt:2", "深.txt"]


def index_of(texts: list[list[int]], size: int = 4, names: list[str] | None = None) -> Index:
    return build_index(
        [np.array(text, np.int32) for text in texts],
        names=names or [str(number) for number in range(len(texts))],
        vocabulary_size=size,
        boundary=B,
        tokenizer_fingerprint="abc",
    )


@pytest.fixture(scope="module")
def index() -> Index:
    return index_of(TEXTS, names=NAMES)


def test_the_stream_has_a_boundary_before_and_after_each_document(index: Index) -> None:
    assert index.stream.tolist() == [B, 1, 2, 1, B, B, 2, 2, 1, 2, B, 3, B]
    assert index.stream.dtype == np.uint16
    assert index.documents.tolist() == [1, 5, 6, 11, 13]
    assert len(index) == 8
    assert [index.document(number).tolist() for number in range(4)] == TEXTS
    assert [index.document_at(place) for place in (0, 1, 4, 5, 6, 10, 11, 12)] == [
        *(0, 0, 0, 1, 2, 2, 3, 3)
    ]


def test_wide_vocabularies_take_wide_tokens() -> None:
    index = index_of([[1, 70_000, 1, 70_000]], size=70_001)
    assert index.stream.dtype == np.uint32
    assert index.count([1, 70_000]) == 2
    # The same bits in 16 of them.
    assert index.count([1, 70_000 - 65_536]) == 0


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 3), max_size=12), min_size=1, max_size=6),
    st.lists(st.integers(0, 4), max_size=10),
)
def test_counts_and_matches_are_those_of_the_documents(
    texts: list[list[int]], phrase: list[int]
) -> None:
    index = index_of(texts)
    lines = [[B, *text, B] for text in texts]

    def count(tokens: list[int]) -> int:
        """In each document by itself, so that nothing can cross from one into another."""
        size = len(tokens)
        return sum(
            line[k : k + size] == tokens for line in lines for k in range(len(line) - size + 1)
        )

    plain = [token for token in phrase if token != B]
    if plain:
        assert index.count(plain) == count(plain)
        assert index.count([B, *plain]) == count([B, *plain])
        assert index.count([*plain, B]) == count([*plain, B])
        found = index.continuations(plain)
        following = Counter(
            line[k + len(plain)]
            for line in lines
            for k in range(len(line) - len(plain))
            if line[k : k + len(plain)] == plain
        )
        assert dict(zip(found.tokens.tolist(), found.counts.tolist(), strict=True)) == following
    lengths = index.match_lengths(phrase).tolist()
    for begin, length in enumerate(lengths):
        most = begin
        while most < len(phrase) and phrase[most] != B and count(phrase[begin : most + 1]):
            most += 1
        assert length == most - begin
    after = phrase[len(phrase) - 1 - phrase[::-1].index(B) :] if B in phrase else phrase
    longest = max((n for n in range(1, len(after) + 1) if count(after[-n:])), default=0)
    match = index.longest_suffix(phrase)
    if after != [B]:
        assert match.length == longest
        assert longest == 0 or match.high - match.low == count(after[-longest:])


def test_after_a_boundary_comes_what_documents_begin_with(index: Index) -> None:
    found = index.continuations([B])
    assert found.tokens.tolist() == [B, 1, 2, 3]
    assert found.counts.tolist() == [1, 1, 1, 1]


def test_after_nothing_comes_everything(index: Index) -> None:
    found = index.continuations([])
    assert dict(zip(found.tokens.tolist(), found.counts.tolist(), strict=True)) == Counter(
        index.stream.tolist()
    )
    assert index.longest_suffix([]) == Match(0, 0, 13)
    assert index.longest_suffix([9]) == Match(0, 0, 13)


def test_a_boundary_inside_is_refused(index: Index) -> None:
    for ask in (index.count, index.find, index.continuations):
        with pytest.raises(ValueError, match="boundary"):
            ask([1, B, 2])


def test_busy_contexts_answer_as_others_do() -> None:
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 600, 20_000)]
    index = build_index(texts, names=["a"], vocabulary_size=600, boundary=B)
    assert len(index.busy.rows) == 1
    expected = Counter(index.stream.tolist())
    found = index.continuations([])
    assert dict(zip(found.tokens.tolist(), found.counts.tolist(), strict=True)) == expected


def test_what_was_saved_is_opened_again(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path)
    again = open_index(tmp_path)
    for field in ("stream", "places", "documents"):
        array = getattr(again, field)
        np.testing.assert_array_equal(array, getattr(index, field))
        assert array.dtype == getattr(index, field).dtype
        assert not array.flags.writeable
    assert list(again.names) == NAMES
    assert again.names[1:3] == NAMES[1:3]
    assert again.names[-1] == NAMES[-1]
    assert (again.vocabulary_size, again.boundary) == (4, B)
    assert again.tokenizer_fingerprint == "abc"
    assert again.count([2, 1]) == 2


def test_arrays_are_read_only(index: Index) -> None:
    with pytest.raises(ValueError, match="read-only"):
        index.stream[0] = 1


def test_the_texts_are_left_alone() -> None:
    stream = np.array([B, 258, 1, B], np.int32)
    index = index_stream(stream, names=["a"], vocabulary_size=300, boundary=B)
    stream[1] = 1
    assert index.count([258, 1]) == 1


@pytest.mark.parametrize("name", ["stream", "places", "documents", "names.letters", "names.ends",
                                  "busy.rows", "busy.begins"])  # fmt: skip
def test_a_cut_file_is_named(name: str, index: Index, tmp_path: Path) -> None:
    index.save(tmp_path)
    file = tmp_path / f"{name}.bin"
    file.write_bytes(file.read_bytes()[:-1] if file.stat().st_size else b"1")
    wrong = "names.ends" if name == "names.letters" else name
    with pytest.raises(DamagedModel, match=f"{wrong}.bin"):
        open_index(tmp_path)
    file.unlink()
    with pytest.raises(DamagedModel, match=f"{name}.bin"):
        open_index(tmp_path)


def test_damaged_facts_are_named(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path)
    facts = json.loads((tmp_path / FACTS).read_text())
    for damaged in ("", "{}", "[1]", json.dumps({**facts, "tokens": "x"})):
        (tmp_path / FACTS).write_text(damaged)
        with pytest.raises(DamagedModel, match=r"index\.json"):
            open_index(tmp_path)


def test_files_of_another_index_of_the_same_size_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folders = []
    for number in range(2):
        texts = [rng.integers(1, 4, 500).tolist(), rng.integers(1, 4, 500 - number).tolist()]
        texts.append([1] * number)
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        index_of(texts).save(folders[-1])
    for name in ("places", "documents"):
        mine, theirs = (folder / f"{name}.bin" for folder in folders)
        kept = mine.read_bytes()
        assert len(kept) == theirs.stat().st_size
        mine.write_bytes(theirs.read_bytes())
        with pytest.raises(DamagedModel, match=f"{name}.bin"):
            open_index(folders[0])
        mine.write_bytes(kept)
    open_index(folders[0])


def test_places_outside_the_stream_are_refused(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path)
    for place in (-1, 13):
        places = index.places.copy()
        places[3] = place
        (tmp_path / "places.bin").write_bytes(places.tobytes())
        with pytest.raises(DamagedModel, match=r"places\.bin"):
            open_index(tmp_path)


def test_each_number_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """One changed at a time, in an index of which all neighbours are looked at."""
    rng = np.random.default_rng(0)
    whole = index_of([rng.integers(1, 600, 1500).tolist(), rng.integers(1, 9, 50).tolist()], 600)
    whole.save(tmp_path)
    assert len(whole.busy.rows) == 1
    changes = {
        "stream": (5, 600, 599),
        "places": (7, whole.places[8], whole.places[9]),
        "documents": (1, 77, 1500),
        "busy.rows": (0, -1, 1 << 30),
        "busy.begins": (1, 0, 3),
        "busy.counts": (9, whole.busy.counts[9] + 1, 0),
        "busy.tokens": (9, whole.busy.tokens[10], 1 << 30),
    }
    for name, (at, *values) in changes.items():
        file = tmp_path / f"{name}.bin"
        kept = file.read_bytes()
        kind = {"stream": "<u2", "documents": "<i8", "busy.begins": "<i8"}.get(name, "<i4")
        for value in values:
            numbers = np.frombuffer(kept, kind).copy()
            numbers[at] = value
            file.write_bytes(numbers.tobytes())
            with pytest.raises(DamagedModel, match=r"\.bin is missing or damaged"):
                open_index(tmp_path)
        file.write_bytes(kept + b"1")
        with pytest.raises(DamagedModel, match=f"{name}.bin"):
            open_index(tmp_path)
        file.write_bytes(kept)
    open_index(tmp_path)


def test_what_cannot_be_indexed_is_refused() -> None:
    with pytest.raises(ForetellError, match="no text"):
        index_of([])
    with pytest.raises(ValueError, match="boundary"):
        index_of([[1, B]])
    with pytest.raises(ValueError, match="not in 0"):
        index_of([[9]])
    with pytest.raises(ValueError, match="3 names for 1 documents"):
        index_of([[1]], names=["a", "b", "c"])
    for stream in ([1, B, B], [B, B, 1]):
        with pytest.raises(ValueError, match="begins and ends"):
            index_stream(np.array(stream), names=["a"], vocabulary_size=2, boundary=B)


def test_names_may_be_any_text() -> None:
    names = ["", "a\nb", "深", "\udcff"]
    assert list(Names.of(names)) == names
    assert list(Names.of([])) == []
