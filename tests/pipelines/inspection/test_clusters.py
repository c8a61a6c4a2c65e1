"""What is shown of a table of clusters: the largest, whichever files they are in."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.inspection.describe import describe
from pipelines.near.tables import TABLE_SCHEMA


def row(name, cluster, kept, similarity, size):
    return {
        "id": name,
        "cluster": cluster,
        "kept": kept,
        "similarity": similarity,
        "size": size,
        "address": f"0:{cluster}",
    }


ROWS = [
    row("a", "a", True, None, 2),
    row("b", "b", True, None, 8),
    row("a1", "a", False, 0.9, 2),
    *(row(f"b{i}", "b", False, None if i == 2 else 0.8, 8) for i in range(7)),
    row("c\x1b[1m", "c", True, None, 2),
    row("c1", "c", False, 1.0, 2),
]


@pytest.mark.parametrize("rows_in_a_file", [1, 5, 100])
def test_the_largest_clusters_are_shown(tmp_path, rows_in_a_file):
    for start in range(0, len(ROWS), rows_in_a_file):
        table = pa.Table.from_pylist(ROWS[start : start + rows_in_a_file], TABLE_SCHEMA)
        pq.write_table(table, tmp_path / f"{start:05d}.parquet")
    expected = [
        "3 clusters of 12 near-duplicates",
        "  8 documents, kept is b",
        "    0.8000 b0", "    0.8000 b1", "    not compared b2", "    0.8000 b3", "    0.8000 b4", "    and 2 more",
        "  2 documents, kept is a", "    0.9000 a1",
        "  2 documents, kept is c\\x1b[1m", "    1.0000 c1",
    ]  # fmt: skip
    assert describe(str(tmp_path), 3).split("\n") == expected
    assert describe(str(tmp_path), 2).split("\n") == expected[:10]
    assert describe(str(tmp_path), 0).split("\n") == expected[:1]


def test_a_file_of_documents_is_none(tmp_path):
    pq.write_table(pa.table({"id": ["a"], "text": ["some words"], "cluster": ["x"]}), tmp_path / "x.parquet")
    assert "some words" in describe(str(tmp_path / "x.parquet"), 1)
