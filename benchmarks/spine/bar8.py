"""Bad input: exit code 2, one line that begins `foretell: `, and nothing written or overwritten.

Every case runs in a working folder of its own, which is compared with itself before and after;
damaged models are read in this process, since there are many.
"""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.result import Ended, Result, foretell, say
from foretell import models
from foretell.cli.main import main as foretell_here
from foretell.storage import locked

TMPFS_SIZES = "64k", "512k", "1m"
"""Disks: too small for the first file, for the model, and for what comes beside it."""
VOCABULARY = 60_000

Snapshot = dict[str, tuple[int, int, str]]


@dataclass(frozen=True)
class Case:
    """A command that must be refused."""

    name: str
    arguments: list[str]
    saying: str = ""
    """What the message must hold."""


def sentences(count: int, *, seed: int = 0) -> str:
    """Made-up English with some Chinese, a paragraph of five sentences at a time."""
    chance = random.Random(seed)
    subjects = ["The cat", "A sailor", "My neighbour", "The old king", "Nobody", "Her brother"]
    verbs = ["saw", "forgot", "painted", "wanted", "followed", "sold"]
    objects = ["the harbour", "a red door", "two letters", "the moon", "床前明月光", "疑是地上霜"]
    said = []
    for index in range(count):
        parts = chance.choice(subjects), chance.choice(verbs), chance.choice(objects)
        said.append(f"{' '.join(parts)} on day {chance.randrange(1000)}.")
        said.append("\n\n" if index % 5 == 4 else " ")
    return "".join(said)


