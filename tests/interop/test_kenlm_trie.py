"""Files that KenLM's `build_binary` made, of models that the tests can make again.

`kenlm_golden.json` holds them, packed by zlib, in base 85: the probing file is of `ARPA`, the
others are of `train(3, seed=5, lines=40)`, written as ARPA. `-q 8 -b 8` and `-a 22` where it says
quantised and array; there are so few n-grams that 8 bits lose nothing.
"""

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.interop.arpa import read_arpa
from foretell.interop.kenlm_binary import read_kenlm_binary
from foretell.interop.kenlm_layout import MAGIC
from foretell.interop.kenlm_probing import Probing, build
from foretell.models.ngram import NGram
from tests.interop.kenlm_models import ARPA, train

GOLDEN = {
    kind: zlib.decompress(base64.b85decode("".join(lines)))
    for kind, lines in json.loads(
        Path(__file__).with_name("kenlm_golden.json").read_text("utf-8")
    ).items()
}
TRIES = [kind for kind in GOLDEN if kind != "probing"]


def read_golden(kind: str, folder: Path, data: bytes | None = None) -> NGram:
    (folder / "lm").write_bytes(GOLDEN[kind] if data is None else data)
    found = read_kenlm_binary(folder / "lm")
    assert isinstance(found, NGram)
    return found


def spelled(model: NGram, order: int) -> dict[tuple[bytes, ...], tuple[float, float]]:
    """Each n-gram of an order, its log-probability and its back-off."""
    words, these = list(model.tokenizer.words()), model.trie.orders[order - 1]
    left = np.zeros(len(these)) if these.highest else these.backoffs
    return {
        tuple(words[token] for token in gram): (float(logprob), float(backoff))
        for gram, logprob, backoff in zip(
            model.trie.grams(order).tolist(), these.logprobs, left, strict=True
        )
    }


@pytest.mark.parametrize("kind", TRIES)
def test_every_ngram_of_kenlms_file_is_there(kind: str, tmp_path: Path) -> None:
    found, expected = read_golden(kind, tmp_path), train(3, seed=5, lines=40)
    assert found.order == 3
    for order in (1, 2, 3):
        theirs, ours = spelled(found, order), spelled(expected, order)
        assert theirs.keys() == ours.keys()
        for gram, numbers in ours.items():
            assert theirs[gram] == pytest.approx(numbers, abs=1e-5)


def test_kenlms_probing_file_is_ours_to_the_bit_but_for_rounding(tmp_path: Path) -> None:
    (tmp_path / "lm.arpa").write_text(ARPA)
    (tmp_path / "lm").write_bytes(GOLDEN["probing"])
    built, found = build(read_arpa(tmp_path / "lm.arpa")), read_kenlm_binary(tmp_path / "lm")
    assert isinstance(found, Probing)
    assert len(found.bytes) == len(built.bytes)
    np.testing.assert_array_equal(found.spellings, built.spellings)
    # A last bit of a logarithm that went through natural ones and back may differ.
    assert np.abs(found.data.view(np.int32) - built.data.view(np.int32)).max() <= 2
    tokens = np.array([[2, 3, 4, 0, 2, 3, 1, 2]], np.int32)
    np.testing.assert_allclose(found.score(tokens), built.score(tokens), atol=1e-6)


@pytest.mark.parametrize("kind", TRIES)
def test_cut_tries_are_refused(kind: str, tmp_path: Path) -> None:
    whole = GOLDEN[kind]
    for size in range(0, len(whole), 61):
        with pytest.raises(DamagedModel):
            read_golden(kind, tmp_path, whole[:size])
    with pytest.raises(DamagedModel, match="words"):
        read_golden(kind, tmp_path, whole + b"x\0")


@pytest.mark.parametrize("kind", TRIES)
def test_altered_tries_are_refused_or_sound(kind: str, tmp_path: Path) -> None:
    whole, draw = GOLDEN[kind], np.random.default_rng(3)
    tokens = draw.integers(0, 12, (2, 12)).astype(np.int32)
    refused = 0
    for _ in range(100):
        data = bytearray(whole)
        data[int(draw.integers(len(whole)))] ^= 1 << int(draw.integers(8))
        try:
            found = read_golden(kind, tmp_path, bytes(data))
        except DamagedModel:
            refused += 1
            continue
        assert np.isfinite(found.score(tokens)).all()
    assert refused > 0


def test_a_trie_without_spellings_is_refused(tmp_path: Path) -> None:
    data = bytearray(GOLDEN["trie"])
    data[len(MAGIC) + 12] = 0
    with pytest.raises(ForetellError, match="no spellings"):
        read_golden("trie", tmp_path, bytes(data))
