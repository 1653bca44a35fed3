"""The processes that train one network together, as `torchrun` started them.

torchrun --standalone --nproc_per_node=2 -m foretell train text.txt

Each reads its share of the rows of every batch. It holds the whole network, and gradients are
added by PyTorch's DistributedDataParallel; or a share of it, see sharding.py. What depends on a
clock or a key is decided by the first and told to the others, so that all take the same steps.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from time import sleep
from typing import TYPE_CHECKING, NoReturn
from uuid import uuid4

from foretell.contracts.errors import ForetellError

if TYPE_CHECKING:
    from torch.distributed import Store


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is; alone if nobody said else."""

    rank: int = 0
    count: int = 1
    sharded: bool = False
    """True if each holds a share of the network, of its gradients and of the optimiser."""

    @property
    def first(self) -> bool:
        """True for the one that writes and speaks."""
        return self.rank == 0

    @property
    def beside(self) -> int:
        """How many of them this machine runs."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))

    def most_rows(self, rows: int) -> int:
        """The largest share of the rows of a batch that any process has."""
        return -(-rows // self.count)

    def rows(self, rows: int) -> range:
        """This process's share of the rows of a batch; may be empty."""
        each = self.most_rows(rows)
        return range(min(rows, self.rank * each), min(rows, (self.rank + 1) * each))

    def agree(self, value: float) -> float:
        """The first one's value, for all."""
        if self.count == 1:
            return value
        import torch
        import torch.distributed

        told = torch.tensor([value], dtype=torch.float64)
        torch.distributed.broadcast(told, src=0)
        return float(told)

    def add(self, value: float) -> float:
        """The sum of what each has."""
        if self.count == 1:
            return value
        import torch
        import torch.distributed

        total = torch.tensor([value], dtype=torch.float64)
        torch.distributed.all_reduce(total)
        return float(total)

    def tell(self, text: str) -> str:
        """What the first one says, for all."""
        if self.count == 1:
            return text
        import torch.distributed

        told = [text]
        torch.distributed.broadcast_object_list(told, src=0)
        return told[0]

    def wait(self) -> None:
        """Until all have come here."""
        self.agree(0.0)


ALONE = Ranks()


def join_ranks(*, sharded: bool = False) -> Ranks:
    """Join the processes that torchrun started, with gloo between processors; alone without it.

    sharded: share the network out over them. Raises ForetellError if torchrun started none.
    """
    if sharded and "WORLD_SIZE" not in os.environ:
        raise ForetellError(
            "fsdp shares a network out over processes, and this is one; start them with torchrun "
            "--standalone --nproc_per_node=2 -m foretell train, or leave --sharding out"
        )
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    import torch.distributed

    if not torch.distributed.is_initialized():
        store, rank, _ = next(torch.distributed.rendezvous("env://"))
        start = torch.distributed.PrefixStore(_agree_on_start(store, rank, count), store)
        # The first one may write tokens for hours; torchrun ends all if one ends.
        torch.distributed.init_process_group(
            "gloo", store=start, rank=rank, world_size=count, timeout=timedelta(days=1)
        )
    return Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size(), sharded)


def _agree_on_start(store: Store, rank: int, count: int) -> str:
    """A name for this start of the processes, for all.

    torchrun keeps one store through all restarts, where the addresses of processes that have died
    still stand, and processes that find them wait for the dead (PyTorch issue 135712). Its count
    of restarts is each machine's own. So the first one names the start, tells whoever stands
    there, and tells again until those that live have answered.
    """
    if rank:
        here = uuid4().hex
        store.set(f"here/{rank}", here)
        start: str = store.get(f"start/{here}").decode()
        store.set(f"{start}/{rank}", "")
        return start
    start = uuid4().hex
    for other in range(1, count):
        while not store.check([f"{start}/{other}"]):
            store.set(f"start/{store.get(f'here/{other}').decode()}", start)
            sleep(0.01)
    return start


def leave(code: int) -> NoReturn:
    """End this process with that exit code. One of several ends at once: while the interpreter
    takes itself down, PyTorch's threads abort one run of FSDP2 in 25."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        for stream in (sys.stdout, sys.stderr):
            # Nobody may be there any more to read.
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)
