"""Damaged files: 20,000 mutated ARPA and binary files, and indexes; an error or a right number,
never a crash and never a wait."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.result import Result, say
from foretell import models
from foretell.audit.indexed import (
    IndexedText,
    index_documents,
    open_indexed,
    save_indexed,
    save_shards,
)
from foretell.contracts.corpus import Document
from foretell.contracts.errors import ForetellError
from foretell.contracts.tokenizer import Tokenizer
from foretell.corpus.index import Index, build_index
from foretell.interop.arpa import read_arpa, write_arpa
from foretell.interop.kenlm import Model
from foretell.interop.kenlm_binary import read_kenlm_binary, write_probing
from foretell.models.ngram import NGram
from foretell.models.ngram.lines import estimate_lines
from foretell.storage import MANIFEST, check_seal, seal
from foretell.tokenizers.whitespace import Whitespace

FILES, QUICK_FILES = 20_000, 400
MOST_SECONDS = 1.0
INDEX_FLIPS = 12
"""Bits flipped in each file of an index, one at a time."""
SAME = "read, and the same"
SENTENCE = "w0 w1 w2 w0 never"
TELLING = b"0123456789w.-\t\n \\\0\xff"


def text_of(lines: int) -> bytes:
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, 41)
    weights /= weights.sum()
    made = [
        b" ".join(b"w%d" % word for word in rng.choice(40, rng.integers(0, 9), p=weights))
        for _ in range(lines)
    ]
    return b"\n".join(made) + b"\n"


def mutate(whole: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, dropped, doubled, or the end cut off."""
    data = bytearray(whole)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(data)))
        size = int(rng.integers(1, 64))
        match int(rng.integers(6)):
            case 0:
                data[at] = int(rng.integers(256))
            case 1 | 2:
                data[at] = int(rng.choice(list(TELLING)))
            case 3:
                del data[at : at + size]
            case 4:
                data[at:at] = data[at : at + size]
            case 5:
                del data[max(1, at) :]
        if not data:
            break
    return bytes(data)


def ask_arpa(path: Path) -> float:
    model = read_arpa(path)
    tokens = model.tokenizer.encode(SENTENCE).tokens
    return float(model.score(tokens[None]).sum())


def ask_binary(path: Path) -> float:
    found = read_kenlm_binary(path)
    if isinstance(found, NGram):
        tokens = found.tokenizer.encode(SENTENCE).tokens
        return float(found.score(tokens[None]).sum())
    return float(Model(str(path)).score(SENTENCE))


def try_files(
    ask: Callable[[Path], float], whole: bytes, count: int, seed: int, suffix: str
) -> tuple[Counter[str], float, list[str]]:
    """What became of `count` mutated files, the longest time for one, and what went wrong."""
    rng = np.random.default_rng(seed)
    ends: Counter[str] = Counter()
    longest, wrong = 0.0, []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"file{suffix}"
        path.write_bytes(whole)
        ask(path)
        for number in range(count):
            # A new file each time: the old one may still be mapped.
            path = Path(scratch) / f"{number}{suffix}"
            path.write_bytes(mutate(whole, rng))
            began = time.perf_counter()
            try:
                value = ask(path)
                # A digit changed in a back-off makes a model that sums to more than one, and no
                # reader of these files can know: they have no checksums.
                kind = "no number" if np.isnan(value) else "read" if value <= 0 else "read, above 1"
                ends[kind] += 1
            except ForetellError as problem:
                ends["refused"] += 1
                if "\n" in str(problem) or str(path) not in str(problem):
                    wrong.append(f"{number}: {problem}")
            # Whatever else comes is what is looked for.
            except Exception as problem:
                ends["crashed"] += 1
                wrong.append(f"{number}: {type(problem).__name__}: {problem}")
            longest = max(longest, time.perf_counter() - began)
            path.unlink()
    return ends, longest, wrong


def _try(job: tuple[str, bytes, int, int]) -> tuple[str, Counter[str], float, list[str]]:
    kind, whole, count, seed = job
    ask, suffix = (ask_arpa, ".arpa") if kind == "arpa" else (ask_binary, ".bin")
    return kind, *try_files(ask, whole, count, seed, suffix)


