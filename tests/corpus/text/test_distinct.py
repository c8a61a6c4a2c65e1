"""Distinct values, against a set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.text.distinct import distinct


@given(st.lists(st.integers(0, 9)), st.sampled_from([np.int64, np.uint64, np.int32]))
def test_each_once_in_order(values, dtype):
    found = distinct(np.array(values, dtype))
    assert found.tolist() == sorted(set(values)) and found.dtype == dtype


@pytest.mark.parametrize("shape", [(0, 2), (3, 2)])
def test_of_any_shape(shape):
    assert distinct(np.ones(shape, np.int64)).tolist() == [1] * (shape[0] > 0)
