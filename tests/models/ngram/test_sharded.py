import os
import signal
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foretell import models
from foretell.contracts.errors import ForetellError, TextError
from foretell.corpus.sharding import Cluster, Processes, Runner
from foretell.models.ngram.lines import Settings, estimate_lines
from foretell.models.ngram.sharded import estimate_in_shards
from foretell.models.ngram.smoothing import Smoothing


def zipf(lines: int = 300, *, seed: int = 0, end: bytes = b"\n") -> bytes:
    """Lines of random words, some of them empty."""
    rng = np.random.default_rng(seed)
    drawn = [np.minimum(rng.zipf(1.3, rng.integers(0, 12)), 300) for _ in range(lines)]
    return b"\n".join(b" ".join(b"w%d" % word for word in line) for line in drawn) + end


TEXTS = {
    "zipf": zipf(),
    "open": zipf(seed=1, end=b""),
    "copies": zipf(60, seed=2) * 4,
    "empty": b"\n\n\n",
    "one": b"a",
    "chinese": "床前 明月 光\r\n疑是 地上 霜\r\n\r\n\n举头 望 明月\t低头 思 故乡\n".encode() * 9,
    "bytes": bytes(range(256)) * 12,
    "spread": b"\n".join([zipf(80, seed=5), b"only here", zipf(80, seed=6), b"and now last here"]),
}


class Twice:
    """Runs each task here, and once more, as one is that died when it had almost ended."""

    def run(self, task: Callable[[Any], Any], items: Sequence[Any], done: Any = None) -> list[Any]:
        for item in items:
            task(item)
        found = [task(item) for item in items]
        for _ in items:
            done()
        return found


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def compare(
    folder: Path,
    text: bytes,
    *,
    shards: int,
    runner: Runner | None = None,
    prune: tuple[int, ...] = (0,),
    vocabulary: Sequence[bytes] | None = None,
    **smoothing: Any,
) -> None:
    """A model in shards has the bytes of one that was made at once."""
    (folder / "text").write_bytes(text)
    (folder / "work").mkdir()
    one = estimate_lines(folder / "text", prune=prune, vocabulary=vocabulary, **smoothing)
    models.save(one, folder / "one")
    seen = []
    other = estimate_in_shards(
        folder / "text",
        folder / "work",
        runner or Twice(),
        shards=shards,
        settings=Settings(prune, Smoothing(**smoothing), vocabulary),
        progress=lambda name, ended, total: seen.append((ended, total)),
    )
    models.save(other, folder / "other")
    assert digests(folder / "one") == digests(folder / "other")
    assert seen[-1][0] == seen[-1][1] > 0
    assert {path.suffix for path in (folder / "work").iterdir()} <= {".bin"}


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", TEXTS)
def test_sharded_equals_single(tmp_path: Path, name: str, order: int) -> None:
    if name == "one" and order == 1:
        order = 5
    compare(tmp_path, TEXTS[name], shards=order + 1, order=order)


