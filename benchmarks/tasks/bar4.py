"""Bad input, by the command line as a user meets it: each ends with 2 and one line that says what
is wrong and, where it is a row, which; and nothing is written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.result import Result, foretell, say

MANY = 100_000


@dataclass(frozen=True)
class Bad:
    """What a user might give. says: what has to stand in the line, such as the row."""

    name: str
    task: str
    files: dict[str, bytes]
    says: Sequence[str]
    options: Sequence[str] = ()
    given: str = "a.jsonl"
    """What the command is told to read."""
    action: str = "train"
    """If it is another one, good.jsonl is learned from before."""


def measure(*, quick: bool) -> Result:
    del quick
    found = {bad.name: _try(bad) for bad in _all()}
    return Result(all(each["refused"] for each in found.values()), found)


def _try(bad: Bad) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, content in bad.files.items():
            (folder / name).write_bytes(content)
        first = ["task", bad.task, "train", "good.jsonl", "--out", "m", "--budget", "1 pass"]
        if bad.action != "train" and (done := foretell(first, folder=folder)).code != 0:
            raise RuntimeError(done.err)
        before = sorted(path.name for path in folder.rglob("*"))
        model = ["m"] if bad.action != "train" else []
        command = ["task", bad.task, bad.action, *model, bad.given, *bad.options]
        done = foretell(command, folder=folder)
        lines = [line for line in done.err.splitlines() if line.strip()]
        found = {
            "code": done.code,
            "said": lines[-1] if lines else "",
            "refused": done.code == 2
            and len(lines) == 1
            and not done.out
            and all(word in done.err for word in bad.says)
            and sorted(path.name for path in folder.rglob("*")) == before,
        }
    say(f"{bad.name}: {found['refused']}, {found['said']}")
    return found


def _lines(rows: Iterable[object]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _labels(*changes: tuple[int, dict[str, str]], count: int = 40) -> bytes:
    """Rows with a text and a label, some of them changed, by number from 1."""
    rows = [{"text": f"text number {n}", "label": "ab"[n % 2]} for n in range(count)]
    for number, change in changes:
        rows[number - 1] |= change
    return _lines(rows)


def _csv(bad: bytes) -> bytes:
    rows = [f"text number {n},{'ab'[n % 2]}".encode() for n in range(40)]
    rows[6] = bad
    return b"text,label\n" + b"\n".join(rows) + b"\n"


def _all() -> list[Bad]:
    good = _labels()
    request = {"text": "fly to Rome", "spans": [[7, 11, "city"]], "label": "flight"}
    sentence = {"words": ["She", "ran"], "predicates": [{"index": 1, "args": [[0, 1, "ARG0"]]}]}
    outside = {"words": ["She", "ran"], "predicates": [{"index": 1, "args": [[0, 3, "ARG0"]]}]}
    no_word = {"words": ["She", "ran"], "predicates": [{"index": 2, "args": []}]}
    quiz = {"text": "What?", "choices": ["this", "that"], "target": "this"}
    many = _lines({"text": f"text {n}", "label": f"label {n % MANY}"} for n in range(2 * MANY))
    return [
        Bad(
            "wrong column", "classify", {"a.jsonl": good}, ["kind", "--label"], ("--label", "kind")
        ),
        Bad("wrong text", "sentiment", {"a.jsonl": good}, ["words"], ("--text", "words")),
        Bad(
            "unknown label in dev",
            "classify",
            {"a.jsonl": good, "dev.jsonl": _labels((3, {"label": "c"}))},
            ["dev.jsonl:3", "c"],
            ("--dev", "dev.jsonl"),
        ),
        Bad(
            "unknown label in a test",
            "classify",
            {"good.jsonl": good, "a.jsonl": _labels((3, {"label": "c"}))},
            ["a.jsonl:3", "c"],
            action="evaluate",
        ),
        Bad("empty text", "classify", {"a.jsonl": _labels((5, {"text": " "}))}, ["a.jsonl:5"]),
        Bad("empty label", "classify", {"a.jsonl": _labels((5, {"label": ""}))}, ["a.jsonl:5"]),
        Bad(
            "a label seen once",
            "classify",
            {"a.jsonl": _labels((9, {"label": "c"}))},
            ["a.jsonl:9"],
        ),
        Bad("100,000 labels", "classify", {"a.jsonl": many}, ["100,000"]),
        Bad("mixed encodings", "classify", {"a.csv": _csv(b"caf\xe9,a")}, ["a.csv:8"], (), "a.csv"),
        Bad(
            "too few cells",
            "classify",
            {"a.csv": _csv(b"alone")},
            ["a.csv:8"],
            (),
            "a.csv",
        ),
        Bad("broken JSON", "classify", {"a.jsonl": good + b'{"text": \n'}, ["a.jsonl:41"]),
        Bad("no rows", "classify", {"a.jsonl": b""}, ["a.jsonl"]),
        Bad("no file", "classify", {}, ["a.jsonl"]),
        Bad(
            "spans outside the text",
            "understand",
            {"a.jsonl": _lines([request] * 9 + [request | {"spans": [[7, 30, "city"]]}])},
            ["a.jsonl:10"],
        ),
        Bad(
            "spans that overlap",
            "understand",
            {"a.jsonl": _lines([request, request | {"spans": [[0, 6, "a"], [4, 11, "b"]]}])},
            ["a.jsonl:2"],
        ),
        Bad(
            "roles outside the sentence",
            "roles",
            {"a.jsonl": _lines([sentence] * 4 + [outside])},
            ["a.jsonl:5"],
        ),
        Bad(
            "a predicate that is no word",
            "roles",
            {"a.jsonl": _lines([sentence] * 4 + [no_word])},
            ["a.jsonl:5"],
        ),
        Bad(
            "files of different length",
            "translate",
            {"a.en": b"one\ntwo\nthree\n", "a.de": b"eins\nzwei\n"},
            ["a.en", "a.de"],
            given="a.en,a.de",
        ),
        Bad(
            "a right answer that is no choice",
            "answer",
            {"a.jsonl": _lines([quiz] * 3 + [quiz | {"target": "other"}])},
            ["a.jsonl:4"],
            ("--choices", "choices"),
        ),
        Bad(
            "topics that are not there",
            "generate",
            {"a.jsonl": good},
            ["tune"],
            ("--topic", "tune"),
        ),
    ]
