"""Documents of Parquet files, whole or ranges of row groups."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.documents import MAX_BATCH_TEXT
from corpus.io import metered, partitions, paths
from corpus.io.retries import StoreFailed
from corpus.reading import parquet_footer, records, rows, streams
from corpus.reading.reader import Range, Reader, Unit
from corpus.reading.records import Quarantined

if TYPE_CHECKING:
    from corpus.io.paths import Source
    from corpus.reading.read_options import ReadOptions

DECODED = 128 << 20
"""Bytes that are decoded at a time, at most, where a value can be longer decoded than stored."""
MANY_VALUES = 64 << 20
"""Values of a column of lists in a row group from which they must take some space."""
VALUE = 8
"""Bytes of a value of a list that has no length of its own, at most."""
PAGES = 512 << 20
"""Bytes of the pages that are decoded at a time, one of each column, unless records may be an eighth of that or
larger."""


def columns(path: str) -> list[str]:
    """Names of the columns that documents of a Parquet file have: those of its folders, and all of a table that Winnow
    has written, for of others what is no field of documents goes into `metadata`; none if it cannot be read."""
    with paths.open_input(path) as file:
        try:
            schema = pq.ParquetFile(file).schema_arrow
            own = schema.names if rows.is_of_documents(schema) else []
            return [*own, *partitions.of_path(path)]
        except StoreFailed:
            raise
        except (pa.ArrowException, OSError):
            return []


def first(path: str, options: ReadOptions) -> records.First:
    """See `Reader.first`: the schema, and the first row group as the footer describes it."""
    with paths.open_input(path) as file:
        try:
            footer = parquet_footer.read(file)
            table = pq.ParquetFile(file)
            schema = table.schema_arrow
        except StoreFailed:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            return records.First({}, {}, f"not a Parquet file: {_first_line(error)}")
    columns = footer.groups[0].columns if footer.groups else []
    sizes = {column.path: column.uncompressed for column in columns if column.type == parquet_footer.BYTE_ARRAY}
    kinds = rows.fields(schema)
    others = {name: rows.kind(kind) for name, kind in kinds.items() if not rows.is_text(kind)}
    if options.text_field not in others and _is_null(table.metadata, options.text_field):
        others[options.text_field], sizes[options.text_field] = records.NULL, 0
    return records.First({name: sizes.get(name, 0) for name in [*kinds, *partitions.of_path(path)]}, others)


def _is_null(metadata: pq.FileMetaData, name: str) -> bool:
    """Whether a file has rows and a column is known to hold none but nulls."""
    names = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    if name not in names or not metadata.num_rows:
        return False
    for group in range(metadata.num_row_groups):
        column = metadata.row_group(group).column(names.index(name))
        said = column.statistics
        if said is None or not said.has_null_count or said.null_count < column.num_values:
            return False
    return True


def row_group_ranges(source: Source, unit_bytes: int) -> list[Range]:
    """Ranges of row groups whose compressed size reaches `unit_bytes`, the last one excepted; none if the file's footer
    cannot be read."""
    with paths.open_input(source.path) as file:
        try:
            sizes = parquet_footer.row_group_sizes(file)
        except ValueError:
            return []
    ranges, start, size = [], 0, 0
    for number, more in enumerate(sizes):
        size += more
        if size >= unit_bytes or number == len(sizes) - 1:
            ranges.append(Range(start, number + 1, size))
            start, size = number + 1, 0
    return ranges


def read(unit: Unit, options: ReadOptions, excluded: records.Excluded) -> Iterator[records.Event]:
    """Documents of the unit's row groups, with the columns that its folders name (see `partitions`).
    One that cannot be read is quarantined from where it breaks to its end."""
    with paths.open_input(unit.path) as file:
        records = 0
        try:
            footer = parquet_footer.read(file)
            groups = range(len(footer.groups))[unit.start : unit.end]
            records = sum(_rows_of(footer.groups[group]) for group in groups)
            table = pq.ParquetFile(file, page_checksum_verification=True)
        except StoreFailed:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            # raises if it is the storage that fails, and not the data
            raw = file.read_at(min(streams.PREFIX, file.size()), 0)
            yield Quarantined(
                unit.name, 0, f"not a Parquet file: {_first_line(error)}", raw, records, 0 if records else file.size()
            )
            return
        if not rows.has_field(table.schema_arrow, options.text_field):
            names = ", ".join(table.schema_arrow.names)
            yield Quarantined(unit.name, 0, f"no column {options.text_field!r}; columns: {names}", b"", records)
            return
        first = before = sum(_rows_of(group) for group in footer.groups[: groups.start])
        for group in groups:
            part = _RowGroup(table, file, group, footer.groups[group], first, first - before, unit)
            yield from part.events(options, excluded)
            first += _rows_of(footer.groups[group])
        missing = footer.rows - first
        if groups.stop == len(footer.groups) and missing > 0:
            yield Quarantined(
                unit.name, 0, f"the footer says {footer.rows} rows, and its row groups have {first}", b"", missing
            )


def _rows_of(group: parquet_footer.RowGroup) -> int:
    """Rows of a row group, as many as any of its columns has values where the footer contradicts itself."""
    return max([group.rows, *(column.values for column in group.columns if "." not in column.path)], default=0)


class _RowGroup:
    """One row group of a file. `first` is the number of its first row in the file, `number` in the unit."""

    def __init__(
        self,
        table: pq.ParquetFile,
        file: pa.NativeFile,
        group: int,
        metadata: parquet_footer.RowGroup,
        first: int,
        number: int,
        unit: Unit,
    ):
        self.table, self.file, self.group = table, file, group
        self.path, self.name = unit.path, unit.name
        self.first, self.number = first, number
        self.metadata = metadata
        self.position, self.size = metadata.extent

    def events(self, options: ReadOptions, excluded: records.Excluded) -> Iterator[records.Event]:
        """Its rows; what cannot be read of it as one fault."""
        total, done = _rows_of(self.metadata), 0
        if total and (reason := excluded.all(self.number, self.number + total)):
            yield self._lost(reason, total)
            return
        try:
            for batch in self._batches(options.max_record_bytes):
                for start, end, reason in excluded.runs(self.number + done, self.number + done + batch.num_rows):
                    part = batch.slice(start - self.number - done, end - start)
                    place = rows.Place(self.path, self.name, self.first - self.number + start, self.position)
                    if reason:
                        yield from rows.left_out(part, place, reason, options)
                    else:
                        yield from rows.documents(part, place, options)
                done += batch.num_rows
                metered.add(self.size * batch.num_rows // max(1, total))
            error = f"row group {self.group} has {done} rows and not {total} as its footer says"
        except StoreFailed:
            raise
        except (pa.ArrowException, OSError, ValueError) as problem:
            error = f"row group {self.group} is corrupt: {_first_line(problem)}"
        if done < total:
            yield self._lost(error, total - done)

    def _lost(self, error: str, records: int) -> Quarantined:
        raw = b""
        if self.position < self.file.size():
            raw = self.file.read_at(min(self.size, streams.PREFIX), self.position)  # raises if the storage fails
        return Quarantined(self.name, self.position, error, raw, records)

    def _batches(self, limit: int) -> Iterator[pa.RecordBatch]:
        """Its rows, as many at a time as have about MAX_BATCH_TEXT bytes, read so few at a time that no more than
        DECODED bytes come out at once. Raises ValueError for what no table needs, ArrowException, OSError."""
        self._check_pages(max(PAGES, 8 * limit))
        average = max(1, self.metadata.bytes // max(1, self.metadata.rows))
        wanted = max(1, min(records.BATCH_ROWS, MAX_BATCH_TEXT // average))
        few = min(wanted, self._safe_rows())
        if any(map(rows.has_dictionary, self.table.schema_arrow.types)):
            wanted = few  # as Python objects its values are as many as there are rows
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

    def _check_pages(self, most: int) -> None:
        """Raises ValueError where pages of more than `most` bytes would be decoded at a time. On remote storage only
        the first of each column are looked at, for each takes a request."""
        total = 0
        for column in self.metadata.columns:
            if self.metadata.bytes > most:
                sizes = parquet_footer.page_sizes(self.file, column)
                total += max(sizes if paths.is_local(self.path) else itertools.islice(sizes, 2), default=0)
            else:
                total = max(total, *itertools.islice(parquet_footer.page_sizes(self.file, column), 1), 0)
            if total > most:
                raise ValueError(
                    f"its pages hold more than {most} bytes that are decoded at once; raise read.max_record_bytes"
                )

    def _safe_rows(self) -> int:
        """How many rows can be decoded at a time, though each were the longest value of a dictionary. Raises ValueError
        for columns that contradict the rest, or claim values that take no space."""
        a_row = 1
        for column in self.metadata.columns:
            if "." not in column.path and column.values != self.metadata.rows:
                raise ValueError(
                    f"its footer says {self.metadata.rows} rows, and {column.values} values of column {column.path}"
                )
            values = max(1, column.values // max(1, self.metadata.rows))
            if column.values > MANY_VALUES and column.values > 64 * column.uncompressed and values > 1:
                raise ValueError(f"column {column.path} claims {column.values} values in {column.uncompressed} bytes")
            a_row += VALUE * values
            if column.type == parquet_footer.BYTE_ARRAY:
                a_row += values * self._longest(column)
        return max(1, DECODED // a_row)

    def _longest(self, column: parquet_footer.Column) -> int:
        """A bound, in bytes, for the values of a column that can be longer decoded than stored; 0 if none can: the
        size of its dictionary."""
        if parquet_footer.DELTA_BYTE_ARRAY in column.encodings:  # a value can take over most of the one before
            return column.uncompressed
        kind, size = parquet_footer.page_header(self.file, column.dictionary or column.data)
        return max(size, 0) if kind == parquet_footer.DICTIONARY_PAGE else 0


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


READER = Reader("parquet", (".parquet",), read, row_group_ranges, compressed=False, columns=columns, first=first)
