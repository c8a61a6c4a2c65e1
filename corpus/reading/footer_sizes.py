"""How many bytes the row groups of a Parquet file have: of its footer that alone.

An input is divided by it before a run begins, and footers of large files have thousands of columns: `parquet_footer`,
which reads all of a footer in Python, takes milliseconds to seconds for each, this some microseconds, and other threads
go on meanwhile. What is unusual in any way it leaves to `parquet_footer`; where it gives an answer, that is the same.
"""

from __future__ import annotations

import numba
import numpy as np

MOST_DEPTH = 20
"""Structs and lists within each other of what is passed over; `parquet_footer` allows 32 from the top."""
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_FAILED = -1


@numba.njit(cache=True, nogil=True)
def compressed(footer):
    """(int64[row groups], their compressed bytes; whether that is so) of a footer, uint8[bytes]."""
    found = np.empty(0, np.int64)
    scratch = np.empty((MOST_DEPTH, 3), np.int64)
    at = number = 0
    seen = False
    while True:
        number, kind, at = _field(footer, at, number)
        if at == _FAILED:
            return found, False
        if kind == 0:
            return found, True
        if number == 4:
            count, at = _structs(footer, at, kind)
            if at == _FAILED or seen:
                return found, False
            seen = True
            found = np.empty(count, np.int64)
            for group in range(count):
                found[group], at = _row_group(footer, at, scratch)
                if at == _FAILED:
                    return found, False
        elif number == 3 and not _is_number(kind):
            return found, False
        else:
            at = _skip(footer, at, kind, scratch)
            if at == _FAILED:
                return found, False


@numba.njit(cache=True, nogil=True)
def _row_group(data, at, scratch):
    """(compressed bytes of the row group that begins there, where it ends)."""
    number = total = 0
    seen = False
    while True:
        number, kind, at = _field(data, at, number)
        if at == _FAILED or kind == 0:
            return total, at
        if number == 1:
            count, at = _structs(data, at, kind)
            if at == _FAILED or seen:
                return 0, _FAILED
            seen = True
            for _ in range(count):
                size, at = _column(data, at, scratch)
                if at == _FAILED:
                    return 0, _FAILED
                total += size
        elif number in (2, 3) and not _is_number(kind):
            return 0, _FAILED
        else:
            at = _skip(data, at, kind, scratch)
            if at == _FAILED:
                return 0, _FAILED


@numba.njit(cache=True, nogil=True)
def _column(data, at, scratch):
    """(compressed bytes of the column chunk that begins there, where it ends)."""
    number = size = 0
    seen = False
    while True:
        number, kind, at = _field(data, at, number)
        if at == _FAILED or kind == 0:
            return size, at
        if number == 3:
            if seen or kind != _STRUCT:
                return 0, _FAILED
            seen = True
            size, at = _metadata(data, at, scratch)
        else:
            at = _skip(data, at, kind, scratch)
        if at == _FAILED:
            return 0, _FAILED


@numba.njit(cache=True, nogil=True)
def _metadata(data, at, scratch):
    """(compressed bytes that the metadata of a column chunk say, where they end)."""
    number = size = 0
    seen = False
    while True:
        number, kind, at = _field(data, at, number)
        if at == _FAILED or kind == 0:
            return size, at
        if number in (1, 5, 6, 7, 9, 11) and not _is_number(kind):
            return 0, _FAILED
        if number == 7:
            if seen or kind == _BYTE:
                return 0, _FAILED
            seen = True
            raw, at = _varint(data, at)
            size = raw >> 1
            if raw & 1 or size >> 48:  # negative, or more than there can be
                return 0, _FAILED
        else:
            at = _skip(data, at, kind, scratch)
        if at == _FAILED:
            return 0, _FAILED


@numba.njit(cache=True, nogil=True)
def _field(data, at, number):
    """(number of the next field of a struct, the one before it being `number`; its type, 0 where there is none; where
    it begins)."""
    if at >= len(data):
        return 0, 0, _FAILED
    head = np.int64(data[at])
    at += 1
    if head == 0:
        return 0, 0, at
    if head & 15 == 0:
        return 0, 0, _FAILED
    if head >> 4:
        return number + (head >> 4), head & 15, at
    raw, at = _varint(data, at)
    return (raw >> 1) ^ -(raw & 1), (0 if at == _FAILED else head & 15), at


@numba.njit(cache=True, nogil=True)
def _structs(data, at, kind):
    """(how many structs a list has, where the first begins)."""
    count, item, at = _list_head(data, at)
    if kind != _LIST or (count and item != _STRUCT):
        return 0, _FAILED
    return count, at


@numba.njit(cache=True, nogil=True)
def _list_head(data, at):
    """(how many items a list has, their type, where the first begins); each item takes a byte at least."""
    if at < 0 or at >= len(data):
        return 0, 0, _FAILED
    head = np.int64(data[at])
    count = head >> 4
    at += 1
    if count == 15:
        count, at = _varint(data, at)
    if at == _FAILED or count > len(data) - at:
        return 0, 0, _FAILED
    return count, head & 15, at


@numba.njit(cache=True, nogil=True)
def _is_number(kind):
    return _BYTE <= kind <= _I64


@numba.njit(cache=True, nogil=True)
def _varint(data, at):
    """(the number, not negative and below 2^63, where it ends)."""
    value = np.int64(0)
    shift = 0
    while at < len(data) and shift < 63:
        byte = np.int64(data[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return np.int64(0), _FAILED


@numba.njit(cache=True, nogil=True)
def _skip(data, at, kind, scratch):
    """Where a value of a type ends. `scratch` are the containers that it is in: values that are left, or -1 for a
    struct, and the types of items (in a map, of keys and values in turn)."""
    depth, item = 0, False
    while True:
        if kind in (_TRUE, _FALSE):
            at += item  # the type of a field says its value
        elif kind == _BYTE:
            at += 1
        elif kind == _DOUBLE:
            at += 8
        elif _is_number(kind):
            _, at = _varint(data, at)
        elif kind == _BINARY:
            size, at = _varint(data, at)
            if at == _FAILED or size > len(data) - at:
                return _FAILED
            at += size
        elif depth == MOST_DEPTH or kind == 0 or kind > _STRUCT:
            return _FAILED
        else:
            at = _enter(data, at, kind, scratch[depth])
            depth += 1
        while True:  # the next value
            if at == _FAILED or at > len(data):
                return _FAILED
            if depth == 0:
                return at
            frame = scratch[depth - 1]
            if frame[0] == -1:
                _, kind, at = _field(data, at, 0)
                item = False
                if kind:
                    break
                depth -= 1
            elif frame[0] == 0:
                depth -= 1
            else:
                kind = frame[1] if frame[0] % 2 == 0 else frame[2]
                frame[0] -= 1
                item = True
                break


@numba.njit(cache=True, nogil=True)
def _enter(data, at, kind, frame):
    """Begin a struct, list or map; where its first value begins."""
    if kind == _STRUCT:
        frame[0] = -1
        return at
    if kind != _MAP:
        frame[0], frame[1], at = _list_head(data, at)
        frame[2] = frame[1]
        return at
    count, at = _varint(data, at)
    if at == _FAILED or count > len(data) - at:
        return _FAILED
    frame[0] = 2 * count
    if count:
        if at >= len(data):
            return _FAILED
        frame[1], frame[2] = data[at] >> 4, data[at] & 15
        at += 1
    return at
