"""Two fields of a record as one document."""

import json
from pathlib import Path

import pytest

from foretell.contracts.errors import TextError
from foretell.corpus.pairs import Pair, load_pairs


def write(file: Path, rows: list[dict]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def test_pairs_are_cleaned_and_split_whole(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    more = "and so on " * 40
    rows = [
        {"q": f" what\x1e is {n}? {n * n}问", "a": f"it is {n}\r\n{n + 7} {more}"}
        for n in range(90)
    ]
    write(file, [*rows, rows[0]])
    corpus = load_pairs(file, field="q", answer="a")
    assert corpus.documents == 90
    assert corpus.set_aside == 1
    parts = corpus.split
    texts = [d.text for part in (parts.train, parts.stopping, parts.tuning, parts.held_out)
             for d in part]  # fmt: skip
    pairs = {Pair.of(text) for text in texts}
    assert pairs == {
        (f"what is {n}? {n * n}问", f"it is {n}\n{n + 7} {more}".strip()) for n in range(90)
    }


def test_a_record_without_an_answer_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    write(file, [{"q": "a", "a": "b"}, {"q": "c", "a": " "}])
    with pytest.raises(TextError, match=r"pairs\.jsonl:2 has nothing in a"):
        load_pairs(file, field="q", answer="a")
    with pytest.raises(TextError, match="no field 'reply'"):
        load_pairs(file, field="q", answer="reply")
