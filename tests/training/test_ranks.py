"""Processes that train together: shares of a batch, a name for each start, an end at once."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch.distributed import HashStore

from foretell.contracts.errors import ForetellError
from foretell.training.ranks import ALONE, Ranks, _agree_on_start, join_ranks
from foretell.training.sharding import read_shares, write_shares


@pytest.mark.parametrize("rows", [1, 2, 7, 8, 9])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_row_is_read_once(rows: int, count: int) -> None:
    shares = [Ranks(rank, count).rows(rows) for rank in range(count)]
    assert [row for share in shares for row in share] == list(range(rows))
    assert max(len(share) for share in shares) == Ranks(0, count).most_rows(rows)


def test_one_alone_agrees_with_itself() -> None:
    assert ALONE.first
    assert (ALONE.agree(0.1), ALONE.add(0.1), ALONE.tell("a")) == (0.1, 0.1, "a")
    ALONE.wait()


def test_without_torchrun_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join_ranks() == ALONE
    with pytest.raises(ForetellError, match="start them with torchrun"):
        join_ranks(sharded=True)


def test_each_start_has_a_name_of_its_own_in_one_store() -> None:
    """As when torchrun starts all anew and its store still holds what the dead have said."""
    store = HashStore()
    names = []
    for _ in range(3):
        with ThreadPoolExecutor(3) as pool:
            told = list(pool.map(lambda rank: _agree_on_start(store, rank, 3), range(3)))
        assert len(set(told)) == 1
        names.append(told[0])
    assert len(set(names)) == 3


@pytest.mark.parametrize("count", ["1", "2"])
def test_a_process_ends_with_its_code_also_if_nobody_reads(count: str) -> None:
    script = (
        "import sys; from foretell.training.ranks import leave\n"
        "print('said'); sys.stderr.close(); leave(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "WORLD_SIZE": count},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "said\n")


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_shares_are_read_back_in_one_process(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tensors = {"a": torch.randn(3, 4), "b": torch.randn(5), "0.1.step": torch.tensor(7.0)}
    write_shares(tmp_path, tensors)
    assert all(path.suffix in (".safetensors", ".json") for path in tmp_path.iterdir())
    found = read_shares(tmp_path, lambda name: torch.zeros(3, 4) if name == "a" else None)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
