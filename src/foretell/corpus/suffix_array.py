"""A whole suffix array of tokens, by libdivsufsort, which sorts suffixes of bytes.

tokens      1      258    1            big-endian, so bytes are in the order of tokens
bytes     00 01  01 02  00 01
sorted      4  0  2  5  1  3           suffixes of bytes that begin with a token's first byte
places      2  0  1                    are suffixes of tokens, in the same order
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from foretell.contracts.errors import ForetellError
from foretell.corpus.suffix_search import keep_whole

Stream = NDArray[np.uint16 | np.uint32]
MOST_BYTES = 2**31 - 1
"""That the library's 32-bit form can number."""


def sort_suffixes(stream: Stream) -> NDArray[np.int32]:
    """The places (S,) of a stream (S,), sorted by what follows; the shorter first in a tie.

    Memory beside the stream: 8 bytes a token for 16 bits; for 32 bits 15 if all tokens are below
    2^24, else 16. The stream must be writable: its bytes are swapped while this works, and then
    swapped back. Raises ForetellError for more than 2^31 bytes.
    """
    # The library is asked here, since it is needed to build and not to search.
    from pydivsufsort.dll import libdivsufsort

    width = 2 if stream.dtype.itemsize == 2 else 3 if stream.max(initial=0) < 1 << 24 else 4
    if len(stream) * width > MOST_BYTES:
        most = MOST_BYTES // width
        raise ForetellError(
            f"{len(stream):,} tokens are too many for one index; cut the text into shards of at "
            f"most {most:,} tokens, as `foretell index build --shards` does"
        )
    # In place where the widths agree: memory is what limits how much can be sorted at once.
    narrow = width < stream.dtype.itemsize
    letters = _spell(stream, width) if narrow else stream.byteswap(inplace=True).view(np.uint8)
    out = np.empty(len(letters), np.int32)
    try:
        failed = libdivsufsort.divsufsort(
            letters.ctypes.data_as(ctypes.c_void_p),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int32(len(letters)),
        )
    finally:
        if not narrow:
            stream.byteswap(inplace=True)
    if failed:
        raise MemoryError(f"libdivsufsort ended with {failed}")
    keep_whole(out, width)
    out.resize(len(stream), refcheck=False)
    return out


def _spell(stream: Stream, width: int) -> NDArray[np.uint8]:
    """The last `width` big-endian bytes of each token, (S * width,)."""
    spelled = np.empty((len(stream), width), np.uint8)
    for place in range(width):
        np.right_shift(stream, 8 * (width - 1 - place), out=spelled[:, place], casting="unsafe")
    return spelled.reshape(-1)
