"""A text that is not held: passages, parts and what is learned, whatever the order and pieces."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.contracts.corpus import Document
from foretell.contracts.errors import TextError
from foretell.corpus import streaming
from foretell.corpus.splits import cut_passages, place_of, split
from foretell.corpus.streaming import Cutter, is_large, read_learned, read_stream, survey

DRAW = random.Random(4)
WORDS = ["sea", "calm", "tonight", "深海", "。", "\n", "\n\n", "cliff. ", "light, "]
STORIES = [" ".join(DRAW.choices(WORDS, k=60)) + f" {number}" for number in range(400)]


def write_records(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    return path


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=400), st.integers(1, 70), st.integers(1, 200))
def test_passages_do_not_depend_on_the_pieces(words: list[str], piece: int, size: int) -> None:
    text = " ".join(words)
    pieces = [text[start : start + piece] for start in range(0, len(text), piece)]
    cutter = Cutter(size_bytes=size, whole_bytes=3 * size)
    found = list(cutter(pieces))
    assert "".join(found) == text
    if len(text.encode()) <= 3 * size:
        assert found == [text]
    else:
        assert found == [each.text for each in cut_passages(Document(text, ""), size)]
    assert cutter.has_cut == (len(text.encode()) > 3 * size)


def test_long_texts_are_cut_and_short_ones_stay_whole(tmp_path: Path) -> None:
    long = "\n\n".join(STORIES)
    (tmp_path / "a.txt").write_text(long, "utf-8")
    (tmp_path / "b.txt").write_text("short\r\nand e\u0301\n", "utf-8")
    write_records(tmp_path / "c.jsonl", ["one", " \n", "two\x00", long])
    found = list(read_stream(tmp_path))
    passages = [each.text for each in cut_passages(Document(long, ""), streaming.PASSAGE_BYTES)]
    assert len(passages) > 20
    assert found == [*passages, "short\nand é\n", "one", "two", *passages]


def test_a_survey_keeps_a_few_back_and_the_rest_is_learned(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.jsonl", STORIES)
    found = survey(path)
    learned = list(read_learned(path, found))
    assert (found.documents, found.bytes) == (400, sum(len(each.encode()) for each in STORIES))
    assert not found.passages
    assert "Chinese" in found.languages
    assert sorted([*learned, *found.held_out, *found.stopping]) == sorted(STORIES)
    assert set(found.sample) <= set(learned)
    assert 0.03 * found.bytes < sum(len(each.encode()) for each in found.held_out)
    assert sum(len(each.encode()) for each in found.held_out) <= 0.06 * found.bytes


def test_a_part_has_two_documents_at_least(tmp_path: Path) -> None:
    found = survey(write_records(tmp_path / "a.jsonl", STORIES[:20]))
    assert len(found.held_out) >= 2
    assert len(found.stopping) == 2


def test_the_parts_are_those_of_the_split_in_memory(tmp_path: Path) -> None:
    found = survey(write_records(tmp_path / "a.jsonl", STORIES))
    parts = split([Document(text, "") for text in STORIES])
    for streamed, held in ((found.held_out, parts.held_out), (found.stopping, parts.stopping)):
        texts = {document.text for document in held}
        assert set(streamed) <= texts or texts <= set(streamed)


@pytest.mark.parametrize("most", [2000, 9000, 100_000])
def test_parts_do_not_depend_on_the_order(
    most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOST_JUDGED_BYTES", "MOST_STOPPING_BYTES", "SAMPLE_BYTES"):
        monkeypatch.setattr(streaming, name, most + 1000 * (name == "SAMPLE_BYTES"))
    monkeypatch.setattr(streaming, "FEWEST_IN_A_PART", 0)
    sizes = [text[: random.Random(text).randrange(20, 400)] for text in STORIES]
    shuffled = sizes.copy()
    random.Random(1).shuffle(shuffled)
    one = survey(write_records(tmp_path / "a.jsonl", sizes))
    two = survey(write_records(tmp_path / "b.jsonl", shuffled))
    for part in ("held_out", "stopping", "sample"):
        assert set(getattr(one, part)) == set(getattr(two, part))
        assert sum(len(text.encode()) for text in getattr(one, part)) <= most + 1000


def test_copies_of_what_is_kept_back_are_not_learned(tmp_path: Path) -> None:
    held_out = survey(write_records(tmp_path / "a.jsonl", STORIES)).held_out
    copies = [text.replace(" ", "  ") for text in held_out]
    path = write_records(tmp_path / "b.jsonl", [*copies[1:], *STORIES, *held_out])
    found = survey(path)
    kept = {place_of(text, 0) for text in (*found.held_out, *found.stopping)}
    assert len(kept) == len(found.held_out) + len(found.stopping)
    assert kept.isdisjoint(place_of(text, 0) for text in read_learned(path, found))
    assert len(found.kept_back) > len(kept)


def test_the_seed_moves_the_parts(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.jsonl", STORIES)
    assert survey(path).held_out == survey(path).held_out
    assert survey(path).held_out != survey(path, seed=1).held_out


def test_a_text_that_changes_is_refused(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.jsonl", STORIES)
    found = survey(path)
    write_records(path, STORIES[:-1])
    with pytest.raises(TextError, match="was changed while it was read"):
        list(read_learned(path, found))


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a few words\n")
    with pytest.raises(TextError, match="too few documents to keep some back"):
        survey(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text(" \n")
    with pytest.raises(TextError, match="no text but white space"):
        survey(tmp_path / "a.txt")
    with pytest.raises(TextError, match="does not exist"):
        survey(tmp_path / "nowhere.txt")


def test_large_is_what_would_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "LARGE_BYTES", 1000)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "pack").write_bytes(b"x" * 5000)
    (tmp_path / "a.txt").write_text("x" * 600)
    assert not is_large(tmp_path)
    assert not is_large(tmp_path / "nowhere.txt")
    (tmp_path / "b.txt").write_text("x" * 600)
    assert is_large(tmp_path)
    assert not is_large(tmp_path / "b.txt")
