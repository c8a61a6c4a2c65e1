"""Texts as people have them, as string columns of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import pyarrow as pa

Texts: TypeAlias = Iterable[str | None] | pa.Array | pa.ChunkedArray | pa.RecordBatch | pa.Table
"""Strings, a column of them (string, large_string, string_view, or a dictionary of such), or a table with a column
`text`; None is an empty text."""
BATCH_CHARACTERS = 8 << 20
"""Characters of a column that is made of single strings, about."""


def text_columns(texts: Texts) -> Iterator[pa.Array]:
    """The texts, in their order, as columns of type string or large_string, of which one is in memory at a time where
    `texts` are an iterator's. Raises TypeError for what are no texts, KeyError for a table without a column `text`."""
    if isinstance(texts, (pa.Table, pa.RecordBatch)):
        texts = texts["text"]
    if isinstance(texts, pa.ChunkedArray):
        yield from map(_column, texts.chunks)
    elif isinstance(texts, pa.Array):
        yield _column(texts)
    elif isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise TypeError(f"expected texts, a list of them for example, and not one {type(texts).__name__}")
    else:
        yield from _of_strings(texts)


def _column(array: pa.Array) -> pa.Array:
    if array.type in (pa.string(), pa.large_string()):
        return array
    kind = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if kind not in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
        raise TypeError(f"expected a column of strings, got {array.type}")
    return array.cast(pa.large_string())


def _of_strings(texts: Iterable[str | None]) -> Iterator[pa.Array]:
    waiting: list[str | None] = []
    characters = 0
    for number, text in enumerate(texts):
        if not (text is None or isinstance(text, str)):
            raise TypeError(f"text {number} is no str: {text!r:.80}")
        waiting.append(text)
        characters += 64 + len(text or "")  # a str is an object, too
        if characters >= BATCH_CHARACTERS:
            yield pa.array(waiting, pa.large_string())
            waiting, characters = [], 0
    if waiting:
        yield pa.array(waiting, pa.large_string())
