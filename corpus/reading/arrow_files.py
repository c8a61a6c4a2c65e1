"""Documents of Arrow files and streams (.arrow, .feather): what Arrow, Feather 2 and the `datasets` of Hugging Face
write. A file is read whole, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import MAX_BATCH_TEXT
from corpus.io import partitions, paths
from corpus.reading import arrow_messages, records, rows, streams
from corpus.reading.arrow_messages import BATCH, DICTIONARY, SCHEMA, Broken, Message
from corpus.reading.reader import Reader, Unit
from corpus.reading.records import Quarantined

if TYPE_CHECKING:
    from corpus.reading.read_options import ReadOptions

MOST_BATCH = 1 << 30
"""Bytes of a batch, as it lies in the file and decoded, and of all dictionaries."""
FIRST_BATCH = 64 << 20
"""Bytes of the first batch, if that is what there is to know of the text in each field."""
_VIEWS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
_AS_BYTES = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
}


def read(unit: Unit, options: ReadOptions, excluded: records.Excluded) -> Iterator[records.Event]:
    """Documents of a file's rows, with the columns that its folders name. A batch that cannot be read is one fault."""
    with paths.open_input(unit.path) as file:
        stream, number = _Stream(), 0
        try:
            for message in arrow_messages.messages(file, MOST_BATCH):
                if message.kind != BATCH:
                    stream.take(message)
                    continue
                place = rows.Place(unit.path, unit.name, number, message.position)
                count = _rows_of(message)
                try:
                    batch = stream.batch(message)
                except ValueError as error:
                    reason = excluded.all(number, number + count) if count else None
                    error_text = reason or f"batch at {message.position}: {error}"
                    raw = (message.body or message.head)[: streams.PREFIX]
                    lost = len(message.head) + len(message.body or b"")
                    yield Quarantined(unit.name, message.position, error_text, raw, count, 0 if count else lost)
                else:
                    yield from _documents(batch, place, options, excluded)
                number += count
        except Broken as error:
            lost = file.size() - error.position
            yield Quarantined(unit.name, error.position, str(error), error.raw, 0, lost)


def columns(path: str) -> list[str]:
    """Names of a file's columns, those of its folders too; none if it cannot be read."""
    schema, _, _ = _first(path, 0)
    return [*schema.names, *partitions.of_path(path)] if schema is not None else []


def first(path: str, options: ReadOptions) -> records.First:
    """See `Reader.first`: the schema, with the text of the first batch if it is no large one."""
    schema, batch, fault = _first(path, FIRST_BATCH)
    if schema is None:
        return records.First({}, {}, fault)
    said = records.first_of(batch.slice(0, 100).to_pylist() if batch is not None else [])
    kinds = rows.fields(schema)
    guessed = {name: int(batch is None and rows.is_text(kind)) for name, kind in kinds.items()}
    others = {name: rows.kind(kind) for name, kind in kinds.items() if not rows.is_text(kind)}
    texts = guessed | dict.fromkeys(partitions.of_path(path), 0)
    return records.First({n: said.texts.get(n, size) for n, size in texts.items()}, others | said.others)


def _first(path: str, most: int) -> tuple[pa.Schema | None, pa.RecordBatch | None, str | None]:
    """The schema of a file and its first batch, if that has no more than so many bytes; None for what is not there;
    and what is wrong."""
    fault = None
    stream = _Stream()
    with paths.open_input(path) as file:
        try:
            for message in arrow_messages.messages(file, most):
                if message.kind == BATCH:
                    return stream.schema, stream.batch(message).slice(0, 100), None
                stream.take(message)
        except ValueError as error:
            fault = str(error)
    return stream.schema, None, fault


def _rows_of(message: Message) -> int:
    """How many rows a batch has; none where it says what cannot be: a row takes a bit at least."""
    return message.rows if 0 <= message.rows <= 8 * max(message.decoded, 1) else 0


