"""A string column as bytes and offsets, which is what kernels read and write."""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def buffers(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(data, offsets) of a string, large_string, binary or large_binary array.

    Entry *i* is `data[offsets[i]:offsets[i + 1]]`; data is uint8 and shared with the
    array (read-only), offsets is int64[len(array) + 1]. The first offset of a slice is
    not 0. Null entries are empty. Raises TypeError for another type.
    """
    if pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type):
        offset_type = np.int64
    elif pa.types.is_string(array.type) or pa.types.is_binary(array.type):
        offset_type = np.int32
    else:
        raise TypeError(f"expected a column of strings, got {array.type}")
    if array.null_count:
        array = array.fill_null("" if "string" in str(array.type) else b"")
    if len(array) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = array.buffers()
    offsets = np.frombuffer(offsets, offset_type)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(b"" if data is None else data, np.uint8)
    return data, offsets.astype(np.int64)


def string_array(data: np.ndarray, offsets: np.ndarray, type: pa.DataType | None = None) -> pa.Array:
    """The array of `type` (string unless given) whose entry *i* is
    `data[offsets[i]:offsets[i + 1]]`; data is uint8 and not copied, offsets are integers,
    first one any. Raises OverflowError if data is too long for 32-bit offsets.
    """
    type = pa.string() if type is None else type
    large = pa.types.is_large_string(type) or pa.types.is_large_binary(type)
    if not large and len(offsets) and offsets[-1] > np.iinfo(np.int32).max:
        raise OverflowError(f"{offsets[-1]} bytes of text do not fit a {type} column")
    offsets = np.ascontiguousarray(offsets, np.int64 if large else np.int32)
    parts = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(type, len(offsets) - 1, parts, null_count=0)
