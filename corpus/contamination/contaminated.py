"""Where texts hold text of evaluation items, for people with both at hand."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from corpus import tables
from corpus.contamination import index as indexes
from corpus.contamination import scanner
from corpus.contamination.items import Item

COLUMNS = ("row", "start", "end", "words", "item", "grams", "covered")


def contaminated_spans(data: Any, items: Any, ngram: int = 13, min_words: int = 8) -> pa.Table:
    """The passages that texts and evaluation items have in common: a row for each, by row, item and start, with `row`,
    `start`, `end` (bytes in the text), `words`, `item` (its name), `grams` (distinct n-grams of the item in the text,
    anywhere) and `covered` (their share of the item's).

    data: anything that `corpus.as_table` takes. items: the same, their ids being the names; or `Item`s, as
    `corpus.load_items` reads them from files. A passage is as many words one after another as both have, at least
    `ngram`; items of fewer words, but at least `min_words`, are looked for whole. 13 and 8 are GPT-3's (arXiv
    2005.14165, appendix C). What a word is: `corpus.contamination.normalisations`, "simple". Raises ValueError unless
    1 <= min_words <= ngram.

    >>> import corpus
    >>> question = "What is the name of the largest moon of the planet Saturn?"
    >>> page = "Quiz night! What is the name of the largest moon of the planet Saturn? Answers below."
    >>> corpus.contaminated_spans(["nothing here", page], [question]).to_pylist()
    [{'row': 1, 'start': 12, 'end': 69, 'words': 12, 'item': '0', 'grams': 1, 'covered': 1.0}]
    """
    index = indexes.build(_items(items), operator.index(ngram), operator.index(min_words))
    found, first = [], 0
    for batch in tables.batches(data):
        spans = scanner.scan(batch["text"], index)
        rows = pa.array(spans["row"].to_numpy() + first)
        found.append(spans.select(COLUMNS).set_column(0, "row", rows))
        first += batch.num_rows
    table = pa.concat_tables(found)
    names = pa.array([item.name for item in index.items], pa.string())
    return table.set_column(table.column_names.index("item"), "item", names.take(table["item"]))


def _items(items: Any) -> Sequence[Item]:
    if isinstance(items, (list, tuple)) and items and all(isinstance(item, Item) for item in items):
        return items
    table = tables.as_table(items)
    return [Item(name, (text,)) for name, text in zip(table["id"].to_pylist(), table["text"].to_pylist())]
