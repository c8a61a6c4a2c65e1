"""Addresses sort as the corpus does; text sizes respect slices and nulls."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus import documents


@given(st.lists(st.tuples(st.integers(0, 2**30), st.integers(0, 2**32 - 1))))
def test_addresses_keep_corpus_order_and_come_apart_again(places):
    places = sorted(places)
    joined = np.array([documents.address(shard, np.array([row]))[0] for shard, row in places], np.int64)
    assert (np.diff(joined) >= 0).all()
    shards, rows = documents.shard_and_row(joined)
    assert list(zip(shards.tolist(), rows.tolist())) == places


def test_text_bytes():
    column = pa.array(["a", None, "é€", "", "x" * 5])
    assert documents.text_bytes(column) == 1 + 5 + 5
    assert documents.text_bytes(column.slice(1, 2)) == 5
    assert documents.text_bytes(pa.array([], pa.string())) == 0


def test_replace_column_replaces_or_appends():
    batch = pa.record_batch({"id": ["a"], "text": ["t"]})
    assert documents.replace_column(batch, "text", pa.array(["u"])).to_pydict() == {"id": ["a"], "text": ["u"]}
    assert documents.replace_column(batch, "url", pa.array(["v"])).to_pydict() == {
        "id": ["a"],
        "text": ["t"],
        "url": ["v"],
    }


def test_a_batch_is_named_by_its_first_and_last_document():
    batch = pa.record_batch({"id": ["a", "b", "c"], "text": ["", "", ""], "source": ["x.jsonl", None, "y.jsonl"]})
    assert documents.span(batch) == "3 documents, 'a' of x.jsonl to 'c' of y.jsonl"
    assert documents.span(batch.slice(1, 1)) == "document 'b'"
    assert documents.span(batch.slice(0, 0)) == "no document"
    assert documents.span(batch.select(["id", "text"])) == "3 documents, 'a' to 'c'"
    with pytest.raises(KeyError) as raised, documents.at_hand(batch.slice(2)), documents.at_hand(batch):
        raise KeyError("k")
    assert raised.value.__notes__ == ["at 3 documents, 'a' of x.jsonl to 'c' of y.jsonl", "at document 'c' of y.jsonl"]
