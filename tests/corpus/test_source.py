import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from foretell.contracts.corpus import fingerprint_texts
from foretell.contracts.errors import TextError
from foretell.corpus import source
from foretell.corpus.source import LoadedCorpus, load_corpus

DRAW = random.Random(5)
POEMS = ["".join(chr(0x4E00 + DRAW.randrange(800)) for _ in range(60)) + "。" for _ in range(300)]


def names(corpus: LoadedCorpus) -> set[str]:
    parts = corpus.split
    every = (*parts.train, *parts.stopping, *parts.tuning, *parts.held_out)
    return {document.name for document in every}


def test_a_folder_of_poems(tmp_path: Path) -> None:
    records = [
        {"paragraphs": [poem, "e\u0301"]} for poem in [*POEMS, POEMS[0], POEMS[1][:-1] + "！"]
    ]
    records.append({"paragraphs": ["\ufeff \r\n"]})
    (tmp_path / "a.json").write_text(json.dumps(records))
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\0")
    corpus = load_corpus(tmp_path, field="paragraphs")
    kept = [f"{poem}\né" for poem in POEMS]
    assert corpus.title == f"{tmp_path}/"
    assert (corpus.documents, corpus.set_aside, corpus.skipped_files) == (300, 2, 1)
    assert corpus.bytes == sum(len(text.encode()) for text in kept)
    assert corpus.fingerprint == fingerprint_texts(kept)
    assert corpus.languages == "Chinese"
    assert corpus.leak_share == 0
    assert not corpus.split.passages
    assert names(corpus) == {f"a.json:{i}" for i in range(1, 301)}
    assert load_corpus(tmp_path, field="paragraphs") == corpus
    assert load_corpus(tmp_path, field="paragraphs", seed=1).split != corpus.split


def test_copied_passages_of_one_file_stand_once(tmp_path: Path) -> None:
    refrain = "the same " * 63 + "\n\n"
    verses = ["".join(DRAW.choices("abcdefg ", k=565)) + "\n\n" for _ in range(150)]
    path = tmp_path / "song.txt"
    path.write_text("".join(verse + refrain * (i % 5 == 0) * 3 for i, verse in enumerate(verses)))
    corpus = load_corpus(path)
    assert (corpus.title, corpus.documents) == (str(path), 1)
    assert corpus.split.passages
    assert corpus.set_aside > 0
    parts = corpus.split
    every = (*parts.train, *parts.stopping, *parts.tuning, *parts.held_out)
    assert len({document.text.strip() for document in every}) == len(every)


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a few words\n")
    with pytest.raises(TextError, match="too short to split: 12 bytes make 1 documents; give at"):
        load_corpus(path)
    path.write_text(" \n\t\n")
    with pytest.raises(TextError, match="no text but white space"):
        load_corpus(path)
    with pytest.raises(TextError, match="built-in text has no field"):
        load_corpus(None, field="text")


def test_the_built_in_text(monkeypatch: pytest.MonkeyPatch) -> None:
    real = source.builtin_documents
    monkeypatch.setattr(source, "builtin_documents", lambda: list(real())[:200])
    corpus = load_corpus(None)
    assert "built in" in corpus.title
    assert corpus.languages == "English"
    assert corpus.documents > 150
    assert corpus.split.held_out


def test_importing_is_light() -> None:
    script = (
        "import foretell.corpus.source, sys\n"
        "heavy = {'datasketch', 'scipy', 'pyarrow', 'zstandard', 'torch'} & set(sys.modules)\n"
        "sys.stdout.write(' '.join(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
