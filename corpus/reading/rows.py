"""From rows of tables, as Arrow has them, to documents: what Parquet and Arrow files share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from corpus.documents import MAX_BATCH_TEXT, text_bytes
from corpus.io import partitions
from corpus.reading import records
from corpus.reading.records import Quarantined

if TYPE_CHECKING:
    from corpus.reading.read_options import ReadOptions

FEW_ROWS, FEW_BYTES = 256, 1 << 20
"""Of a batch that has less of either, documents are gathered with those of others."""


class Place(NamedTuple):
    """Where the rows of a batch are from: the file, the file as its records name it, the number in it of the first of
    them, and the byte at which what holds them begins."""

    path: str
    name: str
    row: int
    position: int


def documents(batch: pa.RecordBatch, place: Place, options: ReadOptions) -> Iterator[records.Event]:
    """The documents of a batch, with the columns that the file's folders name (see `partitions`)."""
    batch = partitions.add_columns(batch, partitions.of_path(place.path))
    if _is_document_table(batch, options):
        yield batch
        return
    found = _as_documents(batch, options, place.name, place.row)
    if found is not None:
        yield found
        return
    for number, (row, repaired) in enumerate(_rows(batch, options), place.row):
        try:
            if isinstance(row, Exception):
                raise row
            yield records.document(row, options, place.name, str(number), repaired)
        except Exception as error:  # pyarrow gives those of the libraries it asks, for time zones say
            yield Quarantined(place.name, place.position, f"row {number}: {records.reason(error)}", b"")


def left_out(batch: pa.RecordBatch, place: Place, reason: str, options: ReadOptions) -> Iterator[records.Event]:
    """Rows that are not to be read, by their ids."""
    column = options.id_field if options.id_field in batch.schema.names else options.id_field.partition(".")[0]
    ids = batch.column(column) if column in batch.schema.names else pa.nulls(batch.num_rows)
    for number, (row, _) in enumerate(_rows(pa.record_batch({column: ids}), options), place.row):
        name = None if isinstance(row, Exception) else records.identity(row, options, place.name, str(number))
        yield Quarantined(place.name, place.position, reason, b"", id=name)


def has_field(schema: pa.Schema, name: str) -> bool:
    """Whether there is a column of this name, or a field within structs (`data.text`)."""
    if name in schema.names:
        return True
    outer, dot, inner = name.partition(".")
    place = schema.get_field_index(outer) if dot else -1
    return place >= 0 and pa.types.is_struct(schema.types[place]) and has_field(pa.schema(schema.types[place]), inner)


def fields(schema: pa.Schema, depth: int = 8) -> dict[str, pa.DataType]:
    """The names that fields have in options, with their types: columns, and those within structs, so deep, with
    dots."""
    names: dict[str, pa.DataType] = {}
    for field in schema:
        inner = fields(pa.schema(field.type), depth - 1) if depth and pa.types.is_struct(field.type) else {}
        names |= {f"{field.name}.{name}": kind for name, kind in inner.items()} or {field.name: field.type}
    return names


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are strings, or bytes that may be."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    types = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())
    return kind in types or pa.types.is_fixed_size_binary(kind)


def kind(of: pa.DataType) -> str:
    """What values of a type are, as `records.kind` says it."""
    if pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of):
        return records.OBJECTS if pa.types.is_struct(of.value_type) else records.kind([])
    if pa.types.is_null(of):
        return records.NULL
    numeric = pa.types.is_integer(of) or pa.types.is_floating(of) or pa.types.is_decimal(of)
    return records.kind(0) if numeric else records.kind(True) if pa.types.is_boolean(of) else str(of)


def has_dictionary(kind: pa.DataType) -> bool:
    """Whether values of a type refer to a dictionary, nested ones too."""
    return pa.types.is_dictionary(kind) or any(has_dictionary(kind.field(i).type) for i in range(kind.num_fields))


def is_of_documents(schema: pa.Schema) -> bool:
    """Whether a table has all columns of `records.SCHEMA` with their types, as those have that Winnow writes."""
    return all(schema.get_field_index(f.name) >= 0 and schema.field(f.name).type == f.type for f in records.SCHEMA)


