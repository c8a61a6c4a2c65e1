"""The decorator of small kernels that are called once a word or a line.

A numba function counts a reference to each of its array arguments when it begins and ends, in atomic operations,
which for such a kernel can take longer than its work. The caller holds its arrays anyway, so that a function that
neither makes nor returns an array does without.
"""

from __future__ import annotations

import numba


def leaf(function):
    """`numba.njit` without reference counts: for a kernel that neither makes nor returns an array, called by other
    kernels. numba refuses to compile one that makes an array; one that returns an array is a fault."""
    return numba.njit(cache=True, nogil=True, _nrt=False)(function)
