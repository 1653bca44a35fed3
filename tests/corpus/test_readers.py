import csv
import gzip
import json
import os
from pathlib import Path

import pytest
import zstandard

from foretell.contracts.errors import MissingExtra, TextError
from foretell.corpus.readers import ReadReport, read_documents

POEMS = ["床前明月光，疑是地上霜。", "海内存知己，天涯若比邻。"]


def read(path: Path, field: str | None = None) -> list[tuple[str, str]]:
    return [(document.name, document.text) for document in read_documents(path, field=field)]


def refusal(path: Path, field: str | None = None) -> str:
    with pytest.raises(TextError) as caught:
        read(path, field)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.rst", "a.py", "README"])
def test_a_text_file_is_one_document(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("深 sea\n", encoding="utf-8")
    assert read(tmp_path / name) == [(name, "深 sea\n")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood_and_gone(tmp_path: Path, encoding: str) -> None:
    text = "深 sea\n" * 30_000  # longer than a chunk, with characters across its ends
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert read(tmp_path / "a.txt") == [("a.txt", text)]


def test_jsonl_takes_text_or_the_named_field_and_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one", "title": "1"}\n\n{"text": null, "title": ["2", "3"]}')
    assert read(path) == [("a.jsonl:1", "one"), ("a.jsonl:3", "")]
    assert read(path, "title") == [("a.jsonl:1", "1"), ("a.jsonl:3", "2\n3")]


@pytest.mark.parametrize("indent", [None, 2])
def test_json_array_is_read_as_a_stream(tmp_path: Path, indent: int | None) -> None:
    records = [
        {"paragraphs": [f"{i}。", POEMS[i % 2] * (i % 7)], "n": {"x": [i]}} for i in range(5000)
    ]
    path = tmp_path / "poems.json"
    path.write_text(json.dumps(records, ensure_ascii=False, indent=indent), encoding="utf-8")
    expected = [(f"poems.json:{i}", "\n".join(r["paragraphs"])) for i, r in enumerate(records, 1)]
    assert read(path, "paragraphs") == expected


def test_json_strings_and_values_in_a_row(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('["one", "two"]\n["three"]')
    assert [text for _, text in read(path)] == ["one", "two", "three"]
    path.write_text('{"text": "one"}\n{"text": "two"}\n')
    assert [text for _, text in read(path)] == ["one", "two"]


def test_tables(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [["id", "text"], ["1", "two\nlines, 两行"], ["2", "x" * 200_000]]
        )
    assert read(tmp_path / "a.csv") == [("a.csv:3", "two\nlines, 两行"), ("a.csv:4", "x" * 200_000)]
    (tmp_path / "a.tsv").write_text('verse\n"tis a lone mark\nsecond\n')
    assert read(tmp_path / "a.tsv") == [("a.tsv:2", '"tis a lone mark'), ("a.tsv:3", "second")]
    assert "fields are id, text" in refusal(tmp_path / "a.csv", "verse")
    (tmp_path / "b.csv").write_text("id,text\n1,a,b\n")
    assert "b.csv:2 has 3 columns" in refusal(tmp_path / "b.csv")
    (tmp_path / "c.csv").write_text('id,text\n1,"open\n2,b\n')
    assert "not a valid table" in refusal(tmp_path / "c.csv")


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_parquet(tmp_path: Path, suffix: str) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    plain = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"text": POEMS, "lines": [["a", "b"], None]}), plain)
    path = plain.with_name(plain.name + suffix)
    path.write_bytes(compress(plain.read_bytes(), suffix))
    assert read(path) == [(f"{path.name}:1", POEMS[0]), (f"{path.name}:2", POEMS[1])]
    assert [text for _, text in read(path, "lines")] == ["a\nb", ""]
    assert "fields are text, lines" in refusal(path, "verse")