@pytest.mark.parametrize("shards", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("prune", [(0, 0, 1), (1,), (0, 2), (2, 2, 2, 3)])
def test_pruned(tmp_path: Path, prune: tuple[int, ...], shards: int) -> None:
    compare(tmp_path, TEXTS["zipf"], shards=shards, prune=prune, order=4)


@pytest.mark.parametrize("shards", [1, 3])
def test_some_words(tmp_path: Path, shards: int) -> None:
    words = [b"w%d" % k for k in range(1, 60, 2)]
    compare(tmp_path, TEXTS["zipf"], shards=shards, vocabulary=words, prune=(0, 0, 1), order=3)


@pytest.mark.parametrize("name", TEXTS)
def test_the_slip_of_lmplz(tmp_path: Path, name: str) -> None:
    compare(tmp_path, TEXTS[name], shards=4, compat="kenlm", order=4)


def test_the_slip_changes_something() -> None:
    text = TEXTS["spread"]
    found = [estimate_lines(text, order=4, compat=compat) for compat in ("exact", "kenlm")]
    assert found[0].trie.recipe.discounts != found[1].trie.recipe.discounts


def test_other_settings(tmp_path: Path) -> None:
    given = {"unseen": 0, "vocabulary_pad": 1000}
    (tmp_path / "text").write_bytes(TEXTS["zipf"])
    (tmp_path / "work").mkdir()
    one = estimate_lines(
        tmp_path / "text", order=3, interpolate_unigrams=False, vocabulary_pad=1000
    )
    other = estimate_in_shards(
        tmp_path / "text",
        tmp_path / "work",
        Twice(),
        shards=3,
        settings=Settings((0,), Smoothing(order=3, **given)),
        progress=lambda *_: None,
    )
    for mine, theirs in zip(one.trie.orders, other.trie.orders, strict=True):
        np.testing.assert_array_equal(mine.rows, theirs.rows)
        np.testing.assert_array_equal(mine.table, theirs.table)


def kill_once(asked: tuple[Callable[[Any], Any], Any, Path, bool]) -> Any:
    """A task; the first time, its worker is killed before it begins, or when it has ended."""
    task, item, marker, late = asked
    first = not marker.exists()
    marker.touch()
    if first and not late:
        os.kill(os.getpid(), signal.SIGKILL)
    found = task(item)
    if first:
        os.kill(os.getpid(), signal.SIGKILL)
    return found


class Killing:
    """Runs tasks elsewhere; in each stage, a worker is killed once."""

    def __init__(self, runner: Runner, folder: Path) -> None:
        self.runner = runner
        self.folder = folder
        self.stages = 0

    def run(self, task: Callable[[Any], Any], items: Sequence[Any], done: Any = None) -> list[Any]:
        self.stages += 1
        marker, late = self.folder / f"killed{self.stages}", self.stages % 2 == 0
        return self.runner.run(kill_once, [(task, item, marker, late) for item in items], done)


def test_in_processes_that_are_killed(tmp_path: Path) -> None:
    with Processes(2) as runner:
        killing = Killing(runner, tmp_path)
        compare(tmp_path, TEXTS["zipf"], shards=3, runner=killing, order=3)
    assert len(list(tmp_path.glob("killed*"))) == killing.stages == 6


def test_on_a_cluster_with_a_worker_killed(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with Cluster(2) as runner:
        killing = Killing(runner, tmp_path)
        compare(tmp_path, TEXTS["zipf"], shards=3, runner=killing, order=2)
        with pytest.raises(ForetellError, match="is missing"):
            runner.run(read_nothing, [tmp_path / "nothing.npy"])
    assert len(list(tmp_path.glob("killed*"))) == killing.stages


def read_nothing(path: Path) -> None:
    from foretell.corpus.sharding import get

    get(path)


def refuse(folder: Path, text: bytes, *, shards: int = 2, **smoothing: Any) -> None:
    (folder / "text").write_bytes(text)
    (folder / "work").mkdir(exist_ok=True)
    settings = Settings((0,), Smoothing(**smoothing))
    estimate_in_shards(folder / "text", folder / "work", Twice(), shards=shards, settings=settings)


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForetellError, match="at least 1"):
        refuse(tmp_path, b"a\n", shards=0)
    with pytest.raises(ForetellError, match="too high"):
        refuse(tmp_path, b"a\n", order=256)
    with pytest.raises(TextError, match="is empty"):
        refuse(tmp_path, b"")
    (tmp_path / "work" / "something").touch()
    with pytest.raises(ForetellError, match="no empty folder"):
        refuse(tmp_path, b"a\n")


def test_a_reserved_word_is_found_in_its_line(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="line 4 holds"):
        refuse(tmp_path, b"a b c\nd\ne f\ng <s> h\ni j <s>\n")


def test_strict_discounts(tmp_path: Path) -> None:
    with pytest.raises(ForetellError, match="order 1: discounts cannot be estimated"):
        refuse(tmp_path, b"a b c\n", discounts="strict")
