"""Loops that fill the arrays of a batch from memory-mapped shards.

`index` is `IndexedDataset.index`, a uint16 view of .idx behind its header: the int64 arrays in
there are not aligned, so their entries are put together from four halves. Row r of `tokens` [B, T] is
`stream[starts[r]:ends[r]]` of the token stream, row r of `previous` the token before each of these; `previous` [B, 0]
is left alone. A shard's first token has stream position `begin`.
"""

import numba
import numpy as np

IGNORE = -100
"""The label that cross-entropy losses leave out (torch's `ignore_index` default)."""


@numba.njit(cache=True, nogil=True)
def copy(source, target):
    """`target[:] = source` for one-dimensional arrays of one length: this loop becomes vector
    instructions where numba's own slice assignment does not, and is twice as fast."""
    for k in range(min(len(source), len(target))):
        target[k] = source[k]


@numba.njit(cache=True, nogil=True)
def window_bounds(numbers, lengths, tokens):
    """(starts, ends), int64[B] stream positions of the windows `numbers` (int64[B]); both 0 for -1, no window. Windows
    follow each other, window i of `lengths[i % len(lengths)]` tokens (int64), and end with the stream of `tokens`."""
    cycle = lengths.sum()
    starts = np.zeros(len(numbers), np.int64)
    ends = np.zeros(len(numbers), np.int64)
    for row in range(len(numbers)):
        if numbers[row] >= 0:
            place = numbers[row] % len(lengths)
            starts[row] = numbers[row] // len(lengths) * cycle + lengths[:place].sum()
            ends[row] = min(starts[row] + lengths[place], tokens)
    return starts, ends


@numba.njit(cache=True, nogil=True)
def shards_of(shard_starts, starts, ends):
    """Numbers (int64, ascending) of the shards that hold tokens of the ranges [starts, ends).
    Shard s holds stream positions shard_starts[s] to shard_starts[s + 1]; all arrays int64."""
    touched = np.zeros(len(shard_starts), np.bool_)
    for row in range(len(starts)):
        if ends[row] > starts[row]:
            shard = np.searchsorted(shard_starts, starts[row], "right") - 1
            while shard_starts[shard] < ends[row]:
                touched[shard] = True
                shard += 1
    return np.flatnonzero(touched)


@numba.njit(cache=True, nogil=True)
def copy_windows(data, begin, starts, ends, tokens, previous):
    """Copy what `data`, one shard, holds of each row of `tokens` and `previous`. Arrays: starts, ends int64[B]; tokens,
    previous [B, T]. Rows with start == end are left alone."""
    limit = begin + len(data)
    for row in range(len(starts)):
        start, end = starts[row], ends[row]
        low, high = max(start, begin), min(end, limit)
        if low < high:
            copy(data[low - begin : high - begin], tokens[row, low - start : high - start])
        low, high = max(start - 1, begin), min(end - 1, limit)
        if low < high and previous.shape[1]:
            copy(data[low - begin : high - begin], previous[row, low + 1 - start : high + 1 - start])


@numba.njit(cache=True, nogil=True)
def pad(filled, tokens, token, previous, before):
    """Fill each row from position `filled[row]` on: `token` in tokens, `before` in previous."""
    for row in range(len(filled)):
        tokens[row, filled[row] :] = token
        previous[row, filled[row] :] = before


@numba.njit(cache=True, nogil=True)
def _read_int64(index, at):
    """The int64 that begins at the uint16 `index[at]`, little-endian."""
    value = np.uint64(0)
    for k in range(4):
        value |= np.uint64(index[at + k]) << np.uint64(16 * k)
    return np.int64(value)


@numba.njit(cache=True, nogil=True)
def document_start(index, sequences, itemsize, size, document):
    """First token (int64) of a document, or of the end for `document` = number of documents.

    Behind the header .idx holds int32[S], int64[S] byte offsets, int64[D + 1] first sequences:
    2 S, 4 S and 4 (D + 1) halves. `size` is the number of tokens of the shard."""
    sequence = _read_int64(index, 6 * sequences + 4 * document)
    if not 0 <= sequence < sequences:
        return size
    return _read_int64(index, 2 * sequences + 4 * sequence) // itemsize


@numba.njit(cache=True, nogil=True)
def _document_at(index, sequences, itemsize, size, documents, position):
    """The document (int64) that token `position` of the shard belongs to."""
    low, high = 0, documents  # start(low) <= position < start(high)
    while high - low > 1:
        middle = (low + high) // 2
        if document_start(index, sequences, itemsize, size, middle) <= position:
            low = middle
        else:
            high = middle
    return low


@numba.njit(cache=True, nogil=True)
def mark_documents(index, sequences, documents, itemsize, size, begin, starts, ends, ids, tokens, mask_starts):
    """Number the documents of each row 1, 2, .. in `ids` (int32[B, T], zeros at first), as far as
    they lie in this shard; shards must come in stream order. With `mask_starts` the first token of
    every document becomes IGNORE. Raises ValueError where .idx contradicts itself."""
    for row in range(len(starts)):
        start = starts[row]
        low, high = max(start, begin), min(ends[row], begin + size)
        if low >= high:
            continue
        number = ids[row, low - start - 1] if low > start else 0
        document = _document_at(index, sequences, itemsize, size, documents, low - begin)
        position = low
        while position < high:
            if document >= documents:
                raise ValueError("damaged .idx: document offsets are not in order")
            first = begin + document_start(index, sequences, itemsize, size, document)
            document += 1
            last = begin + document_start(index, sequences, itemsize, size, document)
            last = min(last, high)
            if last <= position:  # an empty document has no number
                continue
            number += 1
            if mask_starts and first == position:
                tokens[row, position - start] = IGNORE
            ids[row, position - start : last - start] = number
            position = last


