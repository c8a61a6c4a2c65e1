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


def columns(path: str) -> list[str]:
    """Names of a Parquet file's columns, those of its folders too; none if it cannot be read."""
    with paths.open_input(path) as file:
        try:
            return [*pq.ParquetFile(file).schema_arrow.names, *partitions.of_path(path)]
        except (pa.ArrowException, OSError):
            return []


def row_group_ranges(path: str, unit_bytes: int) -> list[tuple[int, int]]:
    """Ranges [start, end) of row groups whose compressed size reaches `unit_bytes`, the last one
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
            ranges.append((start, group + 1))
            start, size = group + 1, 0
    return ranges


def read(unit, options) -> Iterator[rows.Event]:
    """Documents of the unit's row groups, with the columns that its folders name (see `partitions`).
    One that cannot be read is quarantined from where it breaks to its end."""
    with paths.open_input(unit.path) as file:
        try:
            table = pq.ParquetFile(file, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            # raises if it is the storage that fails, and not the data
            raw = file.read_at(min(streams.PREFIX, file.size()), 0)
            yield Quarantined(unit.path, 0, f"not a Parquet file: {_first_line(error)}", raw)
            return
        if options.text_field not in table.schema_arrow.names:
            names = ", ".join(table.schema_arrow.names)
            yield Quarantined(unit.path, 0, f"no column {options.text_field!r}; columns: {names}", b"")
            return
        groups = range(table.num_row_groups)[unit.start : unit.end]
        first = sum(table.metadata.row_group(group).num_rows for group in range(groups.start))
        for group in groups:
            yield from _row_group(table, file, group, first, unit.path, options)
            first += table.metadata.row_group(group).num_rows


def _row_group(table, file, group: int, first: int, path: str, options) -> Iterator[rows.Event]:
    metadata = table.metadata.row_group(group)
    position, size = _extent(metadata)
    average = max(1, metadata.total_byte_size // max(1, metadata.num_rows))
    batch_rows = max(1, min(rows.BATCH_ROWS, MAX_BATCH_TEXT // average))
    batches = table.iter_batches(batch_rows, row_groups=[group], use_threads=False)
    of_folders = partitions.of_path(path)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError) as error:
            raw = file.read_at(size, position)[: streams.PREFIX]  # raises if the storage fails
            yield Quarantined(path, position, f"row group {group} is corrupt: {_first_line(error)}", raw)
            return
        if batch is None:
            return
        batch = partitions.add_columns(batch, of_folders)
        if _is_document_table(batch, options):
            yield batch
            first += batch.num_rows
            continue
        for offset, (row, repaired) in enumerate(_rows(batch, options)):
            try:
                if isinstance(row, UnicodeDecodeError):
                    raise row
                yield rows.document(row, options, path, str(first + offset), repaired)
            except ValueError as error:
                yield Quarantined(path, position, f"row {first + offset}: {rows.reason(error)}", b"")
        first += batch.num_rows


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
    return not blank and longest <= options.document_max_bytes and text_bytes(text) <= MAX_BATCH_TEXT


def _rows(batch: pa.RecordBatch, options) -> list[tuple[dict | UnicodeDecodeError, bool]]:
    """Every row, and whether it was repaired; the error in place of one that is not UTF-8 and may not be."""
    try:
        return [(row, False) for row in batch.to_pylist()]
    except UnicodeDecodeError as error:
        if batch.num_rows > 1:
            return [row for index in range(batch.num_rows) for row in _rows(batch.slice(index, 1), options)]
        if options.invalid_utf8 != "repair":
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
