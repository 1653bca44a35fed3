"""GGUF files: what is written is read, by us and by the `gguf` package; what is bad is named."""

import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter
from numpy.typing import NDArray

from foretell.contracts.errors import DamagedModel, OutputExists
from foretell.interop.gguf import Fact, Texts, read_gguf, write_gguf
from foretell.interop.gguf_blocks import BY_NAME, Kind

FACTS: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "明月 moon",
    "llama.context_length": 128,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
    "tokenizer.ggml.add_bos_token": True,
    "tokenizer.ggml.tokens": ["a", "", "Ġthe", "月"],
    "tokenizer.ggml.token_type": np.array([1, 3, 1, 1], np.int32),
    "tokenizer.ggml.scores": np.array([0.5, -1.5, 0, 2], np.float32),
}


def tensors() -> dict[str, tuple[Kind, NDArray[np.float32]]]:
    rng = np.random.default_rng(0)
    return {
        "one": (BY_NAME["F32"], rng.normal(size=7).astype(np.float32)),
        "two.weight": (BY_NAME["F16"], rng.normal(size=(3, 5)).astype(np.float16).astype("f4")),
        "three": (BY_NAME["Q8_0"], rng.normal(size=(2, 3, 64)).astype(np.float32)),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    write_gguf(path, FACTS, tensors())
    return path


def same(found: Fact, expected: Any) -> bool:
    if isinstance(found, Texts):
        return list(found) == expected
    if isinstance(found, np.ndarray):
        return found.dtype == expected.dtype and np.array_equal(found, expected)
    if isinstance(expected, float):
        return isinstance(found, float) and abs(found - expected) < 1e-7 * expected
    return type(found) is type(expected) and found == expected


def test_what_is_written_is_read(path: Path) -> None:
    found = read_gguf(path)
    assert list(found.facts) == list(FACTS)
    assert all(same(found.facts[name], value) for name, value in FACTS.items())
    texts = found.facts["tokenizer.ggml.tokens"]
    assert isinstance(texts, Texts)
    assert (texts[3], texts[1:3], len(texts)) == ("月", ["", "Ġthe"], 4)
    for name, (kind, weights) in tensors().items():
        assert found.tensors[name].kind is kind
        assert found.tensor(name).shape == weights.shape
        np.testing.assert_allclose(found.tensor(name), weights, atol=0.02)
    assert np.array_equal(found.tensor("two.weight"), tensors()["two.weight"][1])


def test_the_package_reads_what_we_write(path: Path) -> None:
    reader = GGUFReader(path)
    ours = read_gguf(path)
    for name, value in FACTS.items():
        found = reader.fields[name].contents()
        if isinstance(value, np.ndarray):
            found = np.array(found, value.dtype)
        assert same(found, value) or found == value
    for tensor in reader.tensors:
        stored = ours.tensors[tensor.name]
        assert tuple(int(side) for side in tensor.shape) == stored.shape[::-1]
        assert tensor.data_offset == stored.start
        assert tensor.n_bytes == stored.bytes


def test_we_read_what_the_package_writes(tmp_path: Path) -> None:
    path = tmp_path / "theirs.gguf"
    writer = GGUFWriter(path, "gpt2")
    writer.add_custom_alignment(64)
    writer.add_token_list(["a", "月"])
    writer.add_array("numbers", [1, -2, 3])
    writer.add_array("flags", [True, False])
    writer.add_uint64("large", 2**40)
    writer.add_float64("fine", 0.1)
    weights = np.random.default_rng(3).normal(size=(4, 8)).astype(np.float32)
    writer.add_tensor("half", weights.astype(np.float16))
    writer.add_tensor("whole", weights)
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    found = read_gguf(path)
    assert found.facts["general.architecture"] == "gpt2"
    assert found.facts["large"] == 2**40
    assert found.facts["fine"] == 0.1
    assert list(found.facts["numbers"]) == [1, -2, 3]  # type: ignore[arg-type]
    assert list(found.facts["flags"]) == [True, False]  # type: ignore[arg-type]
    assert list(found.facts["tokenizer.ggml.tokens"]) == ["a", "月"]  # type: ignore[arg-type]
    assert np.array_equal(found.tensor("whole"), weights)
    assert np.array_equal(found.tensor("half"), weights.astype(np.float16).astype(np.float32))


def test_nothing_is_overwritten_and_nothing_half_written(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(OutputExists):
        write_gguf(path, {}, {})
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="makes no blocks of 32"):
        write_gguf(
            path.with_name("new"), {}, {"odd": (BY_NAME["Q8_0"], np.zeros((2, 33), np.float32))}
        )
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_tensor_that_is_not_there_is_named(path: Path) -> None:
    with pytest.raises(DamagedModel, match=r"there is no tensor output\.weight"):
        read_gguf(path).tensor("output.weight")


def head(tensors: int, facts: int, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, facts) + rest


def text(content: bytes) -> bytes:
    return struct.pack("<Q", len(content)) + content


def tensor(name: bytes, sides: tuple[int, ...], kind: int = 0, place: int = 0) -> bytes:
    packed = struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, kind, place)
    return text(name) + packed


