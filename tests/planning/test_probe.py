"""How long an update is tried for."""

import pytest

from foretell.planning.probe import ENOUGH, LEAST, LONGEST, MOST, goes_on


@pytest.mark.parametrize("each", [0.03, 1.0, 10.0, 60.0, 1000.0])
def test_a_probe_ends(each: float) -> None:
    done = 0
    while goes_on(done, done * each):
        done += 1
    assert 1 <= done <= MOST
    assert done >= LEAST or done * each >= LEAST * LONGEST
    assert (done - 1) * each <= max(ENOUGH, LEAST * LONGEST)
