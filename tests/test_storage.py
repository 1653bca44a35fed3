"""Folders are there whole or not at all, and a damaged one is always called damaged."""

import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest
import torch

from foretell import models
from foretell.contracts.errors import DamagedModel, OutputExists
from foretell.models.mixture import Mixture
from foretell.models.neural.gpt2 import GPT2, GPT2Sizes
from foretell.models.neural.network import NeuralModel, UnlimitedModel
from foretell.models.neural.recurrent import RecurrentNetwork, RecurrentSizes
from foretell.models.ngram import NGram, estimate
from foretell.models.sliding import Sliding
from foretell.storage import (
    MANIFEST,
    check_seal,
    locked,
    new_folder,
    refuse_existing,
    seal,
    size_of,
    write_text,
)
from foretell.tokenizers import Characters

TEXTS = ["the cat sat on the mat 床前明月光 " * 3, "a dog ate the hat " * 3]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "down" / "model"
    with new_folder(target) as draft:
        assert draft.is_dir()
        assert not target.exists()
        (draft / "a.txt").write_text("1")
        (draft / "part").mkdir()
        (draft / "part" / "b.txt").write_text("2")
    assert contents(target) == {"a.txt": b"1", "part/b.txt": b"2"}
    assert [each.name for each in target.parent.iterdir()] == ["model"]
    assert target.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [False, True])
def test_an_exception_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException], old: bool
) -> None:
    target = tmp_path / "model"
    if old:
        target.mkdir()
        (target / "a.txt").write_text("old")

    def write() -> None:
        with new_folder(target, replace=True) as draft:
            (draft / "a.txt").write_text("new")
            raise error

    with pytest.raises(error):
        write()
    assert contents(tmp_path) == ({"model/a.txt": b"old"} if old else {})
    assert len(list(tmp_path.iterdir())) == int(old)


def test_replacing_takes_the_place_of_the_old(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for text in ("old", "new"):
        with new_folder(target, replace=True) as draft:
            (draft / f"{text}.txt").write_text(text)
    assert contents(tmp_path) == {"model/new.txt": b"new"}
    with new_folder(target, replace=True) as draft:
        (draft / "x").write_text("")
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_what_exists_is_refused_at_once(tmp_path: Path) -> None:
    refuse_existing(tmp_path / "none")
    (tmp_path / "model").mkdir()
    (tmp_path / "file").write_text("mine")
    for name in ("model", "file"):
        with pytest.raises(OutputExists, match="exists already; name another"):
            refuse_existing(tmp_path / name)
        with pytest.raises(OutputExists), new_folder(tmp_path / name):
            pytest.fail("the block must not run")
        refuse_existing(tmp_path / name, replace=True)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_text_is_written_whole_in_the_place_of_an_older_one(tmp_path: Path) -> None:
    file = tmp_path / "sub" / "page.html"
    write_text(file, "one")
    write_text(file, "深\r\n")
    assert file.read_bytes() == "深\r\n".encode()
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "\ud800")
    assert file.read_bytes() == "深\r\n".encode()
    assert [each.name for each in file.parent.iterdir()] == ["page.html"]


def test_a_seal_gives_back_its_facts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10)
    facts = {"family": "深", "numbers": [1, 2.5, None], "nested": {"b": True}}
    seal(tmp_path, facts)
    assert check_seal(tmp_path) == facts
    seal(tmp_path, facts)  # An old manifest is no part of a new one.
    assert check_seal(tmp_path) == facts


def test_a_manifest_that_nests_without_end_is_damaged(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("[" * 200_000)
    with pytest.raises(DamagedModel, match=r"manifest\.json is damaged"):
        check_seal(tmp_path)


def test_size_of_counts_all_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a").write_bytes(b"x" * 10)
    (tmp_path / "sub" / "b").write_bytes(b"x" * 5)
    assert size_of(tmp_path) == 15


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DamagedModel, match="no folder"):
        check_seal(tmp_path / "none")
    with pytest.raises(DamagedModel, match="no foretell model"):
        check_seal(tmp_path)
    with pytest.raises(DamagedModel, match="no foretell model"):
        check_seal(tmp_path / "file")
    for manifest in ("", "[]", "null", "3", '"text"', "{}", '{"sha256": 1}', '{"files": 3}', "{"):
        (tmp_path / MANIFEST).write_text(manifest)
        with pytest.raises(DamagedModel, match=MANIFEST):
            check_seal(tmp_path)


@pytest.mark.parametrize("facts", [{}, {"format": "other", "family": "ngram"}])
def test_a_sealed_folder_of_another_kind_is_refused(tmp_path: Path, facts: dict) -> None:
    seal(tmp_path, facts)
    with pytest.raises(DamagedModel, match="does not know"):
        models.load(tmp_path)


