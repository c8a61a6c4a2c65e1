"""The word n-grams of evaluation items, to be looked up by the hash of their first words.

An item is one record of an evaluation file; its texts are the fields asked for. Each text
is taken by itself: one of `ngram` words or more has all its n-grams, one of `min_words` words
or more a single gram, the whole of it, and a shorter one none. This is GPT-3's rule that N
follows the length of the examples between 8 and 13 (arXiv 2005.14165, appendix C), applied
item by item rather than by the 5th percentile of a data set. An item without grams
cannot be checked; `Index.not_checkable` names those.

Every gram has at least `min_words` words, so that one rolling hash over `min_words` words
finds grams of any length; the whole gram is then compared word for word.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numba
import numpy as np
import pyarrow as pa

from corpus.contamination import evaluation_files, words
from corpus.io import paths
from corpus.text import arrow, utf8
from corpus.text.leaf import leaf

FILTER_BITS_PER_GRAM = 16
"""Size of the prefilter. With two bits set for a gram it lets through about 2 % of the rest."""

MOST_NAMES, MOST_LOOKED_AT = 20, 100
"""Fields that a message lists, and records of a file that are looked at for it."""


@dataclasses.dataclass(frozen=True)
class Item:
    """An evaluation item: its name, "file:id", and its texts."""

    name: str
    texts: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """The distinct grams of `items`, in the order of `hash`.

    Gram *g* is `text[start[g]:end[g]]` (normalised words), of `size[g]` words, the first
    `min_words` of which hash to `hash[g]`; it belongs to the items
    `postings[posting_offsets[g]:posting_offsets[g + 1]]`. `grams[i]` is the number of distinct
    grams of item *i*. `filter` is a Bloom filter of the hashes in blocks of one uint64.
    """

    items: tuple[Item, ...]
    ngram: int
    min_words: int
    text: np.ndarray
    hash: np.ndarray
    start: np.ndarray
    end: np.ndarray
    size: np.ndarray
    posting_offsets: np.ndarray
    postings: np.ndarray
    grams: np.ndarray
    filter: np.ndarray

    @property
    def not_checkable(self) -> list[str]:
        """Names of the items too short to be looked for."""
        return [self.items[i].name for i in np.flatnonzero(self.grams == 0)]

    def to_table(self) -> pa.Table:
        """All that the index is made from: the items, ngram and min_words, the definition of
        words. `from_table` makes the same index of it."""
        columns = {"name": [i.name for i in self.items], "texts": [list(i.texts) for i in self.items]}
        schema = pa.schema(
            [("name", pa.string()), ("texts", pa.list_(pa.large_string()))],
            {"ngram": str(self.ngram), "min_words": str(self.min_words), "words": words.DEFINITION},
        )
        return pa.table(columns, schema)


def from_table(table: pa.Table) -> Index:
    """The index that `Index.to_table` described. Raises ValueError if it was made with another
    definition of words."""
    options = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if options.get("words") != words.DEFINITION:
        raise ValueError(f"index made with words {options.get('words')!r}, not {words.DEFINITION!r}")
    items = [Item(r["name"], tuple(r["texts"])) for r in table.to_pylist()]
    return build(items, int(options["ngram"]), int(options["min_words"]))


def load_items(path: str, fields: tuple[str, ...] = ("text",)) -> list[Item]:
    """Items of a file, in order: JSON lines or an array, CSV or TSV (each also as .gz, .zst or .bz2), Parquet, Arrow.

    A field may hold a string or a list of strings, each a text of its own, and may lie within others (`data.text`); a
    record may lack some of the fields. The name is that of the file, without folders, a colon, and the record's
    "id", or its number, from 1 (of lines, that of the line). Raises ValueError for what cannot be read as such, and
    for a field that no record has, with those that they have.

    >>> import corpus, pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "quiz.jsonl")
    >>> _ = file.write_text('{"id": "q1", "question": "Who wrote it?", "answers": ["She did.", "He did."]}')
    >>> corpus.load_items(str(file), fields=("question", "answers"))
    [Item(name='quiz.jsonl:q1', texts=('Who wrote it?', 'She did.', 'He did.'))]
    """
    return load_files([path], fields)


def load_files(names: Iterable[str], fields: tuple[str, ...] = ("text",)) -> list[Item]:
    """Items of several files; see `load_items`. Every file has some of the fields, every field is in some file."""
    items: list[Item] = []
    lacking: dict[str, tuple[str, dict[str, int]]] = {}  # fields that have not been seen: a file, and what that has
    seen: set[str] = set()
    for path in names:
        count, here = len(items), set[str]()
        sizes: dict[str, int] = {}
        for number, record in evaluation_files.records(path):
            found = {field: texts for field in fields if (texts := _texts(_value(record, field)))}
            name = f"{paths.basename(path)}:{record.get('id', number)}"
            items.append(Item(name, tuple(text for field in fields for text in found.get(field, ()))))
            here.update(found)
            if len(items) - count <= MOST_LOOKED_AT:
                _add_sizes(sizes, record)
        if len(items) > count and not here:
            raise _no_text(path, fields[0], sizes)
        seen |= here
        if len(items) > count:
            lacking = {field: (path, sizes) for field in fields if field not in seen}
    for field, (path, sizes) in lacking.items():
        raise _no_text(path, field, sizes)
    return items


def _no_text(path: str, field: str, sizes: dict[str, int]) -> ValueError:
    """What to say of a file whose records have no text in a field; `sizes`: characters of text in those they have."""
    texts = [name for name, size in sizes.items() if size]
    likely = max(texts, key=lambda name: sizes[name], default=None)
    remedy = f"say --set 'decontaminate.fields=[{likely}]'" if likely else "none of which is text"
    more = f" and {len(sizes) - MOST_NAMES} more" if len(sizes) > MOST_NAMES else ""
    names = ", ".join(name[:80] for name in list(sizes)[:MOST_NAMES]) + more
    return ValueError(f"{path}: no record has text in field {field!r}; the fields are {names}: {remedy}")


def _add_sizes(sizes: dict[str, int], record: dict[str, Any], above: str = "", depth: int = 8) -> None:
    """Add to `sizes` how many characters of text a record has in each field, those within fields with dots."""
    for name, value in record.items():
        if isinstance(value, dict) and depth:
            _add_sizes(sizes, value, f"{above}{name}.", depth - 1)
        else:
            sizes[above + name] = sizes.get(above + name, 0) + sum(map(len, _texts(value)))


def _value(record: dict[str, Any], field: str) -> object:
    """What a field holds, of objects within the record too (`data.text`)."""
    if field in record:
        return record[field]
    outer, dot, inner = field.partition(".")
    within = record.get(outer) if dot else None
    return _value(within, inner) if isinstance(within, dict) else None


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text]


def build(items: Iterable[Item], ngram: int = 13, min_words: int = 8) -> Index:
    """The index of `items`. Raises ValueError unless 1 <= min_words <= ngram."""
    if not 1 <= min_words <= ngram:
        raise ValueError(f"min_words is {min_words}, not between 1 and ngram, {ngram}")
    items = tuple(items)
    texts = pa.array([text for item in items for text in item.texts], pa.large_string())
    item_of_text = np.repeat(np.arange(len(items)), [len(item.texts) for item in items])
    data, offsets = arrow.buffers(texts)
    found = _all_grams(data, offsets, item_of_text, words.word_table(), ngram, min_words)
    text, hash, whole, start, end, size, item = found
    order = np.lexsort((item, whole, hash))
    distinct, representative = _distinct(text, hash, whole, start, end, order)
    pairs = np.unique(np.stack([distinct, item[order]], axis=1), axis=0)
    return Index(
        items=items,
        ngram=ngram,
        min_words=min_words,
        text=text,
        hash=hash[representative],
        start=start[representative],
        end=end[representative],
        size=size[representative],
        posting_offsets=np.searchsorted(pairs[:, 0], np.arange(len(representative) + 1)),
        postings=np.ascontiguousarray(pairs[:, 1]),
        grams=np.bincount(pairs[:, 1], minlength=len(items)),
        filter=_filter(hash[representative]),
    )


@numba.njit(cache=True, nogil=True)
def _all_grams(data, offsets, item_of_text, table, ngram, min_words):
    """Every gram of every text: (normalised text, and of each gram: hash of its first
    `min_words` words, hash of all, start, end, words, item)."""
    most = offsets[-1] - offsets[0] + len(offsets)
    text = np.empty(most + most // 2, np.uint8)
    hash, whole = np.empty(most, np.uint64), np.empty(most, np.uint64)
    start, end = np.empty(most, np.int64), np.empty(most, np.int64)
    size, item = np.empty(most, np.int64), np.empty(most, np.int64)
    written = np.int64(0)
    grams = 0
    for i in range(len(offsets) - 1):
        found = words.room(offsets[i + 1] - offsets[i])
        count = words.split(data, offsets[i], offsets[i + 1], table, found)
        length = min(ngram, count)
        for first in range(count - length + 1 if length >= min_words else 0):
            hash[grams] = words.sequence_hash(found.hash, first, min_words)
            whole[grams] = words.sequence_hash(found.hash, first, length)
            start[grams] = written + found.at[first]
            end[grams] = written + found.at[first + length]
            size[grams], item[grams] = length, item_of_text[i]
            grams += 1
        written = utf8.copy(found.text, np.int64(0), found.at[count], text, written)
    columns = hash[:grams], whole[:grams], start[:grams], end[:grams], size[:grams], item[:grams]
    return (text[:written].copy(),) + columns


@leaf
def equal(left, left_start, right, right_start, size):
    """Whether `size` bytes of two arrays are the same."""
    for i in range(size):
        if left[left_start + i] != right[right_start + i]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _distinct(text, hash, whole, start, end, order):
    """(for each gram in `order` its number among the distinct ones, a gram of each number).
    Both hashes equal mean a comparison with the distinct grams that have them, not equality."""
    number = np.empty(len(order), np.int64)
    representative = np.empty(len(order), np.int64)
    count = 0
    run = 0  # the first distinct gram with the present hashes
    for i in range(len(order)):
        gram = order[i]
        if i and (hash[gram] != hash[order[i - 1]] or whole[gram] != whole[order[i - 1]]):
            run = count
        number[i] = count
        for other in range(run, count):
            size = end[gram] - start[gram]
            known = representative[other]
            if end[known] - start[known] == size and equal(text, start[gram], text, start[known], size):
                number[i] = other
        if number[i] == count:
            representative[count] = gram
            count += 1
    return number, representative[:count].copy()


@numba.njit(cache=True, nogil=True, inline="always")
def filter_bits(hash):
    """The two bits of a hash in its block of the filter (its low 12 bits choose them)."""
    one = np.uint64(1)
    return one << (hash & np.uint64(63)) | one << ((hash >> np.uint64(6)) & np.uint64(63))


@numba.njit(cache=True, nogil=True)
def _filter(hashes):
    """Bloom filter: uint64[a power of two], the block chosen by the bits above the lowest 12."""
    blocks = 1
    while blocks * 64 < len(hashes) * FILTER_BITS_PER_GRAM:
        blocks *= 2
    filter = np.zeros(blocks, np.uint64)
    for hash in hashes:
        filter[(hash >> np.uint64(12)) & np.uint64(blocks - 1)] |= filter_bits(hash)
    return filter
