"""Items that are kept in one small file, to be looked for again: an Arrow file whose metadata says what it holds.

    format       winnow-evaluation-items/1
    fields       the fields that the texts are of
    definitions  the versions of the normalisations that the grams are made with, which takes seconds for a million
    versions     of each set, what its content is called

A file of another version is refused, and so is one of other fields than are asked for.
"""

from __future__ import annotations

import json

import pyarrow as pa

from corpus.contamination import items as evaluation_items
from corpus.contamination import normalisations
from corpus.contamination.items import Item
from corpus.io import paths

FORMAT = "winnow-evaluation-items/1"
SUFFIX = ".items.arrow"
"""How the name of such a file ends."""


def is_saved(path: str) -> bool:
    """Whether a file is called as one of these."""
    return paths.without_options(path).endswith(SUFFIX)


def save(items: list[Item], fields: tuple[str, ...], path: str) -> dict[str, str]:
    """Write items to a file; the versions of the sets. Raises ValueError for a name that ends otherwise."""
    if not is_saved(path):
        raise ValueError(f"{path}: the name of a file of items ends with {SUFFIX}")
    sets: dict[str, list[Item]] = {}
    for item in items:
        sets.setdefault(item.set, []).append(item)
    versions = {name: evaluation_items.version(found) for name, found in sorted(sets.items())}
    settings = {"fields": fields, "definitions": normalisations.DEFINITIONS, "versions": versions}
    table = evaluation_items.to_table(items, {"format": FORMAT, **{k: json.dumps(v) for k, v in settings.items()}})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    paths.write_atomic(path, sink.getvalue().to_pybytes())
    return versions


def load(path: str, fields: tuple[str, ...] = ("text",)) -> list[Item]:
    """The items of a file. `fields`: those that are wanted, where others than the default. Raises ValueError for a file
    that is none of these, of another version, of other fields."""
    try:
        table = pa.ipc.open_file(pa.BufferReader(paths.read_bytes(path))).read_all()
    except pa.ArrowException as error:
        raise ValueError(f"{path}: {error}") from error
    settings = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if settings.get("format") != FORMAT:
        raise ValueError(f"{path}: not {FORMAT} but {settings.get('format', 'another file')}")
    if json.loads(settings["definitions"]) != normalisations.DEFINITIONS:
        raise ValueError(f"{path} was saved for normalisations of another version; save it again")
    saved = tuple(json.loads(settings["fields"]))
    if fields != ("text",) and sorted(fields) != sorted(saved):
        raise ValueError(f"{path} has the fields {', '.join(saved)}, not {', '.join(fields)}")
    items = evaluation_items.of_table(table)
    sets: dict[str, list[Item]] = {}
    for item in items:
        sets.setdefault(item.set, []).append(item)
    if {name: evaluation_items.version(found) for name, found in sets.items()} != json.loads(settings["versions"]):
        raise ValueError(f"{path} is damaged: its sets are not of the versions that it names")
    return items