def test_a_sealed_folder_that_lacks_what_its_family_needs_is_refused(tmp_path: Path) -> None:
    for family in models.FAMILIES:
        seal(tmp_path, {"format": models.FORMAT, "family": family})
        with pytest.raises(DamagedModel):
            models.load(tmp_path)


def build(family: str) -> models.LanguageModel:
    tokenizer = Characters.train(TEXTS)
    size = tokenizer.vocabulary_size
    tokens = [encoding.tokens for encoding in tokenizer.encode_many(TEXTS)]
    ngram = NGram(
        estimate(tokens, vocabulary_size=size, boundary=tokenizer.boundary, order=3), tokenizer
    )
    if family == "ngram":
        return ngram
    torch.manual_seed(0)
    lstm = UnlimitedModel(RecurrentNetwork(RecurrentSizes("lstm", size, 4, 6)), tokenizer)
    if family == "lstm":
        return lstm
    gpt = NeuralModel(GPT2(GPT2Sizes(size, 8, 8, 2, 1)), tokenizer)
    return Mixture([ngram, lstm, Sliding(gpt)], [1, 2, 1])


SAVED = ["ngram", "lstm", "mixture"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("saved")
    for family in SAVED:
        models.save(build(family), root / family)
    return {family: root / family for family in SAVED}


@pytest.mark.parametrize("family", SAVED)
@pytest.mark.parametrize("damage", ["cut", "flip", "flip first", "empty", "longer", "deletion"])
def test_damage_to_any_file_is_noticed_and_named(
    folders: dict[str, Path], tmp_path: Path, family: str, damage: str
) -> None:
    folder = tmp_path / "model"
    copytree(folders[family], folder)
    models.load(folder)
    names = sorted(contents(folder))
    assert MANIFEST in names
    assert len(names) > 4
    for name in names:
        file = folder / name
        whole = file.read_bytes()
        if damage == "deletion":
            file.unlink()
        else:
            middle = len(whole) // 2
            flipped = bytes([whole[middle] ^ 1]) if whole else b"x"
            file.write_bytes(
                {
                    "cut": whole[:middle] if whole else b"x",
                    "flip": whole[:middle] + flipped + whole[middle + 1 :],
                    "flip first": bytes([whole[0] ^ 0x80]) + whole[1:] if whole else b"x",
                    "empty": b"" if whole else b"x",
                    "longer": whole + b"{",
                }[damage]
            )
        with pytest.raises(DamagedModel) as refusal:
            models.load(folder)
        assert Path(name).name in str(refusal.value)
        file.write_bytes(whole)
    models.load(folder)


@pytest.mark.parametrize("family", SAVED)
def test_bits_all_over_a_manifest_count(
    folders: dict[str, Path], tmp_path: Path, family: str
) -> None:
    folder = tmp_path / "model"
    copytree(folders[family], folder)
    file = folder / MANIFEST
    whole = file.read_bytes()
    for place in range(0, len(whole), 1 + len(whole) // 40):
        for bit in (1, 8, 32):
            damaged = bytes([whole[place] ^ bit])
            file.write_bytes(whole[:place] + damaged + whole[place + 1 :])
            with pytest.raises(DamagedModel):
                check_seal(folder)
    # Without its last byte, a line feed, it says what it said.
    for cut in range(0, len(whole) - 1, 1 + len(whole) // 40):
        file.write_bytes(whole[:cut])
        with pytest.raises(DamagedModel):
            check_seal(folder)


@pytest.mark.parametrize("family", SAVED)
def test_saving_refuses_what_exists_and_replaces_on_request(tmp_path: Path, family: str) -> None:
    model = build(family)
    models.save(model, tmp_path / "model")
    before = contents(tmp_path)
    with pytest.raises(OutputExists):
        models.save(model, tmp_path / "model")
    models.save(model, tmp_path / "model", replace=True)
    assert contents(tmp_path) == before


def test_a_model_that_fails_while_saving_leaves_nothing(tmp_path: Path) -> None:
    class Full:
        family = "ngram"

        def save(self, folder: Path) -> None:
            (folder / "half").write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        models.save(Full(), tmp_path / "model")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_held_folder_refuses_another_process(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    program = (
        "import sys, pathlib\n"
        "from foretell.storage import locked\n"
        "from foretell.contracts.errors import OutputExists\n"
        "try:\n"
        "    with locked(pathlib.Path(sys.argv[1])): print('held')\n"
        "except OutputExists as problem: print(problem)\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", program, str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with locked(folder):
        assert "in use by another foretell" in other()
        with pytest.raises(OutputExists), locked(folder):
            pytest.fail("held already")
    assert other() == "held"
    with pytest.raises(RuntimeError), locked(folder):
        raise RuntimeError
    assert other() == "held"
