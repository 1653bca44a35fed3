from pathlib import Path
from time import monotonic

from foretell.ladder.clock import Clock
from foretell.ladder.comparison import LEAST_SECONDS, _budget
from foretell.ladder.options import CompareOptions
from foretell.ladder.rungs import Rung

LSTM = Rung("lstm", "bpe", 512)


def clock(seconds: float) -> Clock:
    return Clock(monotonic(), seconds, [LSTM.share])


def test_a_plan_once_made_is_kept(tmp_path: Path) -> None:
    first = _budget(LSTM, tmp_path, CompareOptions(), clock(60.0))
    assert first.seconds is not None
    assert first.seconds > LEAST_SECONDS
    assert _budget(LSTM, tmp_path, CompareOptions(), clock(600.0)) == first


def test_a_plan_of_nothing_is_not(tmp_path: Path) -> None:
    """A run that was killed late had no time left for a rung; the next one has."""
    late = _budget(LSTM, tmp_path, CompareOptions(), clock(1.0)).seconds
    assert late is not None
    assert late < LEAST_SECONDS
    again = _budget(LSTM, tmp_path, CompareOptions(), clock(60.0)).seconds
    assert again is not None
    assert again > LEAST_SECONDS
