"""Arrays in kernels that need more room than was known before."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def doubled(array):
    """A new array with twice the rows, of which the first half are these."""
    larger = np.empty((2 * array.shape[0],) + array.shape[1:], array.dtype)
    larger[: len(array)] = array
    return larger
