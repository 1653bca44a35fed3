import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretell.contracts.errors import ForetellError
from foretell.corpus import suffix_array
from foretell.corpus.suffix_array import sort_suffixes


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_places_are_sorted_by_all_that_follows(data: st.DataObject) -> None:
    kind, size = data.draw(
        st.sampled_from(
            [(np.uint16, 3), (np.uint16, 2**16), (np.uint32, 2**24), (np.uint32, 2**31)]
        )
    )
    # Tokens whose bytes look alike: 1, 256, 257 are 00 01, 01 00, 01 01.
    near = st.sampled_from([t for t in (0, 1, 2, 256, 257, 65_536, size - 1) if t < size])
    stream = data.draw(st.lists(near | st.integers(0, size - 1), min_size=1, max_size=60))
    array = np.array(stream, kind)
    found = sort_suffixes(array)
    assert found.tolist() == sorted(range(len(stream)), key=lambda place: stream[place:])
    assert array.tolist() == stream


def test_repeats_are_sorted_the_shorter_first() -> None:
    assert sort_suffixes(np.full(1000, 7, np.uint16)).tolist() == list(range(999, -1, -1))


def test_too_many_tokens_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suffix_array, "MOST_BYTES", 20)
    assert len(sort_suffixes(np.zeros(10, np.uint16))) == 10
    with pytest.raises(ForetellError, match="shards of at most 10 tokens"):
        sort_suffixes(np.zeros(11, np.uint16))
    with pytest.raises(ForetellError, match="shards of at most 6 tokens"):
        sort_suffixes(np.zeros(7, np.uint32))
