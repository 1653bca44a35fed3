"""Floor 2: the families. FAMILIES is the one registry; a new family is a file and a line here.

`load` and `save` are the ways in and out. A family's module has a function load(folder) that
returns a LanguageModel; the model's `family` names its line, and nothing else depends on it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.contracts.language_model import LanguageModel
from foretell.storage import check_seal, new_folder, seal

FAMILIES = {
    "ngram": "foretell.models.ngram.model",
    "recurrent": "foretell.models.neural.recurrent",
    "gpt": "foretell.models.neural.gpt",
    "gpt2": "foretell.models.neural.gpt2",
    "llama": "foretell.models.neural.llama",
    "adapted": "foretell.models.neural.adapted",
    "keras": "foretell.models.keras.model",
    "mixture": "foretell.models.mixture",
    "sliding": "foretell.models.sliding",
    "infinigram": "foretell.models.infinigram",
    "recent": "foretell.models.recent",
    "buckets": "foretell.models.buckets",
}

EXTRAS = {
    **dict.fromkeys(("torch", "safetensors"), ("PyTorch", "neural")),
    **dict.fromkeys(("keras", "tensorflow"), ("Keras and TensorFlow", "tensorflow")),
}
"""What a family may need that is not there, its name, and the extra that has it."""
FORMAT = "foretell-model-1"


def save(model: LanguageModel, path: Path, *, replace: bool = False) -> None:
    """Write a model as a folder: whole or not at all, sealed with checksums.

    Raises OutputExists if something stands at `path` and `replace` is not given.
    """
    with new_folder(path, replace=replace) as folder:
        write(model, folder)


def write(model: LanguageModel, folder: Path) -> None:
    """Write and seal a model in an empty folder that exists; for those who hold one already."""
    model.save(folder)
    seal(folder, {"format": FORMAT, "family": model.family})


def load(path: Path) -> LanguageModel:
    """Read a folder that `save` wrote. Raises DamagedModel, or MissingExtra for a network where
    PyTorch is not installed."""
    facts = check_seal(path)
    if facts.get("format") != FORMAT or facts.get("family") not in FAMILIES:
        raise DamagedModel(
            f"{path} holds {facts.get('format')!r} of family {facts.get('family')!r}, which this "
            "version does not know; use the version of foretell that wrote it"
        )
    try:
        module = import_module(FAMILIES[facts["family"]])
    except ModuleNotFoundError as problem:
        if problem.name not in EXTRAS:
            raise
        library, extra = EXTRAS[problem.name]
        raise MissingExtra(
            f'{path} is a network and needs {library}: pip install "foretell[{extra}]"'
        ) from None
    try:
        model: LanguageModel = module.load(path)
    except ForetellError:
        raise
    except Exception as problem:
        # The seal fits, so the folder is what someone wrote; but not what this version reads.
        raise DamagedModel(
            f"{path} cannot be read: {type(problem).__name__}: {str(problem)[:100]}; "
            "train again, or use the version of foretell that wrote it"
        ) from problem
    return model
