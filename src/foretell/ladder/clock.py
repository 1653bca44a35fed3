"""Shares the time of a comparison among its networks, and keeps enough to measure them."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

MEASURING = 0.03
"""Share of the whole that measuring one network takes, until it has been seen."""
ENDING = 0.10
"""Share kept for mixture and report, until measuring has been seen."""


class Clock:
    """Knows when the comparison should end, and what is still to be trained."""

    def __init__(self, start: float, seconds: float, shares: Sequence[float]) -> None:
        """start: of the comparison, on the monotonic clock; shares: of the networks to come."""
        self.end = start + seconds
        self.seconds = seconds
        self.shares = list(shares)
        self.measured: list[float] = []

    def seconds_for(self, share: float) -> float:
        """Training time for the next network, of the share given."""
        each = MEASURING * self.seconds
        ending = ENDING * self.seconds
        if self.measured:
            each = max(self.measured)
            # The mixture reads what every network read, those that are done too, and the report
            # reads some of it again.
            networks = len(self.measured) + len(self.shares)
            ending = max(ending, 1.8 * sum(self.measured) / len(self.measured) * networks)
        left = self.end - monotonic() - each * len(self.shares) - ending
        return left * share / sum(self.shares)

    def record(self, share: float, measuring: float) -> None:
        """A network of this share is done; measuring it took so many seconds."""
        self.measured.append(measuring)
        self.skip(share)

    def skip(self, share: float) -> None:
        """A network of this share needs no more time."""
        if share in self.shares:
            self.shares.remove(share)
