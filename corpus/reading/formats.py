"""The formats that are read: the registry. To add one: a module with a `Reader`, its line here, a sample in
`tests/corpus/reading/test_formats.py`, which holds every reader to what readers owe."""

from __future__ import annotations

from corpus.io import paths
from corpus.reading import arrow_files, delimited, json_values, jsonl, parquet, streams, text_files, web_pages
from corpus.reading.reader import Reader

READERS: dict[str, Reader] = {
    reader.name: reader
    for reader in (
        web_pages.READER,
        jsonl.READER,
        json_values.READER,
        parquet.READER,
        arrow_files.READER,
        *delimited.READERS,
        text_files.READER,
    )
}
"""By name, in the order in which people are told of them."""

CHOICES = ("auto", *READERS)
"""What `ReadOptions.format` can be."""


def of_file(path: str, format: str = "auto") -> Reader:
    """The reader that `format` names; if that is "auto", the one of the file's suffix, in whatever case, behind which
    that of a compression may stand. Raises ValueError for an unknown suffix."""
    reader = READERS.get(format) or _by_suffix(path)
    if reader is None:
        raise ValueError(f"unknown kind of file: {path} (known: {suffixes()})")
    return reader


def is_known(path: str, format: str = "auto") -> bool:
    """Whether there is a reader for a file; see `of_file`."""
    return format in READERS or _by_suffix(path) is not None


def _by_suffix(path: str) -> Reader | None:
    name = paths.without_options(path).lower()
    for suffix in streams.COMPRESSIONS:
        name = name.removesuffix(suffix)
    for reader in READERS.values():
        if name.endswith(reader.suffixes) and (reader.compressed or not streams.compression(path)):
            return reader
    return None


def suffixes() -> str:
    """All suffixes, for people."""
    every = ", ".join(suffix for reader in READERS.values() for suffix in reader.suffixes)
    plain = ", ".join(suffix for reader in READERS.values() if not reader.compressed for suffix in reader.suffixes)
    return f"{every}; {', '.join(streams.COMPRESSIONS)} of all but {plain}"
