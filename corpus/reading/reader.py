"""What a format of input is: a `Reader`, the record that its module makes under the name READER and `formats` lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from corpus.io import paths

if TYPE_CHECKING:  # what reads options is below what declares them, for these list the formats
    from corpus.io.paths import Source
    from corpus.reading.read_options import ReadOptions
    from corpus.reading.records import Event, Excluded, First


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """Part of the input that one task reads: a file, or a range of one (see `Range`)."""

    path: str
    format: str
    start: int | None = None
    end: int | None = None
    bytes: int = dataclasses.field(default=0, compare=False)  # of the file, that it reads

    @property
    def name(self) -> str:
        """The file as its records name it: as it is, but for what in a URI says how to come by it."""
        return paths.identity(self.path)


class Range(NamedTuple):
    """Part of a file, in what its format counts by: bytes of a plain .jsonl file, row groups of a Parquet file. None
    means from the start, to the end. `bytes` of the file are read for it."""

    start: int | None
    end: int | None
    bytes: int


@dataclasses.dataclass(frozen=True)
class Reader:
    """A format. `name` is what `ReadOptions.format` calls it; files with one of `suffixes`, in lower case, are of it.

    `read(unit, options, excluded)` gives everything in a unit, in order, as events; the file is there and is not empty.
    Faults of the data are events too (`Quarantined`), what the storage raises is raised. Records have numbers, from 0,
    in the unit: what `excluded` has a reason for is quarantined for that, unread. A record's id and event are the same
    whatever the unit it is read in. `rules` are those by which it drops records.

    `ranges(source, unit_bytes)` divides a file above `unit_bytes` into ranges of about as many bytes, by the file
    alone; there are none where it is to be read whole. None: no file is ever divided. `compressed`: whether files are
    read that are compressed as a whole (`streams.COMPRESSIONS`). `columns(path)`: names of a file's columns, those that
    documents may keep; none if it cannot be read. None: all that is not in `records.SCHEMA` goes to `metadata`.
    `first(path, options)`: what a file's first records say of their fields. None: records have no fields.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Unit, ReadOptions, Excluded], Iterator[Event]]
    ranges: Callable[[Source, int], list[Range]] | None = None
    compressed: bool = True
    rules: tuple[str, ...] = ()
    columns: Callable[[str], list[str]] | None = None
    first: Callable[[str, ReadOptions], First] | None = None
