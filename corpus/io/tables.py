"""Documents of Parquet files, whole or ranges of row groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from corpus.documents import MAX_BATCH_TEXT, text_bytes
from corpus.io import partitions, paths, rows, streams
from corpus.io.rows import Quarantined

DECODED = 128 << 20
"""Bytes that are decoded at a time, at most, where a value can be longer decoded than stored."""
MANY_VALUES = 16 << 20
"""Values of a column of lists in a row group from which they must take some space."""


def columns(path: str) -> list[str]:
    """Names of a Parquet file's columns, those of its folders too; none if it cannot be read."""
    with paths.open_input(path) as file:
        try:
            return [*pq.ParquetFile(file).schema_arrow.names, *partitions.of_path(path)]
        except (pa.ArrowException, OSError):
            return []


def row_group_ranges(path: str, unit_bytes: int) -> list[tuple[int, int, int]]:
    """Ranges (start, end, compressed size) of row groups whose size reaches `unit_bytes`, the last one
    excepted; none if the file's footer cannot be read."""
    with paths.open_input(path) as file:
        try:
            metadata = pq.ParquetFile(file).metadata
        except (pa.ArrowException, OSError):
            return []
    ranges, start, size = [], 0, 0
    for group in range(metadata.num_row_groups):
        size += _extent(metadata.row_group(group))[1]
        if size >= unit_bytes or group == metadata.num_row_groups - 1:
            ranges.append((start, group + 1, size))
            start, size = group + 1, 0
    return ranges


