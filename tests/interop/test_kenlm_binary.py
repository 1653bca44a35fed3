"""KenLM's binaries: what is written is read back, and damage is named."""

from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import DamagedModel, ForetellError, OutputExists
from foretell.interop.kenlm_binary import read_kenlm_binary, write_probing
from foretell.interop.kenlm_layout import MAGIC, NAME, PARAMETERS
from foretell.interop.kenlm_probing import Probing, build
from foretell.models.ngram import NGram, Smoothing, estimate
from foretell.models.ngram.trie import Builder, Recipe
from foretell.tokenizers.bytes import Bytes
from foretell.tokenizers.whitespace import Whitespace
from tests.interop.kenlm_models import queries, train


def read_probing(path: Path) -> Probing:
    found = read_kenlm_binary(path)
    assert isinstance(found, Probing)
    return found


def rows(model: NGram, lines: list[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (B, T) of lines with the boundary behind them, and how many (B,)."""
    encoded = [[*model.tokenizer.encode(line.decode()).tokens, 1] for line in lines]
    lengths = np.array([len(line) for line in encoded], np.int32)
    tokens = np.zeros((len(encoded), lengths.max()), np.int32)
    for row, line in enumerate(encoded):
        tokens[row, : len(line)] = line
    return tokens, lengths


@pytest.mark.parametrize(("order", "prune"), [(2, (0,)), (3, (0,)), (5, (0, 0, 1))])
def test_a_written_file_scores_as_the_model(
    tmp_path: Path, order: int, prune: tuple[int, ...]
) -> None:
    model = train(order, seed=order, lines=300, prune=prune)
    write_probing(model, tmp_path / "lm")
    found = read_probing(tmp_path / "lm")
    assert found.order == order
    assert list(found.tokenizer.words()) == list(model.tokenizer.words())
    tokens, lengths = rows(model, queries(order))
    np.testing.assert_allclose(
        found.score(tokens, lengths=lengths), model.score(tokens, lengths=lengths), atol=2e-6
    )


def test_a_boundary_inside_a_row_begins_a_new_text(tmp_path: Path) -> None:
    model = train(3)
    write_probing(model, tmp_path / "lm")
    tokens = np.array([[3, 4, 1, 3, 4, 0, 1, 1, 5]], np.int32)
    found = read_probing(tmp_path / "lm").score(tokens)
    np.testing.assert_allclose(found, model.score(tokens), atol=2e-6)


def test_ngrams_without_their_suffix_get_it() -> None:
    def trie(tokens: list[list[int]], children: list[list[int]]) -> NGram:
        builder = Builder(Recipe(3, 4, 1, (), (), "test", ()))
        for n in range(3):
            given = np.array(tokens[n], np.uint32)
            logprobs = -1 - given.astype(np.float32)
            builder.add(
                given,
                logprobs,
                None if n == 2 else logprobs / 8,
                np.array(children[n - 1]) if n else None,
            )
        return NGram(builder.finish(), Whitespace.of([b"a", b"b"]))

    # "a b a" is there without "b a".
    model = trie([[0, 1, 2, 3], [2, 3], [2]], [[0, 0, 1, 2, 2], [0, 0, 1]])
    tokens = np.array([[2, 3, 2, 2, 3, 2, 0, 2]], np.int32)
    np.testing.assert_allclose(build(model).score(tokens), model.score(tokens), atol=2e-6)


def test_what_kenlm_cannot_hold_is_refused(tmp_path: Path) -> None:
    text = Bytes().encode("the cat").tokens
    of_bytes = NGram(estimate([text], vocabulary_size=257, boundary=256, order=2), Bytes())
    with pytest.raises(ForetellError, match="train with --tokenizer whitespace"):
        write_probing(of_bytes, tmp_path / "lm")
    with pytest.raises(ForetellError, match="order 2 or more"):
        write_probing(train(1), tmp_path / "lm")
    with pytest.raises(ForetellError, match="above 1"):
        write_probing(train(2), tmp_path / "lm", multiplier=1.0)
    assert list(tmp_path.iterdir()) == []
    write_probing(train(2), tmp_path / "lm", multiplier=1.01)
    with pytest.raises(OutputExists):
        write_probing(train(2), tmp_path / "lm")
    write_probing(train(2), tmp_path / "lm", replace=True)


def test_a_file_without_spellings_still_knows_its_words(tmp_path: Path) -> None:
    built = build(train(3))
    data = bytearray(built.bytes[: len(built.bytes) - len(built.spellings)].tobytes())
    data[len(MAGIC) + 12] = 0
    (tmp_path / "lm").write_bytes(data)
    found = read_probing(tmp_path / "lm")
    assert found.number(b"w3") == built.number(b"w3") != 0
    assert found.number(b"nowhere") == 0
    with pytest.raises(ForetellError, match="no spellings"):
        _ = found.tokenizer
    tokens = np.array([[2, 3, 1]], np.int32)
    np.testing.assert_array_equal(found.score(tokens), built.score(tokens))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no KenLM binary"),
        (b"\\data\\\nngram 1=3\n", "no KenLM binary"),
        (NAME + b" incomplete\n", "header: its building was interrupted"),
        (NAME + b" format version 4\n" + bytes(200), "header: not of format version 5"),
        (MAGIC, "header: the file ends after 88 bytes"),
        (MAGIC + bytes([3]) + bytes(40), "header: the file ends after 129 bytes"),
        (MAGIC + bytes([3]) + bytes(60), "header: counts of n-grams"),
        (MAGIC + PARAMETERS.pack(3, 1.5, 9, 1, 0) + bytes(40), "header: kind 9"),
        (MAGIC + PARAMETERS.pack(3, 0.5, 0, 1, 0) + b"\1" * 24, "header: counts of n-grams"),
        (MAGIC + PARAMETERS.pack(2, 0.5, 0, 1, 0) + b"\1" + bytes(15), "header: 0.5 slots"),
        (MAGIC + PARAMETERS.pack(2, 1.5, 0, 1, 5) + b"\1" + bytes(15), "header: version 5"),
        (MAGIC + bytes([1]) + bytes(40), "header: order 1"),
    ],
)
def test_foreign_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "lm").write_bytes(content)
    with pytest.raises(DamagedModel, match=message) as caught:
        read_kenlm_binary(tmp_path / "lm")
    assert "\n" not in str(caught.value)


def test_cut_files_are_refused(tmp_path: Path) -> None:
    whole = build(train(3)).bytes.tobytes()
    for size in range(0, len(whole), 97):
        (tmp_path / "lm").write_bytes(whole[:size])
        with pytest.raises(DamagedModel):
            read_kenlm_binary(tmp_path / "lm")
    (tmp_path / "lm").write_bytes(whole + b"x\0")
    with pytest.raises(DamagedModel, match="words"):
        read_kenlm_binary(tmp_path / "lm")


def test_altered_files_are_refused_or_score(tmp_path: Path) -> None:
    built = build(train(3))
    whole, draw = built.bytes.tobytes(), np.random.default_rng(7)
    tokens = draw.integers(0, 12, (4, 20)).astype(np.int32)
    end = len(whole) - len(built.spellings)
    refused = {"keys": 0, "words": 0}
    for _ in range(400):
        place, bit = int(draw.integers(len(whole))), int(draw.integers(8))
        data = bytearray(whole)
        data[place] ^= 1 << bit
        (tmp_path / "lm").write_bytes(data)
        try:
            found = read_probing(tmp_path / "lm")
        except DamagedModel:
            refused["words"] += place >= end
            continue
        assert place < end, "a spelling is another one"
        assert np.isfinite(found.score(tokens)).all()
    assert refused["words"] > 0
    slots = int(built.places[-1])
    table = end - 12 * slots
    filled = np.flatnonzero(built.bytes[table:end].view("<u4").reshape(-1, 3)[:, 0])[:40]
    lost = 0
    for slot in filled.tolist():
        data = bytearray(whole)
        data[table + 12 * slot + 5] ^= 4
        (tmp_path / "lm").write_bytes(data)
        try:
            read_kenlm_binary(tmp_path / "lm")
        except DamagedModel as problem:
            lost += f"order 3: the entry in slot {slot} is lost" in str(problem)
    # A key that is another one may name a slot close before.
    assert lost >= 0.8 * len(filled)


def test_a_full_table_does_not_hang(tmp_path: Path) -> None:
    built = build(train(3))
    data = built.bytes.copy()
    end = len(data) - len(built.spellings)
    data[end - 12 * int(built.places[-1]) : end] = 255
    (tmp_path / "lm").write_bytes(data.tobytes())
    with pytest.raises(DamagedModel, match="order 3"):
        read_kenlm_binary(tmp_path / "lm")
    found = read_kenlm_binary(tmp_path / "lm", check=False)
    assert found.score(np.array([[2, 3, 4]], np.int32)).shape == (1, 3)


def test_smoothing_is_what_the_file_holds() -> None:
    """Half of 3-grams pruned: some n-grams have no longer ones, and say so by minus zero."""
    model = train(3, lines=300, prune=(0, 0, 2))
    assert Smoothing().order == 5
    built = build(model)
    below = model.trie.orders[1]
    ends = np.count_nonzero(np.diff(below.children.astype(np.int64)) == 0)
    at, slots = built.places[5], built.places[6]
    table = built.data[at : at + 4 * slots].reshape(-1, 4)
    full = (table[:, 0] != 0) | (table[:, 1] != 0)
    assert np.count_nonzero(table[full, 3] == 0x80000000) == ends