@numba.njit(cache=True, nogil=True)
def place_pieces(
    index, sequences, documents, itemsize, size, offsets, document, start, length, bins, rows, width, ids, filled
):
    """Where the pieces of the packed sequences `bins` of a shard's plan (see packing.Plan) come from, and in which of
    `rows` they go: (row, column, first token in the shard, token behind the last, whether it begins its document),
    int64[5, pieces]. Numbers the pieces of a row 1, 2, .. in `ids` (int32[B, T]; [B, 0]: not wanted); `filled[row]`
    becomes the positions used. Raises ValueError where the plan does not fit the shard of `size` tokens, or a row of
    `width`."""
    count = 0
    for k in range(len(bins)):
        count += offsets[bins[k] + 1] - offsets[bins[k]]
    places = np.empty((5, count), np.int64)
    count = 0
    for k in range(len(bins)):
        row, at, number = rows[k], 0, 0
        for piece in range(offsets[bins[k]], offsets[bins[k] + 1]):
            which, skipped, tokens = document[piece], start[piece], length[piece]
            if which < 0 or which >= documents or skipped < 0 or tokens < 1:
                raise ValueError("packing plan does not fit the shard")
            first = document_start(index, sequences, itemsize, size, which) + skipped
            limit = document_start(index, sequences, itemsize, size, which + 1)
            if first < 0 or first + tokens > min(limit, size) or at + tokens > width:
                raise ValueError("packing plan does not fit the shard")
            places[0, count], places[1, count], places[2, count] = row, at, first
            places[3, count], places[4, count] = first + tokens, skipped == 0
            count += 1
            number += 1
            if ids.shape[1]:
                ids[row, at : at + tokens] = number
            at += tokens
        filled[row] = at
    return places


@numba.njit(cache=True, nogil=True)
def copy_pieces(data, begin, places, end_id, mask_starts, tokens, previous):
    """Copy what `data`, the tokens of a shard from `begin` on or some of them, holds of the pieces at `places` (see
    `place_pieces`). Before a piece that begins its document stands `end_id`; with `mask_starts` it begins with IGNORE.
    """
    limit = begin + len(data)
    for piece in range(places.shape[1]):
        row, at, first, last = places[0, piece], places[1, piece], places[2, piece], places[3, piece]
        head = places[4, piece] != 0
        low, high = max(first, begin), min(last, limit)
        if low < high:
            copy(data[low - begin : high - begin], tokens[row, at + low - first : at + high - first])
            if mask_starts and head and low == first:
                tokens[row, at] = IGNORE
        if previous.shape[1]:
            low, high = max(first if head else first - 1, begin), min(last - 1, limit)
            if low < high:
                copy(data[low - begin : high - begin], previous[row, at + 1 + low - first : at + 1 + high - first])
            if head and at < previous.shape[1]:
                previous[row, at] = end_id


@numba.njit(cache=True, nogil=True)
def blocks_of(starts, ends, begin, size, block):
    """Numbers (int64, ascending) of the blocks of `block` tokens that hold tokens of the ranges [starts, ends), stream
    positions int64[B], in a shard of `size` tokens whose first has position `begin`."""
    touched = np.zeros((size + block - 1) // block, np.bool_)
    for row in range(len(starts)):
        low, high = max(starts[row] - begin, 0), min(ends[row] - begin, size)
        if low < high:
            touched[low // block : (high - 1) // block + 1] = True
    return np.flatnonzero(touched)


@numba.njit(cache=True, nogil=True)
def count_positions(ids):
    """int32[B, T]: position of each token in its document, from 0; documents begin anew with each
    row. Padding (id 0) counts as a document."""
    positions = np.empty(ids.shape, np.int32)
    for row in range(ids.shape[0]):
        position = 0
        for column in range(ids.shape[1]):
            if column and ids[row, column] != ids[row, column - 1]:
                position = 0
            positions[row, column] = position
            position += 1
    return positions


@numba.njit(cache=True, nogil=True)
def cumulative_lengths(ids):
    """(cu_seqlens int32[segments + 1], longest segment) of the rows laid end to end: a segment
    ends where the document does, or its row. Padding of a row is a segment of its own."""
    rows, columns = ids.shape
    ends = np.empty(rows * columns + 1, np.int32)
    ends[0] = 0
    segments = 0
    longest = 0
    for row in range(rows):
        for column in range(columns):
            if column + 1 == columns or ids[row, column] != ids[row, column + 1]:
                segments += 1
                ends[segments] = row * columns + column + 1
                longest = max(longest, ends[segments] - ends[segments - 1])
    return ends[: segments + 1].copy(), longest
