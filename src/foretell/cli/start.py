"""What a verb that runs compiled code does first."""

from __future__ import annotations

import sys

BLAS = "scipy.linalg.cython_blas"


def load_numba() -> None:
    """Load numba without SciPy's linear algebra: 0.2 s less, of 0.4.

    numba looks for it whether or not anything will be multiplied, and does without if it is not
    there; so it is hidden for as long as numba looks. Source: `_check_blas` in
    `numba/np/arraymath.py`.
    """
    if BLAS in sys.modules or "numba.np.arraymath" in sys.modules:
        return
    sys.modules[BLAS] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules[BLAS]
