"""Words of a batch with their counts, and the sum of many such tables.

A table of counts has the columns `word: large_string` and `count: int64`, each word once. What a word is depends on the
family: its record says how it counts.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from corpus.encoding.distinct_words import distinct
from corpus.encoding.pretokenizers import PreTokenizer
from tokenizer_training import families
from tokenizer_training.configuration import TrainTokenizer

SCHEMA = pa.schema([("word", pa.large_string()), ("count", pa.int64())])


def count(text: pa.Array, config: TrainTokenizer) -> pa.Table:
    """Counts of the words of a string column, words in byte order.

    >>> import pyarrow as pa
    >>> from tokenizer_training import TrainTokenizer, count
    >>> count(pa.array(["to be or", "not to be"]), TrainTokenizer(family="sentencepiece-bpe")).to_pydict()
    {'word': ['be', 'not', 'or', 'to'], 'count': [2, 1, 1, 2]}
    """
    return families.named(config.family).count(text, config)


def count_words(text: pa.Array, division: PreTokenizer) -> pa.Table:
    """The same for words that are the pre-tokens of `division`."""
    found = distinct(text, division)
    return _in_byte_order(found.words, pa.array(found.counts))


def merge_counts(tables: list[pa.Table]) -> pa.Table:
    """The sum of tables of counts, words in byte order: the same whatever the order of the
    tables and however texts were divided among them.

    >>> import pyarrow as pa
    >>> from tokenizer_training import TrainTokenizer, count, merge_counts
    >>> config = TrainTokenizer(family="sentencepiece-bpe")
    >>> merge_counts([count(pa.array([text]), config) for text in ("to be or", "not to be")]).to_pydict()
    {'word': ['be', 'not', 'or', 'to'], 'count': [2, 1, 1, 2]}
    """
    if not tables:
        return SCHEMA.empty_table()
    summed = pa.concat_tables(tables).group_by("word", use_threads=False).aggregate([("count", "sum")])
    return _in_byte_order(summed["word"], summed["count_sum"])


def _in_byte_order(words: pa.Array | pa.ChunkedArray, counts: pa.Array | pa.ChunkedArray) -> pa.Table:
    order = pc.sort_indices(words)
    return pa.table([words.take(order), counts.take(order)], schema=SCHEMA).combine_chunks()
