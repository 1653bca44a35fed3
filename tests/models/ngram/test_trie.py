import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretell.contracts.errors import DamagedModel
from foretell.models.ngram.smoothing import estimate
from foretell.models.ngram.trie import MANIFEST, Trie, _sign, load_trie


def build() -> Trie:
    texts = [np.array(text, np.int32) for text in ([1, 2, 1, 3], [2, 1], [3, 3, 1, 2])]
    return estimate(texts, vocabulary_size=5, boundary=0, order=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build().save(tmp_path, tokenizer="fingerprint")
    return tmp_path


def assert_damaged(folder: Path, name: str) -> None:
    with pytest.raises(DamagedModel) as caught:
        load_trie(folder)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_children_of_a_context_lie_side_by_side() -> None:
    trie = build()
    for below, order in zip(trie.orders, trie.orders[1:], strict=False):
        assert below.children[0] == 0
        assert below.children[-1] == len(order.tokens)
        for start, end in zip(below.children, below.children[1:], strict=False):
            assert (np.diff(order.tokens[start:end]) > 0).all()
        childless = np.diff(below.children) == 0
        assert (below.backoffs[childless] == 0).all()
        assert (below.backoffs[~childless] < 0).all()
    assert len(trie.orders[-1].children) == 0


def test_what_is_loaded_is_what_was_saved(folder: Path) -> None:
    trie, tokenizer = load_trie(folder)
    assert tokenizer == "fingerprint"
    assert trie.recipe == build().recipe
    for mine, theirs in zip(trie.orders, build().orders, strict=True):
        for field in ("tokens", "logprobs", "backoffs", "children"):
            np.testing.assert_array_equal(getattr(mine, field), getattr(theirs, field))
            assert getattr(mine, field).dtype == getattr(theirs, field).dtype


def test_an_order_without_ngrams_is_saved_and_loaded(tmp_path: Path) -> None:
    trie = estimate([np.array([1])], vocabulary_size=2, boundary=0, order=5, prune=(0, 9))
    trie.save(tmp_path, tokenizer="")
    loaded, _ = load_trie(tmp_path)
    assert [len(order.tokens) for order in loaded.orders] == [2, 0, 0, 0, 0]
    line = np.array([[0, 1, 0]])
    known = np.ones(line.shape, bool)
    np.testing.assert_array_equal(
        loaded.score(line, known).logprobs, trie.score(line, known).logprobs
    )
    assert np.exp(loaded.distributions(line, known, 3)).sum(-1) == pytest.approx(1)


def test_every_file_is_missed(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        path.unlink()
        assert_damaged(folder, path.name)
        path.mkdir()
        assert_damaged(folder, path.name)
        path.rmdir()
        path.write_bytes(content)
    load_trie(folder)


def test_every_cut_or_grown_file_is_found(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        if content:
            for size in {0, 1, len(content) // 2, len(content) - 2}:
                path.write_bytes(content[:size])
                assert_damaged(folder, path.name)
        path.write_bytes(content + b"x")
        assert_damaged(folder, path.name)
        path.write_bytes(content)
    load_trie(folder)


def test_every_flipped_bit_is_found(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for place in range(len(content)):
            flipped = bytearray(content)
            flipped[place] ^= 1 << place % 8
            path.write_bytes(bytes(flipped))
            assert_damaged(folder, path.name)
        path.write_bytes(content)
    load_trie(folder)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", "7", '"x"', "{}", '{"format": []}', "[" * 100_000, "9" * 5000, "\x00"],
    ids=range(11),
)
def test_a_manifest_that_is_none_is_found(folder: Path, content: str) -> None:
    (folder / MANIFEST).write_text(content)
    assert_damaged(folder, MANIFEST)


WRONG_VALUES = [None, [], {}, "x", -1, 0, 1.5, True, 10**30, float("inf"), [[1]], {"a": 1}]


def paths(value: Any, here: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The place of every value in nested dictionaries."""
    if not isinstance(value, dict):
        return [here]
    return [here] * bool(here) + [p for k, v in value.items() for p in paths(v, (*here, k))]


def test_a_signed_manifest_of_wrong_types_loads_or_is_damaged_and_nothing_else(
    folder: Path,
) -> None:
    """What a program that signs would have to get wrong: each value in turn, of each type."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    # What no other part of a folder can contradict, if it is of the right type.
    free = {"compat": str, "notices": list, "tokenizer": str, "boundary": int, "checksum": object}
    for path in paths(manifest):
        for wrong in WRONG_VALUES:
            changed = json.loads(json.dumps(manifest))
            place = changed
            for name in path[:-1]:
                place = place[name]
            right = place[path[-1]]
            place[path[-1]] = wrong
            changed["checksum"] = _sign(changed)
            (folder / MANIFEST).write_text(json.dumps(changed))
            try:
                load_trie(folder)
            except DamagedModel:
                continue
            fits = isinstance(wrong, free.get(path[-1], ())) or wrong == right
            assert fits, (path, wrong)


def test_a_manifest_of_a_later_version_says_so(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["version"] = 2
    manifest["checksum"] = _sign(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(DamagedModel, match="has version 2, this foretell reads 1"):
        load_trie(folder)
