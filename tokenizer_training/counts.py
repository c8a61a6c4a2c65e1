"""Words of a batch with their counts, and the sum of many such tables.

A table of counts has the columns `word: large_string` and `count: int64`, each word once. What
a word is depends on the family: a pre-token of GPT-2's pattern; a word after BERT's
normalization and splitting; a run of non-blanks (sentencepiece-bpe, which never joins across
blanks); a line (sentencepiece-unigram, whose seeds need to see words side by side). The byte
family counts nothing.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from corpus.encoding.distinct_words import BLANK_FREE, GPT2, LINES, distinct
from tokenizer_training import word_pieces
from tokenizer_training.configuration import TrainTokenizer

SCHEMA = pa.schema([("word", pa.large_string()), ("count", pa.int64())])
_DIVISIONS = {"bpe": GPT2, "sentencepiece-bpe": BLANK_FREE, "sentencepiece-unigram": LINES}


def count(text: pa.Array, config: TrainTokenizer) -> pa.Table:
    """Counts of the words of a string column, words in byte order."""
    if config.family == "byte":
        return SCHEMA.empty_table()
    if config.family == "wordpiece":
        found = distinct(text, BLANK_FREE)
        words, counts = word_pieces.split_words(found.words, found.counts, config)
        return merge_counts([pa.table([words, pa.array(counts)], schema=SCHEMA)])
    words, counts, _, _ = distinct(text, _DIVISIONS[config.family])
    return _in_byte_order(words, pa.array(counts))


def merge_counts(tables: list[pa.Table]) -> pa.Table:
    """The sum of tables of counts, words in byte order: the same whatever the order of the
    tables and however texts were divided among them."""
    if not tables:
        return SCHEMA.empty_table()
    summed = pa.concat_tables(tables).group_by("word", use_threads=False).aggregate([("count", "sum")])
    return _in_byte_order(summed["word"], summed["count_sum"])


def _in_byte_order(words, counts) -> pa.Table:
    order = pc.sort_indices(words)
    return pa.table([words.take(order), counts.take(order)], schema=SCHEMA).combine_chunks()