def _is_document_table(batch: pa.RecordBatch, options: ReadOptions) -> bool:
    """Whether a batch is what Winnow writes: all columns of `records.SCHEMA` with their types, and no row
    that a rule or a fault would take out. It is then passed on whole, further columns and all."""
    if not options.own_names() or not is_of_documents(batch.schema):
        return False
    if any(batch.column(name).null_count for name in ("id", "text", "source")):
        return False
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return _all_texts(batch.column("text"), options)


def _as_documents(batch: pa.RecordBatch, options: ReadOptions, path: str, first: int) -> pa.RecordBatch | None:
    """The documents of a batch, whose first row has this number in the file, as a table, so that texts do not become
    Python objects; None where rows are few, or need a look each."""
    if batch.num_rows < FEW_ROWS and batch.nbytes < FEW_BYTES:
        return None
    place = batch.schema.get_field_index(options.text_field)
    if place < 0 or not _all_texts(batch.column(place), options):  # there may be two of that name
        return None
    text, others = batch.column(place), batch.remove_column(place)
    found: list[records.Document] = []
    for row, repaired in _rows(others, options) if others.num_columns else [({}, False)] * batch.num_rows:
        if repaired or isinstance(row, Exception):
            return None
        try:
            document = records.document({options.text_field: "-", **row}, options, path, str(first + len(found)))
        except Exception:  # pyarrow gives those of the libraries it asks
            return None
        assert isinstance(document, records.Document)  # nothing was to be repaired
        found.append(document)
    table = records.table(found)
    return table.set_column(1, records.SCHEMA.field("text"), text.cast(records.SCHEMA.field("text").type))


def _all_texts(text: pa.Array, options: ReadOptions) -> bool:
    """Whether no text is one that a rule or a fault would take out, and there is room for all."""
    if not (pa.types.is_string(text.type) or pa.types.is_large_string(text.type)) or text.null_count:
        return False
    try:
        text.validate(full=True)  # UTF-8
    except pa.ArrowInvalid:
        return False
    blank = pc.any(pc.equal(pc.binary_length(pc.ascii_trim_whitespace(text)), 0)).as_py()
    longest = pc.max(pc.binary_length(text)).as_py() or 0
    return not blank and longest <= options.max_record_bytes and text_bytes(text) <= MAX_BATCH_TEXT


def _rows(batch: pa.RecordBatch, options: ReadOptions) -> list[tuple[dict[str, Any] | Exception, bool]]:
    """Every row, and whether it was repaired; the error in place of one that Python has no form for (text that is not
    UTF-8 and may not be repaired, dates beyond the year 9999, unknown time zones) or no room."""
    try:
        _check_values(batch, options.max_record_bytes // records.BYTES_A_VALUE)
        return [(row, False) for row in batch.to_pylist()]
    except MemoryError:
        raise
    except Exception as error:
        if batch.num_rows > 1:
            half = batch.num_rows // 2
            return _rows(batch.slice(0, half), options) + _rows(batch.slice(half), options)
        if options.invalid_utf8 != "repair" or not isinstance(error, UnicodeDecodeError):
            return [(error, False)]
        return [({name: _repaired(batch.column(name)[0]) for name in batch.schema.names}, True)]


def _check_values(batch: pa.RecordBatch, most: int) -> None:
    """Raises ValueError where lists hold more than `most` values: as Python objects they take far more room."""
    if sum(map(_values_in, batch.columns)) > most:
        raise ValueError(f"lists of more than {most} values")


def _values_in(array: pa.Array) -> int:
    """How many values the lists of an array hold, at any depth."""
    kind = array.type
    if pa.types.is_struct(kind):
        return sum(map(_values_in, array.flatten()))
    if pa.types.is_map(kind):  # pyarrow flattens lists, and not maps
        array = array.cast(pa.list_(pa.struct([kind.key_field, kind.item_field])))
    if not pa.types.is_nested(array.type) or pa.types.is_union(kind):
        return 0
    values = array.flatten()
    return len(values) + _values_in(values)


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
