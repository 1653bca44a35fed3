import os
import signal
from pathlib import Path

import numpy as np
import pytest

from foretell.contracts.errors import ForetellError, MissingExtra
from foretell.corpus.sharding import Cluster, Processes, get, put


def square(number: int) -> int:
    return number * number


def die_once(asked: tuple[int, Path]) -> int:
    number, folder = asked
    marker = folder / "died"
    if number == 1 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_at_three(number: int) -> int:
    if number == 3:
        os._exit(1)
    return number


def refuse(number: int) -> int:
    raise ForetellError(f"{number} cannot be used; give another")


def test_results_come_in_the_order_of_items() -> None:
    ended = []
    with Processes(2) as runner:
        assert runner.run(square, range(7), lambda: ended.append(1)) == [k * k for k in range(7)]
        assert runner.run(square, []) == []
    assert len(ended) == 7


def test_a_worker_that_dies_once_does_not_matter(tmp_path: Path) -> None:
    with Processes(2) as runner:
        assert runner.run(die_once, [(k, tmp_path) for k in range(4)]) == [0, 1, 2, 3]
    assert (tmp_path / "died").exists()


def test_a_task_that_kills_all_its_workers_is_named() -> None:
    with Processes(2) as runner, pytest.raises(ForetellError, match=r"die_at_three \(3\)"):
        runner.run(die_at_three, range(5))


def test_what_a_task_raises_is_raised() -> None:
    with Processes(1) as runner:
        with pytest.raises(ForetellError, match="5 cannot be used"):
            runner.run(refuse, [5])
        assert runner.run(square, [3]) == [9]


def test_no_workers() -> None:
    with pytest.raises(ForetellError, match="at least 1"):
        Processes(0)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (5,), (200, 300)])
def test_arrays_come_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 99, shape).astype(np.int32)
    put(tmp_path / "a.npy", np.zeros(3))
    put(tmp_path / "a.npy", array)
    found = get(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.int32
    assert type(found) is np.ndarray
    found[...] = 0
    np.testing.assert_array_equal(get(tmp_path / "a.npy"), array)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_an_array_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ForetellError, match="folder must be one that all workers see"):
        get(tmp_path / "a.npy")


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"foretell\[cluster\]"):
        Cluster(2)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there(address: str) -> None:
    pytest.importorskip("ray")
    with pytest.raises(ForetellError, match=f"{address} does not answer"):
        Cluster(2, address)
