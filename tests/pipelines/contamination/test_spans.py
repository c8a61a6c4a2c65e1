"""Passages that documents and items share by the thousand, in parts of memory that is bounded."""

import numpy as np
import pyarrow as pa
import pytest

from corpus.contamination import index, scanner
from corpus.contamination.items import Item
from corpus.io import shards
from pipelines.contamination import spans as tables
from pipelines.contamination import verdicts
from pipelines.engine import describe_file

TEMPLATE = "give the letter of the one right answer to this question of the subject that is named: "


@pytest.mark.parametrize("at_once", [1, 90, 1 << 16])
def test_documents_and_items_of_one_template_are_scanned_some_documents_at_a_time(monkeypatch, tmp_path, at_once):
    monkeypatch.setattr(tables, "FEW", 8)
    monkeypatch.setattr(tables, "AT_ONCE", at_once)
    built = index.build([Item(f"f:{i}", (TEMPLATE + f"item {i}",)) for i in range(30)])
    texts = [TEMPLATE + f"document {i}" if i % 3 else "" for i in range(100)]
    batch = pa.record_batch({"id": [str(i) for i in range(100)], "text": texts})
    addresses = np.arange(500, 600)
    path = str(tmp_path / "spans.arrow")
    parts = scanner.Scanner(built)
    with shards.ShardWriter(path, tables.SPAN_SCHEMA, checked=True) as writer:
        tables._scan_batch(parts, batch, addresses, writer)
    sizes = [part.num_rows for part in shards.read(path)]
    assert sum(sizes) == 66 * 30 and max(sizes[1:]) <= max(2 * at_once, 30)
    assert len(sizes) == 4 if at_once == 1 << 16 else len(sizes) > 10
    whole = scanner.Scanner(built)
    expected = tables._named(whole.scan(batch["text"]), addresses, batch)
    assert pa.Table.from_batches(shards.read(path)).equals(expected)
    assert parts.documents.tolist() == whole.documents.tolist()
    found = list(tables.counted_spans(describe_file(path), whole.documents, built))
    rows = [set(part["row"].to_pylist()) for part in found]
    assert sum(map(len, rows)) == len(set().union(*rows)) == 66  # a document is in one part


def test_items_are_judged_by_few_columns_with_each_passage_once():
    built = index.build([Item(f"f:{i}", (TEMPLATE + f"item {i}",)) for i in range(200)])
    batch = pa.record_batch({"id": ["a", "b"], "text": [TEMPLATE + "one", TEMPLATE + "two"]})
    scan = scanner.Scanner(built)
    spans = tables._named(scan.scan(batch["text"]), np.arange(2), batch)
    spans = spans.append_column("row", spans["address"]).append_column("documents", spans["grams"])
    some = verdicts._some(spans, verdicts.NEEDED)
    assert some.num_rows == 400 and some["passage"].to_pylist() == spans["passage"].to_pylist()
    assert [len(chunk.dictionary) for chunk in some["passage"].chunks] == [1] and some.nbytes < spans.nbytes / 3


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_items_are_looked_for_in_each_other_some_at_a_time(monkeypatch, at_once):
    monkeypatch.setattr(verdicts, "TEXTS_AT_ONCE", at_once)
    scanned = []
    real = scanner.Scanner.scan
    monkeypatch.setattr(scanner.Scanner, "scan", lambda self, text: scanned.append(len(text)) or real(self, text))
    texts = [TEMPLATE + "this", TEMPLATE + "this", TEMPLATE + "this and more", TEMPLATE + "that", "", "short"]
    made = [Item(f"{'ab'[i == 1]}:{i}", (text,), "ab"[i == 1]) for i, text in enumerate(texts)]
    assert verdicts.among_themselves(index.build(made)) == {
        "empty": 1, "too_short_to_check": 1, "identical_in_another_set": 2, "contained_in_another": 2,
    }  # fmt: skip
    assert max(scanned) <= at_once
    assert verdicts.among_themselves(index.build([])) == {
        "empty": 0, "too_short_to_check": 0, "identical_in_another_set": 0, "contained_in_another": 0,
    }  # fmt: skip