def read(unit, options, excluded: rows.Excluded) -> Iterator[rows.Event]:
    """Documents of the unit's row groups, with the columns that its folders name (see `partitions`).
    One that cannot be read is quarantined from where it breaks to its end."""
    with paths.open_input(unit.path) as file:
        try:
            table = pq.ParquetFile(file, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            # raises if it is the storage that fails, and not the data
            raw = file.read_at(min(streams.PREFIX, file.size()), 0)
            yield Quarantined(unit.path, 0, f"not a Parquet file: {_first_line(error)}", raw, 0, file.size())
            return
        groups = range(table.num_row_groups)[unit.start : unit.end]
        sizes = [table.metadata.row_group(group).num_rows for group in range(groups.stop)]
        if options.text_field not in table.schema_arrow.names:
            names = ", ".join(table.schema_arrow.names)
            error = f"no column {options.text_field!r}; columns: {names}"
            yield Quarantined(unit.path, 0, error, b"", sum(sizes[groups.start :]))
            return
        first = before = sum(sizes[: groups.start])
        for group in groups:
            part = _RowGroup(table, file, group, first, first - before, unit.path)
            yield from part.events(options, excluded)
            first += sizes[group]


class _RowGroup:
    """One row group of a file. `first` is the number of its first row in the file, `number` in the unit."""

    def __init__(self, table: pq.ParquetFile, file, group: int, first: int, number: int, path: str):
        self.table, self.file, self.group, self.path = table, file, group, path
        self.first, self.number = first, number
        self.metadata = table.metadata.row_group(group)
        self.position, self.size = _extent(self.metadata)

    def events(self, options, excluded: rows.Excluded) -> Iterator[rows.Event]:
        """Its rows; what cannot be read of it as one fault."""
        total, done = self.metadata.num_rows, 0
        if total and (reason := excluded.all(self.number, self.number + total)):
            yield self._lost(reason, total)
            return
        try:
            for batch in self._batches():
                for start, end, reason in excluded.runs(self.number + done, self.number + done + batch.num_rows):
                    part = batch.slice(start - self.number - done, end - start)
                    yield from [self._lost(reason, end - start)] if reason else self._rows(part, start, options)
                done += batch.num_rows
            error = f"row group {self.group} has {done} rows and not {total} as its footer says"
        except (pa.ArrowException, OSError, ValueError) as problem:
            error = f"row group {self.group} is corrupt: {_first_line(problem)}"
        if done < total:
            yield self._lost(error, total - done)

    def _lost(self, error: str, records: int) -> Quarantined:
        raw = self.file.read_at(min(self.size, streams.PREFIX), self.position)  # raises if the storage fails
        return Quarantined(self.path, self.position, error, raw, records)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows, as many at a time as have about MAX_BATCH_TEXT bytes, read so few at a time that no more than
        DECODED bytes come out at once. Raises ValueError for what no table needs, ArrowException, OSError."""
        average = max(1, self.metadata.total_byte_size // max(1, self.metadata.num_rows))
        wanted = max(1, min(rows.BATCH_ROWS, MAX_BATCH_TEXT // average))
        few = min(wanted, self._safe_rows())
        waiting: list[pa.RecordBatch] = []
        count = size = 0
        for batch in self.table.iter_batches(few, row_groups=[self.group], use_threads=False):
            while few < wanted and count + batch.num_rows >= wanted:
                yield pa.concat_batches([*waiting, batch.slice(0, wanted - count)])
                batch = batch.slice(wanted - count)
                waiting, count, size = [], 0, 0
            waiting.append(batch)
            count, size = count + batch.num_rows, size + batch.nbytes
            if few == wanted or size > MAX_BATCH_TEXT:
                yield pa.concat_batches(waiting) if len(waiting) > 1 else batch
                waiting, count, size = [], 0, 0
        if count:
            yield pa.concat_batches(waiting)

    def _safe_rows(self) -> int:
        """How many rows can be decoded at a time, though each were the longest value of a dictionary."""
        a_row = 1
        for index in range(self.metadata.num_columns):
            column = self.metadata.column(index)
            values = max(1, column.num_values // max(1, self.metadata.num_rows))
            if column.num_values > MANY_VALUES and column.num_values > 64 * column.total_uncompressed_size > 0 and values > 1:
                raise ValueError(f"column {column.path_in_schema} claims {column.num_values} values in {column.total_uncompressed_size} bytes")
            if column.physical_type == "BYTE_ARRAY":
                a_row += values * self._longest(column)
        return max(1, DECODED // a_row)

    def _longest(self, column: pq.ColumnChunkMetaData) -> int:
        """A bound, in bytes, for the values of a column that can be longer decoded than stored; 0 if none can: the
        size of its dictionary, from the header of the page (parquet.thrift, PageHeader: two integers come first, as
        a byte for the field and a zigzag varint each)."""
        if "DELTA_BYTE_ARRAY" in column.encodings:  # a value can take over most of the one before
            return column.total_uncompressed_size
        start = column.dictionary_page_offset or column.data_page_offset
        header = self.file.read_at(12, start)
        kind, after = _zigzag(header, 1)
        size, _ = _zigzag(header, after + 1)
        if header[:1] != b"\x15" or kind not in (0, 2, 3):
            return column.total_uncompressed_size
        return max(size, 0) if kind == 2 else 0

    def _rows(self, batch: pa.RecordBatch, number: int, options) -> Iterator[rows.Event]:
        """The documents of a batch, whose first row has this number in the unit."""
        batch = partitions.add_columns(batch, partitions.of_path(self.path))
        if _is_document_table(batch, options):
            yield batch
            return
        row_number = self.first - self.number + number
        for place, (row, repaired) in enumerate(_rows(batch, options), row_number):
            try:
                if isinstance(row, Exception):
                    raise row
                yield rows.document(row, options, self.path, str(place), repaired)
            except (ValueError, OverflowError) as error:
                yield Quarantined(self.path, self.position, f"row {place}: {rows.reason(error)}", b"")


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    """(the number whose zigzag varint begins here, where the next byte is); (-1, at) if it does not end."""
    number = 0
    for shift, byte in enumerate(data[at : at + 5]):
        number |= (byte & 127) << 7 * shift
        if byte < 128:
            return number >> 1 ^ -(number & 1), at + shift + 1
    return -1, at


def _is_document_table(batch: pa.RecordBatch, options) -> bool:
    """Whether a batch is what Winnow writes: all columns of `rows.SCHEMA` with their types, and no row
    that a rule or a fault would take out. It is then passed on whole, further columns and all."""
    if (options.text_field, options.id_field) != ("text", "id"):
        return False
    if any(batch.schema.get_field_index(f.name) < 0 or batch.schema.field(f.name).type != f.type for f in rows.SCHEMA):
        return False
    text = batch.column("text")
    if any(batch.column(name).null_count for name in ("id", "text", "source")):
        return False
    try:
        batch.validate(full=True)  # UTF-8 among other things
    except pa.ArrowInvalid:
        return False
    lengths = pc.binary_length(text)
    blank = pc.any(pc.equal(pc.binary_length(pc.ascii_trim_whitespace(text)), 0)).as_py()
    longest = pc.max(lengths).as_py() or 0
    return not blank and longest <= options.max_record_bytes and text_bytes(text) <= MAX_BATCH_TEXT


def _rows(batch: pa.RecordBatch, options) -> list[tuple[dict | Exception, bool]]:
    """Every row, and whether it was repaired; the error in place of one that Python has no form for: text that is not
    UTF-8 and may not be repaired, dates beyond the year 9999."""
    try:
        return [(row, False) for row in batch.to_pylist()]
    except (ValueError, OverflowError) as error:
        if batch.num_rows > 1:
            half = batch.num_rows // 2
            return _rows(batch.slice(0, half), options) + _rows(batch.slice(half), options)
        if options.invalid_utf8 != "repair" or not isinstance(error, UnicodeDecodeError):
            return [(error, False)]
        return [({name: _repaired(batch.column(name)[0]) for name in batch.schema.names}, True)]


def _repaired(value: pa.Scalar) -> Any:
    """A cell as a Python object, with U+FFFD for what is not UTF-8 in its strings, nested ones too."""
    try:
        return value.as_py()
    except UnicodeDecodeError:
        if isinstance(value, pa.StructScalar):
            return {name: _repaired(item) for name, item in value.items()}
        if isinstance(value, pa.MapScalar):
            return [tuple(_repaired(item) for item in pair.values()) for pair in value.values]
        if isinstance(value, pa.ListScalar):  # of any kind
            return [_repaired(item) for item in value.values]
        return value.as_buffer().to_pybytes().decode("utf-8", "replace")


def _extent(group: pq.RowGroupMetaData) -> tuple[int, int]:
    """(offset of a row group in the file, its compressed size), in bytes."""
    columns = [group.column(index) for index in range(group.num_columns)]
    starts = [c.dictionary_page_offset or c.data_page_offset for c in columns]
    return min(starts, default=0), sum(c.total_compressed_size for c in columns)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
