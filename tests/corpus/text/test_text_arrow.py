import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text import arrow

TYPES = [pa.string(), pa.large_string()]


def texts_of(data, offsets):
    return [bytes(data[a:b]).decode() for a, b in zip(offsets, offsets[1:])]


@pytest.mark.parametrize("type", TYPES, ids=str)
@given(st.lists(st.none() | st.text()), st.integers(0, 5), st.integers(0, 5))
@settings(deadline=None)
def test_buffers_of_slices_and_nulls(type, texts, start, length):
    array = pa.array(texts, type).slice(min(start, len(texts)), length)
    data, offsets = arrow.buffers(array)
    assert offsets.dtype == np.int64 and data.dtype == np.uint8
    assert texts_of(data, offsets) == [text or "" for text in array.to_pylist()]


def test_null_entries_over_bytes_are_empty():
    whole = pa.array(["ab", "cd", "ef"])
    masked = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x05"), *whole.buffers()[1:]], null_count=1)
    assert texts_of(*arrow.buffers(masked)) == ["ab", "", "ef"]


def test_buffers_share_memory_with_the_array():
    array = pa.array(["abc", "def"])
    data, _ = arrow.buffers(array)
    assert data.ctypes.data == array.buffers()[2].address


@pytest.mark.parametrize("type", TYPES, ids=str)
@given(st.lists(st.text()))
@settings(deadline=None)
def test_string_array_inverts_buffers(type, texts):
    data, offsets = arrow.buffers(pa.array(texts, type))
    array = arrow.string_array(data, offsets, type)
    array.validate(full=True)
    assert array.type == type and array.to_pylist() == texts


def test_empty_and_wrong_types():
    for array in (pa.array([], pa.string()), pa.array([None, None], pa.string())):
        assert texts_of(*arrow.buffers(array)) == [""] * len(array)
    with pytest.raises(TypeError, match="strings"):
        arrow.buffers(pa.array([1, 2]))


def test_string_array_refuses_too_long_data():
    with pytest.raises(OverflowError, match="do not fit"):
        arrow.string_array(np.empty(0, np.uint8), np.array([0, 1 << 31]))
