"""The decorator of small kernels that are called once a word or a line.

A numba function counts a reference to each of its array arguments when it begins and ends, and to an array that it
takes out of a NamedTuple at every use, in atomic operations, which for such a kernel can take longer than its work.
The caller holds its arrays anyway, so that a function that neither makes nor returns an array does without.

Safe: reading and writing elements, arrays of the module, NamedTuples of arrays, `searchsorted` of one value, other
leaves. Not to be had: `empty`, `append`, `array_equal`, and functions that use them, since what a leaf calls is
compiled without reference counts too. So scratch is made by the caller, outside its loop, and the rare case that
needs an array of its own stays a plain function beside the leaf (`encoding/bpe.py`). Slices of arguments are passed as
bounds: a slice taken in the caller costs references there. A kernel that is called once a document gains nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def leaf(function: Callable[..., Any]) -> Callable[..., Any]:
    """`numba.njit` without reference counts: for a kernel that neither makes nor returns an array, called by other
    kernels. numba refuses to compile one that makes an array; one that returns an array is a fault."""
    return numba.njit(cache=True, nogil=True, _nrt=False)(function)  # type: ignore[call-overload]  # _nrt is not public
