"""One way in, whatever it is that comes in."""

from pathlib import Path

import pytest

from foretell import models
from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.interop import pretrained
from foretell.interop.arpa import write_arpa
from foretell.interop.doors import open_model
from foretell.interop.gguf_models import write_model
from foretell.interop.kenlm_binary import write_probing
from foretell.models.ngram.lines import estimate_lines
from tests.interop.test_gguf_models import MODELS


def test_each_kind_opens(tmp_path: Path) -> None:
    model = MODELS["llama"]
    models.save(model, tmp_path / "folder")
    write_model(model, tmp_path / "model.gguf")
    assert open_model(tmp_path / "folder").family == "llama"
    assert open_model(str(tmp_path / "model.gguf")).family == "llama"
    ngram = estimate_lines(["the cat sat", "the dog ate the cat"] * 3, order=2)
    write_arpa(ngram, tmp_path / "model.arpa")
    assert open_model(tmp_path / "model.arpa").family == "ngram"
    write_probing(ngram, tmp_path / "model.probing")
    with pytest.raises(ForetellError, match="probing"):
        open_model(tmp_path / "model.probing")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DamagedModel, match="there is no model nowhere"):
        open_model("nowhere")


def test_a_pickle_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x04evil")
    with pytest.raises(DamagedModel, match=r"model\.pt is a pickle"):
        open_model(tmp_path / "model.pt")


@pytest.mark.parametrize("name", ["model", "model.gguf", "model.arpa", "model.bin", "model.ckpt"])
@pytest.mark.parametrize("begins", [b"\x80\x02evil", b"\x80\x05evil", b"PK\x03\x04archive"])
def test_a_pickle_is_known_by_what_is_in_it(tmp_path: Path, name: str, begins: bytes) -> None:
    (tmp_path / name).write_bytes(begins)
    with pytest.raises(DamagedModel, match=rf"{name} is a pickle"):
        open_model(tmp_path / name)


def test_a_pickle_of_the_oldest_protocol_is_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"cos\nsystem\n(S'id'\ntR.")
    with pytest.raises(DamagedModel, match=r"model\.pkl is a pickle"):
        open_model(tmp_path / "model.pkl")


def test_a_name_is_found_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORETELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ForetellError, match="foretell pull smollm2-135m"):
        open_model("smollm2-135m")
    write_model(MODELS["llama"], pretrained.place("smollm2-135m"))
    assert open_model("smollm2-135m").family == "llama"
