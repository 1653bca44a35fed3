"""A few hundred real examples of each application, of what the rows learn from; no test half is
opened to be learned from or looked at."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.tasks import atis, role_rows, rows, songci, text_rows

EACH, TESTS = 300, 60
LABELS = ("text", "label")


class Small(NamedTuple):
    """Files of one application."""

    name: str
    train: Path
    test: Path
    fields: tuple[str, ...] = ()
    """Options that say where texts and answers stand."""


def write_all(data: Path, folder: Path) -> list[Small]:
    """Raises FileNotFoundError if data is not there."""
    poems = songci.split_poems(data / songci.PLACE, folder)["train"]
    requests = atis.read_into(data / "nlu/atis/train", folder / "requests.jsonl")
    sentences = role_rows.ROWS["ewt"].read(data / role_rows.ROWS["ewt"].folder)[0][0]
    return [
        _write(folder, "translate", _texts(data, "multi30k", "en-de")),
        _write(folder, "summarize", _texts(data, "scitldr", "dev")),
        _write(folder, "answer", _texts(data, "cmrc", "dev"), "--second", "second"),
        _write(folder, "generate", _lines(poems), "--text", "paragraphs", "--topic", "rhythmic"),
        _write(folder, "sentiment", _labels(data, "chnsenticorp")),
        _write(folder, "classify", _labels(data, "trec6")),
        _write(folder, "understand", _lines(requests)),
        _write(folder, "roles", sentences),
    ]


def _texts(data: Path, row: str, part: str) -> list[dict[str, Any]]:
    return text_rows.ROWS[row][part].read(data)[0]["train"]


def _labels(data: Path, row: str) -> list[dict[str, Any]]:
    return [dict(zip(LABELS, each, strict=True)) for each in rows.ROWS[row].read(data)["train"]]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _write(folder: Path, name: str, records: Iterable[dict[str, Any]], *fields: str) -> Small:
    left = iter(records)
    files = []
    for part, count in (("train", EACH), ("test", TESTS)):
        files.append(folder / f"{name}-{part}.jsonl")
        lines = (json.dumps(each, ensure_ascii=False) + "\n" for each in islice(left, count))
        files[-1].write_text("".join(lines), "utf-8")
    return Small(name, *files, fields)
