"""Folders and files that are written whole or not at all, and that know when they were altered.

model/            never half there: written beside as .model.<random>, synced, renamed
  manifest.json   names every other file with its size and checksum, and is hashed itself

Checksums are XXH3 of 128 bits: they find damage at the speed of memory, where SHA-256 took half of
the time to open a large model. They are no signature: who can write a file can write its seal.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from xxhash import xxh3_128

from foretell.contracts.errors import DamagedModel, OutputExists

MANIFEST = "manifest.json"
LOCK = ".lock"
CHECKSUM = "xxh3_128"
THREADS = 8


@contextmanager
def new_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """An empty folder to write into, which becomes `path` if the block ends well.

    If it does not, nothing is left behind and whatever stood at `path` still stands. Raises
    OutputExists at once if something stands there and `replace` is not given.
    """
    refuse_existing(path, replace=replace)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.{os.getpid()}.", dir=path.parent))
    try:
        yield draft
        for file in draft.rglob("*"):
            if file.is_file():
                _sync(file)
        _sync(draft)
        draft.chmod(0o755)
        if path.exists():
            # A rename cannot replace a full folder: move the old one aside first.
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
            os.rename(path, old / "was")
            os.rename(draft, path)
            shutil.rmtree(old)
        else:
            os.rename(draft, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _remove_abandoned(path: Path) -> None:
    """Remove drafts of processes that were killed while they wrote."""
    for draft in path.parent.glob(f".{path.name}.*.*"):
        owner = draft.name[len(path.name) + 2 :].split(".")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists() and Path("/proc/self").exists():
            shutil.rmtree(draft, ignore_errors=True)


def refuse_existing(path: Path, *, replace: bool = False) -> None:
    """Raise OutputExists if something stands at `path`."""
    if path.exists() and not replace:
        raise OutputExists(f"{path} exists already; name another output, or remove it first")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all, in the place of an older one."""
    with new_file(path, replace=True) as file:
        file.write(text.encode("utf-8"))


@contextmanager
def new_file(path: Path, *, replace: bool = False) -> Iterator[BinaryIO]:
    """A file to write into, which becomes `path` if the block ends well; else nothing is left.

    Raises OutputExists at once if something stands at `path` and `replace` is not given.
    """
    refuse_existing(path, replace=replace)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder for this process. Raises OutputExists if another one holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputExists(
                f"{folder} is in use by another foretell; wait for it, or give another --out"
            ) from None
        try:
            yield
        finally:
            # Before the lock is let go, so that nobody can hold a file that is being removed.
            (folder / LOCK).unlink(missing_ok=True)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def seal(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest of a finished folder: `facts`, and the hash of every file."""
    found = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != MANIFEST]
    files = {
        str(file.relative_to(folder)): {"bytes": file.stat().st_size, CHECKSUM: hashed}
        for file, hashed in zip(found, _hash_all(found), strict=True)
    }
    content = {**facts, "files": files}
    content["sha256"] = _hash_content(content)
    text = json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def check_seal(folder: Path) -> dict[str, Any]:
    """The facts of a sealed folder. Raises DamagedModel, naming the file, if anything differs."""
    if not folder.exists():
        raise DamagedModel(f"there is no folder {folder}; give one that foretell has written")
    manifest = folder / MANIFEST
    if not folder.is_dir() or not manifest.exists():
        raise DamagedModel(
            f"{folder} is no foretell model: it has no {MANIFEST}; give the folder that "
            "`foretell train` wrote"
        )
    try:
        content = json.loads(manifest.read_text("utf-8"))
        claimed = content.pop("sha256")
        files = {
            name: (entry["bytes"], entry[CHECKSUM]) for name, entry in content["files"].items()
        }
        intact = claimed == _hash_content(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise DamagedModel(f"{manifest} is damaged; restore the folder, or train again")
    for name, (size, _) in files.items():
        file = folder / name
        if not file.is_file():
            raise DamagedModel(f"{file} is missing; restore the folder, or train again")
        if file.stat().st_size != size:
            raise DamagedModel(f"{file} is damaged; restore the folder, or train again")
    for name, found in zip(files, _hash_all([folder / name for name in files]), strict=True):
        if found != files[name][1]:
            raise DamagedModel(f"{folder / name} is damaged; restore the folder, or train again")
    return {name: value for name, value in content.items() if name != "files"}


def is_pickled(begins: bytes) -> bool:
    """True of the first bytes of a pickle, or of the archive in which PyTorch keeps pickles."""
    return (begins[:1] == b"\x80" and begins[1:2] <= b"\x05") or begins[:4] == b"PK\x03\x04"


def size_of(place: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    if place.is_file():
        return place.stat().st_size
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


def _hash(file: Path) -> str:
    digest = xxh3_128()
    room = memoryview(bytearray(1 << 18))
    with open(file, "rb", buffering=0) as stream:
        while read := stream.readinto(room):
            digest.update(room[:read])
    return digest.hexdigest()


def _hash_all(files: list[Path]) -> list[str]:
    """Of many files at once: hashing lets go of the interpreter."""
    sizes = {file: file.stat().st_size for file in files}
    if sum(sizes.values()) < 1 << 22:
        return [_hash(file) for file in files]
    # The largest first, so that none is left for one thread at the end; and more threads than
    # processors, for a disk answers several at once.
    by_size = sorted(files, key=lambda file: -sizes[file])
    with ThreadPoolExecutor(THREADS) as pool:
        hashes = dict(zip(by_size, pool.map(_hash, by_size), strict=True))
    return [hashes[file] for file in files]


def _hash_content(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