def test_damaged_parquet_and_missing_pyarrow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    pytest.importorskip("pyarrow")
    assert "damaged" in refusal(tmp_path / "a.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r'pip install "foretell\[parquet\]"'):
        read(tmp_path / "a.parquet")


def compress(data: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(data)
    return zstandard.ZstdCompressor().compress(data) if suffix == ".zst" else data


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_files_and_their_damage(tmp_path: Path, suffix: str) -> None:
    text = "".join(f"{i} 深 sea\n" for i in range(40_000))
    path = tmp_path / f"a.txt{suffix}"
    whole = compress(text.encode(), suffix)
    path.write_bytes(whole)
    assert read(path) == [(path.name, text)]
    path.write_bytes(whole + compress(b"more", suffix))
    assert read(path) == [(path.name, text + "more")]
    path.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refusal(path)
    path.write_bytes(b"not compressed at all")
    assert "damaged" in refusal(path)
    lines = tmp_path / f"b.jsonl{suffix}"
    lines.write_bytes(compress(b'{"text": "one"}\n{"text": "two"}\n', suffix))
    assert [text for _, text in read(lines)] == ["one", "two"]


def test_folder_is_walked_in_order_and_says_what_it_skipped(tmp_path: Path) -> None:
    for name in ["b.txt", "a/z.txt", "a/b.jsonl", ".git/config", ".hidden"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('{"text": "x"}')
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    (tmp_path / "empty.txt").touch()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    report = ReadReport()
    seen: list[tuple[int, int]] = []
    documents = read_documents(
        tmp_path, report=report, progress=lambda done, total: seen.append((done, total))
    )
    assert [document.name for document in documents] == ["a/b.jsonl:1", "a/z.txt", "b.txt"]
    assert sorted(report.skipped) == [".git", ".hidden", "empty.txt", "gone", "photo.jpg"]
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_field_in_a_folder_is_for_the_records(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("plain")
    (tmp_path / "b.jsonl").write_text('{"verse": "x"}\n')
    assert [text for _, text in read(tmp_path, "verse")] == ["plain", "x"]
    (tmp_path / "c.jsonl").write_text('{"prose": "x"}\n')
    assert "c.jsonl:1 has no field 'verse'; its fields are prose" in refusal(tmp_path, "verse")


def test_binary_files_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF")
    assert refusal(path) == (
        f"{path} is not text (first bytes ff d8 ff e0). Give a .txt, .md, .jsonl, .csv, .parquet "
        "file or a folder of them."
    )
    (tmp_path / "a.txt").write_bytes(b"some text\0")
    assert "is not text (first bytes 73 6f 6d 65)" in refusal(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("".join(POEMS) * 3, "gb18030"),
        ("床前明月光，疑是地上霜。我的" * 3, "big5"),
        ("Un café noir à la crème, s'il vous plaît", "windows-1252"),
    ],
)
def test_other_encodings_are_refused_with_a_conversion(
    tmp_path: Path, text: str, encoding: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    message = refusal(path)
    assert f"{path}:1 is not UTF-8 (byte " in message
    assert f"iconv -f {encoding} -t utf-8 {path}" in message


def test_a_bad_byte_is_found_far_into_the_file(tmp_path: Path) -> None:
    good = ("深 sea\n" * 40_000).encode()
    (tmp_path / "a.txt").write_bytes(good + b"\xff" + good)
    said = refusal(tmp_path / "a.txt")
    assert f"a.txt:40001 is not UTF-8 (byte {len(good)}: ff e6 b7 b1). Most of it is" in said
    (tmp_path / "b.txt").write_bytes(good + "深".encode()[:2])
    assert f"(byte {len(good)}: e6 b7)" in refusal(tmp_path / "b.txt")


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none.txt")
    assert "holds no text (0 files skipped)" in refusal(tmp_path)
    (tmp_path / "a.txt").touch()
    assert "is empty" in refusal(tmp_path / "a.txt")
    assert "(1 files skipped)" in refusal(tmp_path)
    (tmp_path / "a.jsonl").write_text("\n\n")
    assert "holds no text." in refusal(tmp_path / "a.jsonl")
    os.mkfifo(tmp_path / "pipe")
    assert "neither a file nor a folder" in refusal(tmp_path / "pipe")


def test_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")

    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    assert f"cannot read {path}: permission denied" in refusal(path)


def test_broken_json_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n{"text": "two"\n')
    assert "a.jsonl:2 is not valid JSON" in refusal(tmp_path / "a.jsonl")
    records = ",\n".join('{"text": "one"}' for _ in range(20_000))
    (tmp_path / "b.json").write_text(f'[{records},\n{{"text" "two"}}]')
    assert "b.json:20001 is not valid JSON" in refusal(tmp_path / "b.json")
    (tmp_path / "c.json").write_text('[{"text": "one"}')
    assert "c.json:1 is not valid JSON" in refusal(tmp_path / "c.json")


def test_fields_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"verse": "x", "year": 8}\n')
    message = refusal(path)
    assert "a.jsonl:1 has no field 'text'; its fields are verse, year" in message
    assert "--field" in message
    assert "no text" in refusal(path, "year")
    path.write_text("[1, 2]\n")
    assert "not a record" in refusal(path)
    (tmp_path / "a.txt").write_text("x")
    assert "is plain text and has no field 'verse'" in refusal(tmp_path / "a.txt", "verse")
