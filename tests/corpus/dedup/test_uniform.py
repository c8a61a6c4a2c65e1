"""Hashes in order, and values that are no hashes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import uniform


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=200))
def test_sort_uniform_sorts_anything(values):
    out = np.empty(len(values), np.uint64)
    uniform.sort_uniform(np.array(values, np.uint64), out)
    assert out.tolist() == sorted(values)


@pytest.mark.parametrize("values", ["all", "small", "equal", "two", "none", "one"])
def test_hashes_in_order(values):
    random = np.random.default_rng(1)
    hashes = random.integers(0, 1 << 64, {"none": 0, "one": 1}.get(values, 5000), np.uint64)
    if values in ("small", "equal", "two"):  # of which many come to one place
        hashes %= np.uint64({"small": 900, "equal": 1, "two": 2}[values])
    order = uniform.argsort_uniform(hashes)
    assert sorted(order.tolist()) == list(range(len(hashes)))
    assert hashes[order].tolist() == sorted(hashes.tolist())