class _Stream:
    """Decodes batches, given all messages in turn. A schema begins another stream."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.feed = _Feed()
        self.reader: pa.RecordBatchStreamReader | None = None
        self.schema: pa.Schema | None = None
        self.dictionaries = 0

    def take(self, message: Message) -> None:
        """A message before the batches that need it. Raises Broken where there is no use in reading on."""
        try:
            if message.kind == SCHEMA:
                self._begin()
            self.dictionaries += message.decoded if message.kind == DICTIONARY else 0
            if message.body is None or self.dictionaries > MOST_BATCH:
                raise ValueError(f"dictionaries of more than {MOST_BATCH} bytes")
            self.feed.put(message)
            if message.kind == SCHEMA:
                self.reader = pa.ipc.open_stream(pa.PythonFile(self.feed, mode="r"))
                schema = self.reader.schema
                names = records.distinct_names(schema.names)
                self.schema = pa.schema([field.with_name(name) for field, name in zip(schema, names)], schema.metadata)
        except (pa.ArrowException, OSError, ValueError) as error:
            why = str(error).partition("\n")[0]
            raise Broken(f"not an Arrow file: {why}", message.position, message.head[: streams.PREFIX]) from None

    def batch(self, message: Message) -> pa.RecordBatch:
        """The batch of a message, all of which can be followed. Raises ValueError."""
        if self.reader is None:
            raise ValueError("no schema comes before it")
        if message.body is None:
            raise ValueError(f"it comes to {message.decoded} bytes, and {MOST_BATCH} are read at a time: write smaller")
        if _rows_of(message) != message.rows:
            raise ValueError(f"it claims {message.rows} rows in {message.decoded} bytes")
        self.feed.put(message)
        try:
            batch = self.reader.read_next_batch()
            _check(batch)
        except (pa.ArrowException, OSError, StopIteration) as error:  # none of the storage: the bytes are here
            raise ValueError(str(error).partition("\n")[0] or "it is none") from None
        finally:
            self.feed.clear()
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)


class _Feed:
    """A file for pyarrow to read, of the messages that it is to read next: whole pieces are handed on as they are."""

    closed = False

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def put(self, message: Message) -> None:
        self.pieces += [message.head[:4], message.head[4:8], message.head[8:], message.body or b""]

    def clear(self) -> None:
        self.pieces = []

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        found = b""
        while self.pieces and len(found) < size:
            piece = self.pieces.pop(0)
            wanted = size - len(found)
            if len(piece) > wanted:
                self.pieces.insert(0, piece[wanted:])
                piece = piece[:wanted]
            found = found + piece if found else piece
        return found

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        pass


def _check(batch: pa.RecordBatch) -> None:
    """Raises ArrowInvalid where offsets, lengths or indices lead out of the data. Text may be no UTF-8: that is a
    fault of its row."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        arrays = [_as_bytes(column) for column in batch.columns]
        pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))]).validate(full=True)


def _as_bytes(array: pa.Array) -> pa.Array:
    kind = _AS_BYTES.get(array.type)
    if kind is None:
        return array
    return pa.Array.from_buffers(kind, len(array), array.buffers(), array.null_count, array.offset)


def _documents(
    batch: pa.RecordBatch, place: rows.Place, options: ReadOptions, excluded: records.Excluded
) -> Iterator[records.Event]:
    """The documents of a batch, some rows at a time."""
    if not rows.has_field(batch.schema, options.text_field):
        error = f"no column {options.text_field!r}; columns: {', '.join(batch.schema.names)}"
        yield Quarantined(place.name, place.position, error, b"", batch.num_rows)
        return
    try:
        parts = list(_parts(batch))
    except (pa.ArrowException, ValueError) as error:
        yield Quarantined(place.name, place.position, f"batch at {place.position}: {error}", b"", batch.num_rows)
        return
    for first, last in parts:
        for start, end, reason in excluded.runs(place.row + first, place.row + last):
            part = _without_views(batch.slice(start - place.row, end - start))
            if reason:
                yield from rows.left_out(part, place._replace(row=start), reason, options)
            else:
                yield from rows.documents(part, place._replace(row=start), options)


def _parts(batch: pa.RecordBatch) -> Iterator[tuple[int, int]]:
    """Ranges of rows that have no more than MAX_BATCH_TEXT bytes, as Python objects too, if they are several. Raises
    ValueError where that cannot be known."""
    sizes = sum((_row_sizes(column) for column in batch.columns), np.zeros(batch.num_rows, np.int64))
    before = np.concatenate([[0], np.cumsum(sizes)])
    start = 0
    while start < batch.num_rows:
        most = int(np.searchsorted(before, before[start] + MAX_BATCH_TEXT, side="right")) - 1
        end = min(max(most, start + 1), start + records.BATCH_ROWS, batch.num_rows)
        yield start, end
        start = end


def _row_sizes(array: pa.Array) -> np.ndarray:
    """About how many bytes each value takes by itself: views and dictionaries can repeat what is there once. Raises
    ValueError for types of which that cannot be told."""
    kind, count = array.type, len(array)
    if isinstance(kind, pa.BaseExtensionType):
        return _row_sizes(array.storage)
    if kind in _VIEWS:
        views = np.frombuffer(array.buffers()[1] or b"", np.int32)[::4]
        return np.maximum(views[array.offset : array.offset + count], 0).astype(np.int64)
    if kind in _AS_BYTES or kind in (pa.binary(), pa.large_binary()):
        return pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_struct(kind):
        return sum((_row_sizes(each) for each in array.flatten()), np.zeros(count, np.int64))
    if pa.types.is_dictionary(kind) and not pa.types.is_nested(kind.value_type):
        return np.full(count, _row_sizes(array.dictionary).max(initial=0), np.int64)
    if _repeats(kind):
        raise ValueError(f"a column of type {kind} is not read")
    return np.full(count, array.nbytes // max(count, 1), np.int64)


def _repeats(kind: pa.DataType) -> bool:
    """Whether what a value holds may be there once for many of them."""
    types = pa.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind) or types.is_union(kind) or kind in _VIEWS:
        return True
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return True
    return any(_repeats(kind.field(i).type) for i in range(kind.num_fields))


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with texts where it has views of some."""
    for place, field in enumerate(batch.schema):
        if field.type in _VIEWS:
            batch = batch.set_column(place, field.name, batch.column(place).cast(_VIEWS[field.type]))
    return batch


READER = Reader("arrow", (".arrow", ".feather"), read, compressed=False, columns=columns, first=first)