PADS = bytes(400)
BAD = {
    "is empty": b"",
    "is no GGUF file": b"PK\x03\x04",
    "the version goes on beyond the end": b"GGUF\x03",
    "the version is 1": head(0, 0, version=1),
    "the number of tensors is 4294967296, more than": head(2**32, 0, PADS),
    "the number of facts is 9, for which the file is too short": head(0, 9, b"abc"),
    "the length of the name of fact 0 is 1000, for": head(0, 1, struct.pack("<Q", 1000) + b"abcde"),
    "the name of fact 0 is no UTF-8": head(0, 1, text(b"\xff\xfe") + PADS),
    "the name of fact 1 is 'a', which stood there": head(
        0, 2, (text(b"a") + struct.pack("<IB", 0, 1)) * 2 + PADS
    ),
    "fact 'a' has values of kind 77": head(0, 1, text(b"a") + struct.pack("<I", 77) + PADS),
    "fact 'a' has values of kind 9,": head(0, 1, text(b"a") + struct.pack("<II", 9, 9) + PADS),
    "the number of texts in fact 'a' is 1152921504606846976, more than": head(
        0, 1, text(b"a") + struct.pack("<IIQ", 9, 8, 2**60)
    ),
    "the number of values in fact 'a' is 1000000, more than": head(
        0, 1, text(b"a") + struct.pack("<IIQ", 9, 5, 10**6) + PADS
    ),
    "text 1 in fact 'a' goes on beyond": head(
        0, 1, text(b"a") + struct.pack("<IIQ", 9, 8, 2) + text(b"b") + text(b"c" * 9)[:-1]
    ),
    "tensor 'a' has 5 sides": head(1, 0, tensor(b"a", (1,) * 5) + PADS),
    r"tensor 'a' has sides \(33,\), of which Q8_0": head(1, 0, tensor(b"a", (33,), 8) + PADS),
    r"tensor 'a' has sides \(0,\)": head(1, 0, tensor(b"a", (0,)) + PADS),
    "tensor 'a' is of kind 99": head(1, 0, tensor(b"a", (4,), 99) + PADS),
    "tensor 'a' goes on beyond": head(1, 0, tensor(b"a", (2**40, 2**40)) + PADS),
    "tensor 'a' begins at no multiple of 32": head(1, 0, tensor(b"a", (4,), place=8) + PADS),
    "tensor 'b' begins inside of another": head(
        2, 0, tensor(b"a", (16,)) + tensor(b"b", (4,), place=32) + PADS
    ),
    "general.alignment is 0": head(
        0, 1, text(b"general.alignment") + struct.pack("<II", 4, 0) + PADS
    ),
}


@pytest.mark.parametrize("said", BAD)
def test_what_is_bad_is_named(said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(BAD[said])
    began = time.perf_counter()
    with pytest.raises(DamagedModel, match=said):
        read_gguf(path)
    assert time.perf_counter() - began < 0.01


def test_no_mutation_does_more_than_raise(path: Path) -> None:
    """Bytes changed, cut and repeated, mostly in the head."""
    whole = path.read_bytes()
    bad = path.with_name("bad.gguf")
    rng = np.random.default_rng(5)
    opened = 0
    for _ in range(2000):
        changed = bytearray(whole)
        for at in rng.integers(0, 900, rng.integers(1, 5)):
            changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
        if rng.random() < 0.2:
            del changed[rng.integers(len(changed)) :]
        if rng.random() < 0.2:
            at = rng.integers(900)
            changed[at:at] = changed[at : at + rng.integers(40)]
        bad.write_bytes(changed)
        try:
            found = read_gguf(bad)
        except DamagedModel:
            continue
        opened += 1
        with np.errstate(all="ignore"):
            assert all(found.tensor(name).nbytes < 8 * len(whole) for name in found.tensors)
    assert 100 < opened < 1900