def damages(whole: Path, others: Sequence[Path], flips: int) -> Iterator[tuple[str, bytes]]:
    """A file's name and what it becomes: cut, flipped at some places, another one of the folder,
    and the one of the same name in other folders."""
    rng = np.random.default_rng(0)
    found = sorted(file for file in whole.rglob("*") if file.is_file())
    files = [str(file.relative_to(whole)) for file in found]
    for name in files:
        data = (whole / name).read_bytes()
        made = [(whole / files[files.index(name) - 1]).read_bytes()]
        made += [(other / name).read_bytes() for other in others if (other / name).exists()]
        if data:
            made.append(data[:-1])
            for at in (len(data) // 2, *rng.integers(0, len(data), flips - 1).tolist()):
                made.append(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        yield from ((name, each) for each in made if each != data)


def damage_folder(
    whole: Path,
    judge: Callable[[Path], str],
    *,
    others: Sequence[Path] = (),
    flips: int = 1,
    reseal: bool = False,
) -> Counter[str]:
    """How a folder ends, by `judge`, after each of its damages; reseal: the seal made to fit."""
    facts = check_seal(whole)
    ends: Counter[str] = Counter()
    for number, (name, data) in enumerate(damages(whole, others, flips)):
        if reseal and Path(name).name == MANIFEST:
            continue
        # A new folder each time: the old one may still be mapped.
        damaged = whole.parent / f"{whole.name}-{'resealed' if reseal else 'damaged'}-{number}"
        shutil.copytree(whole, damaged)
        (damaged / name).write_bytes(data)
        if reseal:
            seal(damaged, facts)
        try:
            end = judge(damaged)
        except ForetellError:
            end = "refused"
        # Whatever else comes is what is looked for.
        except Exception as problem:
            end = "crashed"
            say(f"{name}: {type(problem).__name__}: {problem}")
        if end == "not noticed":
            say(f"{name} in {damaged} was not noticed")
        ends[end] += 1
        shutil.rmtree(damaged)
    return ends


def damage_models(model: NGram, folder: Path) -> dict[str, int]:
    """Each file of a model's folder cut, flipped, and swapped with another one."""
    models.save(model, folder / "whole")
    tokens = model.tokenizer.encode(SENTENCE).tokens[None]

    def judge(damaged: Path) -> str:
        # A manifest without its last newline says the same.
        same = np.array_equal(models.load(damaged).score(tokens), model.score(tokens))
        return SAME if same else "not noticed"

    return dict(damage_folder(folder / "whole", judge))


def damage_indexes(folder: Path) -> dict[str, dict[str, int]]:
    """Each file of an index's folder cut, flipped, and swapped with another one, or with that of
    an index of as many tokens; then the same under a seal that fits. Then all of it for shards.

    Under such a seal the text itself can have become another one: answers are right if they are
    those of an index built anew from what the folder holds.
    """
    documents = _index_documents()
    tokenizer = _tokenizer_of(documents)
    turned = [Document(" ".join(each.text.split()[::-1]), each.name) for each in documents]
    renamed = [Document(each.text.replace("w", "v"), each.name[::-1]) for each in documents]
    expected = _answer(index_documents(documents, tokenizer))

    def judge(damaged: Path) -> str:
        return SAME if _answer(open_indexed(damaged)) == expected else "not noticed"

    def judge_resealed(damaged: Path) -> str:
        found = open_indexed(damaged)
        answers = _answer(found)
        if answers == expected:
            return SAME
        again = IndexedText(_build_again(found.index), found.tokenizer)
        return "read, and right for what it holds" if _answer(again) == answers else "not noticed"

    ends = {}
    for kind, half in (("index", 0), ("shards", len(documents) // 2)):
        others = []
        for name, texts in (("whole", documents), ("turned", turned), ("renamed", renamed)):
            others.append(folder / f"{kind}-{name}")
            theirs = _tokenizer_of(renamed) if name == "renamed" else tokenizer
            if half:
                save_shards(texts, [half, len(texts) - half], theirs, others[-1])
            else:
                save_indexed(index_documents(texts, theirs), others[-1])
        if half:
            others.append(folder / "shards-exchanged")
            for mine, other in (("shard-0", "shard-1"), ("shard-1", "shard-0")):
                shutil.copytree(others[0] / mine, others[-1] / other)
        whole = others.pop(0)
        common = {"others": others, "flips": INDEX_FLIPS}
        ends[f"{kind}, sealed"] = dict(damage_folder(whole, judge, **common))
        ends[f"{kind}, resealed"] = dict(
            damage_folder(whole, judge_resealed, reseal=True, **common)
        )
    return ends


def _build_again(index: Any) -> Index:
    """One index of the documents of an index, or of shards."""
    shards: tuple[Index, ...] = getattr(index, "shards", (index,))
    return build_index(
        [shard.document(number) for shard in shards for number in range(len(shard.names))],
        names=[name for shard in shards for name in shard.names],
        vocabulary_size=index.vocabulary_size,
        boundary=index.boundary,
    )


def _index_documents() -> list[Document]:
    """Some thousand tokens of some hundred words: what follows the busiest contexts is kept."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, 401)
    weights /= weights.sum()
    return [
        Document(" ".join(f"w{word}" for word in rng.choice(400, size, p=weights)), f"{number}.txt")
        for number, size in enumerate(rng.integers(100, 400, 12).tolist())
    ]


def _tokenizer_of(documents: list[Document]) -> Tokenizer:
    return Whitespace.of(
        sorted({word.encode() for each in documents for word in each.text.split()})
    )


def _answer(indexed: IndexedText) -> list[object]:
    """What an index says to all that it can be asked."""
    answers: list[object] = []
    for phrase in ("w0", "w1 w0", "w0 w0 w2", "w17", "w399 w0", "never"):
        answers.append(indexed.count(phrase))
        answers.append(indexed.foretell(phrase, top=1000))
        answers.append(indexed.search(phrase, most=20))
    matched = indexed.match("w0 w1 w0 w0 w0 w2 w3 w5 w17 never w1 w0 w1")
    return [*answers, *(each.tolist() for each in matched)]


def measure(*, quick: bool) -> Result:
    count = QUICK_FILES if quick else FILES
    model = estimate_lines(text_of(60), order=3)
    figures: dict[str, Any] = {}
    met = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_arpa(model, folder / "m.arpa")
        write_probing(model, folder / "m.bin")
        jobs = [
            (kind, (folder / f"m.{kind}").read_bytes(), count // 4, seed)
            for seed in (1, 2)
            for kind in ("arpa", "bin")
        ]
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            for kind, ends, longest, wrong in pool.imap_unordered(_try, jobs):
                say(f"{kind}: {dict(ends)}, longest {longest:.2f} s")
                mine = figures.setdefault(kind, {"ends": Counter(), "seconds": 0.0, "wrong": []})
                mine["ends"] += ends
                mine["seconds"] = max(mine["seconds"], longest)
                mine["wrong"] += wrong[:5]
                met &= not wrong and longest <= MOST_SECONDS and ends["no number"] == 0
        figures["folders"] = damage_models(model, folder)
        figures["indexes"] = damage_indexes(folder)
        for ends in (figures["folders"], *figures["indexes"].values()):
            say(f"folders: {ends}")
            met &= "not noticed" not in ends and "crashed" not in ends
    return Result(met, figures)