def snapshot(folder: Path) -> Snapshot:
    """Every path with its kind, time of writing and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        whole = path.is_file()
        content = sha256(path.read_bytes()).hexdigest() if whole else "folder"
        # A folder's own time changes with what is in it, which is listed anyway.
        found[str(path.relative_to(folder))] = (whole, path.stat().st_mtime_ns * whole, content)
    return found


def changes(before: Snapshot, after: Snapshot) -> list[str]:
    new = [f"new {name}" for name in after.keys() - before.keys()]
    gone = [f"gone {name}" for name in before.keys() - after.keys()]
    return sorted(new + gone + [f"altered {n}" for n in before if before[n] != after.get(n)])[:6]


def faults(
    ended: Ended, changed: list[str], *, lines: int | None = 1, saying: str = ""
) -> list[str]:
    """What is wrong with a refusal; lines: how many stderr may have, None for any number.

    saying: what the message must hold, lest a command be refused for something else.
    """
    said = ended.err.splitlines()
    found = []
    if ended.code != 2:
        found.append(f"exit code {ended.code}")
    if not said or not said[-1].startswith("foretell: "):
        found.append("no line `foretell: ...` at the end")
    if lines is not None and len(said) != lines:
        found.append(f"{len(said)} lines on stderr")
    if any(line.startswith("Traceback") for line in said):
        found.append("traceback")
    if said and saying not in said[-1]:
        found.append(f"does not say {saying!r}")
    return [*found, *changed]


def verbs(name: str, path: str, saying: str, *extra: str, but: tuple[str, ...] = ()) -> list[Case]:
    """One input, given to every verb that reads a text."""
    commands = {
        "compare": ["compare", path, "--out", "out", "--budget", "30s"],
        "train": ["train", path, "--out", "new", "--model", "kneser-ney"],
        "score": ["score", "model", path],
        "tokenizer train": ["tokenizer", "train", path, "--out", "new"],
        "tokenizer compare": ["tokenizer", "compare", path],
    }
    return [
        Case(f"{name}: {verb}", [*command, *extra], saying)
        for verb, command in commands.items()
        if verb not in but
    ]


def fill(folder: Path) -> None:
    """The inputs, good and bad, and a model that nothing may alter."""
    text = sentences(1500)
    (folder / "good.txt").write_text(text, encoding="utf-8")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "binary.txt").write_bytes(bytes(random.Random(1).randbytes(5000)))
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + random.Random(2).randbytes(5000))
    (folder / "old.txt").write_bytes(
        ("床前明月光，疑是地上霜。举头望明月，低头思故乡。" * 300).encode("gb18030")
    )
    rows = "".join(f'{{"body": "line {index}"}}\n' for index in range(300))
    (folder / "rows.jsonl").write_text(rows)
    (folder / "broken.jsonl").write_text(rows + '{"body": "cut off\n')
    (folder / "short.txt").write_text("Far too short to be split into four parts.\n" * 5)
    (folder / "blank.txt").write_text(" \n\n\t\n")
    (folder / "config.yaml").write_text("buget: 30s\n")
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("keep me")
    for name, model in (("model", "kneser-ney"), ("other", "unigram")):
        done = foretell(["train", "good.txt", "--out", name, "--model", model], folder=folder)
        if done.code:
            raise RuntimeError(f"cannot make a model to test with: {done.err}")


def cases() -> list[Case]:
    found = [
        *verbs("missing path", "nowhere.txt", "does not exist"),
        *verbs("empty file", "empty.txt", "is empty"),
        *verbs("white space", "blank.txt", "white space"),
        *verbs("binary file", "binary.txt", "is not text"),
        *verbs("picture", "photo.jpg", "is not text"),
        *verbs("wrong encoding", "old.txt", "gb18030"),
        *verbs("no such field", "rows.jsonl", "has no field", "--field", "text"),
        *verbs("broken jsonl", "broken.jsonl", "not valid JSON", "--field", "body"),
        *verbs("too short", "short.txt", "too short", but=("score", "tokenizer train")),
    ]
    train = ["train", "good.txt", "--out", "new"]
    compare = ["compare", "good.txt", "--out", "out", "--budget", "30s"]
    size = str(VOCABULARY)
    big = f"gpt:bpe:{size}"
    found += [
        Case(
            "vocabulary too large: train bpe",
            [*train, "--model", "kneser-ney", "--size", size],
            "different bpe tokens",
        ),
        Case(
            "vocabulary too large: train unigram",
            [*train, "--model", "kneser-ney", "--tokenizer", "unigram", "--size", size],
            "different unigram tokens",
        ),
        Case("vocabulary too large: compare", [*compare, "--rungs", big], "different bpe tokens"),
        Case(
            "vocabulary too large: tokenizer",
            ["tokenizer", "train", "good.txt", "--out", "new", "--size", size],
            "different bpe tokens",
        ),
        Case("vocabulary too small", [*train, "--model", "kneser-ney", "--size", "7"], "too small"),
        Case("size of bytes", [*train, "--tokenizer", "bytes", "--size", "512"], "no size"),
        Case("unknown option: compare", [*compare, "--bugdet", "30s"], "--bugdet"),
        Case("unknown option: train", [*train, "--sizes", "512"], "--sizes"),
        Case("unknown verb", ["compere", "good.txt"], "compere"),
        Case("unknown family", [*train, "--model", "bert"], "bert"),
        Case("unknown rung", [*compare, "--rungs", "bert"], "bert"),
        Case("rung twice", [*compare, "--rungs", "lstm,lstm"], "twice"),
        Case(
            "budget without a unit",
            ["compare", "good.txt", "--out", "out", "--budget", "5"],
            "cannot read",
        ),
        Case(
            "budget of nothing",
            ["compare", "good.txt", "--out", "out", "--budget", "0s"],
            "cannot read",
        ),
        Case(
            "budget in tokens",
            ["compare", "good.txt", "--out", "out", "--budget", "1k tokens"],
            "budget of time",
        ),
        Case("no threads", [*train, "--model", "unigram", "--threads", "0"], "threads"),
        Case("no threads: compare", [*compare, "--threads", "0"], "threads"),
        Case("order 0", [*train, "--model", "kneser-ney", "--order", "0"], "order"),
        Case("prune in words", [*train, "--model", "kneser-ney", "--prune", "none"], "prune"),
        Case("prune falling", [*train, "--model", "kneser-ney", "--prune", "2,1,0"], "prune"),
        Case("wrong key in config", ["compare", "good.txt", "--config", "config.yaml"], "buget"),
        Case("no config", ["compare", "good.txt", "--config", "nowhere.yaml"], "nowhere.yaml"),
        Case(
            "temperature below 0", ["generate", "model", "x", "--temperature", "-1"], "temperature"
        ),
        Case("top_p above 1", ["generate", "model", "x", "--top_p", "1.5"], "top-p"),
        Case("no tokens", ["generate", "model", "x", "--max_tokens", "-5"], "tokens"),
        Case("number in words", ["generate", "model", "x", "--seed", "one"], "seed"),
        Case("empty stop", ["generate", "model", "x", "--stop", ""], "--stop"),
        Case("no model", ["generate", "nowhere", "x"], "nowhere"),
        Case("no model to verify", ["verify", "notes"], "notes"),
        Case("a file for a model", ["score", "good.txt", "good.txt"], "good.txt"),
        Case(
            "no model to hold against",
            ["score", "model", "good.txt", "--against", "nowhere"],
            "nowhere",
        ),
        Case(
            "output exists: train",
            ["train", "good.txt", "--out", "model", "--model", "unigram"],
            "exists",
        ),
        Case(
            "output exists: tokenizer",
            ["tokenizer", "train", "good.txt", "--out", "notes"],
            "exists",
        ),
        Case(
            "output is something else: compare",
            ["compare", "good.txt", "--out", "notes"],
            "something else",
        ),
        Case(
            "output is a file: compare", ["compare", "good.txt", "--out", "short.txt"], "short.txt"
        ),
        Case(
            "output below a file: train",
            ["train", "good.txt", "--out", "short.txt/model", "--model", "unigram"],
            "short.txt",
        ),
    ]
    return found


@contextmanager
def disk(folder: Path, size: str) -> Iterator[None]:
    """A small disk mounted at a folder. Raises PermissionError where mounting is not allowed."""
    folder.mkdir(exist_ok=True)
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    except FileNotFoundError as problem:
        raise PermissionError("there is no mount") from problem
    if done.returncode:
        raise PermissionError(done.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def full_disks(folder: Path, *, quick: bool) -> dict[str, list[str]]:
    """Every verb that writes, on disks that fill up; an older model stands on each."""
    text = str(folder / "good.txt")
    trained = ["train", text, "--out"]
    commands = {
        "train kneser-ney": [*trained, "full/new", "--model", "kneser-ney"],
        "train lstm": [*trained, "full/new", "--model", "lstm", "--budget", "20k tokens"],
        "tokenizer": ["tokenizer", "train", text, "--out", "full/new", "--size", "1000"],
        "compare": ["compare", text, "--out", "full/new", "--budget", "20s", "--rungs", "gru"],
    }
    sizes = TMPFS_SIZES[:1] if quick else TMPFS_SIZES
    found = {}
    for size in sizes:
        for name, command in commands.items():
            with disk(folder / "full", size):
                old = folder / "full" / "old"
                shutil.copytree(folder / "tiny", old)
                # Room for the first file but not the second: what was begun has to go again.
                if name == "tokenizer":
                    spare = shutil.disk_usage(old).free - 8_000
                    (folder / "full" / "ballast").write_bytes(b"0" * spare)
                before = snapshot(folder / "full")
                ended = foretell(command, folder=folder)
                changed = changes(before, snapshot(folder / "full"))
            if ended.code == 0:
                say(f"disk of {size}: {name}: fitted")
                continue
            if name == "compare":
                # What is finished stays there on purpose, so that the same command goes on.
                changed = [c for c in changed if not is_resumable(c)]
            case = f"disk full at {size}: {name}"
            # Progress before it is no fault; the refusal is the last line.
            found[case] = faults(ended, changed, lines=None, saying="no space is left")
            tell(case, found[case], ended)
    return found


def is_resumable(change: str) -> bool:
    """Part of a comparison that was begun, and that the same command goes on from."""
    kind, name = change.split(" ", 1)
    parts = Path(name).parts
    if kind != "new" or parts[0] != "new":
        return False
    hidden = [part for part in parts[1:] if part.startswith(".") and part != ".lock"]
    return not hidden


def tell(name: str, found: list[str], ended: Ended) -> None:
    said = ended.err.strip().splitlines()
    say(f"{'ok ' if not found else 'BAD'} {name}: {'; '.join(found) or said[-1][:110]}")
    if found and said:
        say(f"      {said[-1][:200]}")


def held_folders(folder: Path) -> dict[str, list[str]]:
    """Output folders that another process (this one) holds."""
    found = {}
    commands = {
        "compare": ["compare", "good.txt", "--out", "held", "--budget", "30s"],
        "train": ["train", "good.txt", "--out", "kept", "--model", "unigram"],
    }
    for name, held in (("compare", "held"), ("train", "kept.checkpoints")):
        with locked(folder / held):
            before = snapshot(folder)
            ended = foretell(commands[name], folder=folder)
            case = f"output in use: {name}"
            # Opening a lock to ask for it is no change: its content is compared, not its time.
            found[case] = faults(
                ended,
                [c for c in changes(before, snapshot(folder)) if c != f"altered {held}/.lock"],
                saying="in use",
            )
            tell(case, found[case], ended)
        shutil.rmtree(folder / held, ignore_errors=True)
    return found


def damage(file: Path, how: str, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if not content:
        # Nothing to cut or to turn: something that does not belong there.
        content = bytearray(b"x")
    elif how == "half":
        content = content[: len(content) // 2]
    else:
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
    file.write_bytes(bytes(content))


def damaged_models(folder: Path) -> dict[str, list[str]]:
    """Each file of three models, cut in half and with one bit turned, for two verbs."""
    from tests.laws.test_families import FAMILIES, TOKENIZERS

    text = folder / "short.txt"
    chance = random.Random(0)
    found: dict[str, list[str]] = {}
    for family in ("kneser-ney", "lstm", "mixture"):
        whole = folder / f"whole-{family}"
        models.save(FAMILIES[family](TOKENIZERS["bpe"]), whole)
        files = sorted(each.relative_to(whole) for each in whole.rglob("*") if each.is_file())
        count = 0
        for file in files:
            for how in ("half", "bit"):
                copy = folder / "damaged"
                shutil.copytree(whole, copy)
                damage(copy / file, how, chance)
                before = snapshot(copy)
                for command in (
                    ["score", str(copy), str(text)],
                    ["generate", str(copy), "The", "--max_tokens", "3"],
                ):
                    ended = in_here(command)
                    wrong = faults(ended, changes(before, snapshot(copy)), saying="damaged")
                    if ended.out:
                        wrong.append("something on stdout")
                    case = f"damaged {family}: {file} {how}: {command[0]}"
                    found[case], count = wrong, count + 1
                    if wrong:
                        tell(case, wrong, ended)
                shutil.rmtree(copy)
        sound = in_here(["score", str(whole), str(text)]).code == 0
        say(
            f"damaged {family}: {count} cases of {len(files)} files; the sound one is read: {sound}"
        )
        if not sound:
            found[f"sound {family}"] = ["refused"]
    return found


def in_here(arguments: list[str]) -> Ended:
    """A command in this process; whatever escapes it counts as a traceback."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = foretell_here(arguments)
        except Exception as problem:
            err.write(f"Traceback: {type(problem).__name__}: {problem}\n")
            code = 1
    return Ended(code, out.getvalue(), err.getvalue(), 0.0)


def measure(*, quick: bool) -> Result:
    found: dict[str, list[str]] = {}
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fill(folder)
        shutil.copytree(folder / "other", folder / "tiny")
        before = snapshot(folder)
        for case in cases():
            ended = foretell(case.arguments, folder=folder)
            after = snapshot(folder)
            found[case.name] = faults(ended, changes(before, after), saying=case.saying)
            tell(case.name, found[case.name], ended)
            if before != after:
                restore(folder, before)
                before = snapshot(folder)
        found |= held_folders(folder)
        try:
            found |= full_disks(folder, quick=quick)
        except PermissionError as problem:
            figures["reason"] = f"no small disk could be mounted: {problem}"
        found |= damaged_models(folder)
    wrong = {name: what for name, what in found.items() if what}
    figures |= {"cases": len(found), "refused_well": len(found) - len(wrong), "wrong": wrong}
    missing = "reason" in figures
    return Result(False if wrong else (None if missing else True), figures)


def restore(folder: Path, before: Snapshot) -> None:
    """Remove what a case left behind, so that the next begins as this one did."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if str(path.relative_to(folder)) not in before:
            path.rmdir() if path.is_dir() else path.unlink()
