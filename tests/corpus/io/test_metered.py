"""What is read is counted where it is read, in bytes as those who weigh a task count them."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.io import metered
from corpus.reading import readers

TEXT = "Words of a document, and some more of them. " * 20


def test_parts_of_the_work_count_one_after_the_other():
    seen = []
    with metered.into(lambda *reached: seen.append(reached)):
        metered.add(100, 5)
        metered.divide(4)
        metered.add(100, 5)
        for _ in range(3):
            metered.part_done()
        metered.add(40)
    assert seen == [(100, 5), (50, 10), (100, 10), (150, 10), (200, 10), (210, 10)]


def test_where_nobody_looks_nothing_is_counted():
    seen = []
    metered.divide(2)
    metered.add(10)
    metered.part_done()
    with metered.into(lambda *reached: seen.append(reached)):
        metered.add(1)
    assert seen == [(1, 0)]  # neither what came before, nor halved


def test_what_is_inside_counts_for_nobody_else():
    outer, inner = [], []
    with metered.into(lambda *reached: outer.append(reached)):
        with metered.into(lambda *reached: inner.append(reached)):
            metered.add(1)
        metered.add(2)
    assert (outer, inner) == ([(2, 0)], [(1, 0)])


def write(path):
    lines = "".join(json.dumps({"text": f"{number} {TEXT}"}) + "\n" for number in range(3000))
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": lines.splitlines()}), path, row_group_size=1000)
    else:
        path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_file_has_been_read_when_its_bytes_are(name, tmp_path):
    write(tmp_path / name)
    size = (tmp_path / name).stat().st_size
    (unit,) = readers.split([readers.paths.Source(str(tmp_path / name), size, 0)], readers.ReadOptions(), 1 << 30)
    seen = []
    with metered.into(lambda *reached: seen.append(reached)):
        rows = sum(reading.documents.num_rows for reading in readers.read(unit, readers.ReadOptions()))
    assert rows == seen[-1][1] == 3000
    assert seen == sorted(seen) and len(seen) > 3
    assert 0.9 * size <= seen[-1][0] <= size  # of Parquet not its footer
