"""Every row arrives in its partition, once, in order, whatever was held in memory and however files were combined."""

import types

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.io import paths, shards
from pipelines.engine import Engine
from pipelines.engine.tasks import Task, task_key
from pipelines.maps import exchange

PARTITIONS = 11
SCHEMA = pa.schema([("value", pa.string())])


def write(argument, outputs):
    """A map task: rows "NUMBER.i" to the partitions given, in tables of three."""
    number, partition, hold = argument
    with exchange.Writer(outputs.path("rows.arrow"), SCHEMA, hold, PARTITIONS) as writer:
        for start in range(0, len(partition), 3):
            part = np.array(partition[start : start + 3], np.int64)
            values = [f"{number}.{start + i}" for i in range(len(part))]
            writer.add(pa.table({"value": pa.array(values, pa.string())}), part)
    return {"rows.arrow": writer.counters()}


def exchanged(folder, files, hold):
    """What a map of these files exchanges, through an engine of its own."""
    engine = Engine(str(folder), workers=0)
    context = types.SimpleNamespace(working_bytes=hold, map=engine.map)
    tasks = [
        Task(task_key(i), (i, partition, hold), ((str(partition), str(hold)),)) for i, partition in enumerate(files)
    ]
    made = exchange.gather(context, "rows", engine.map("rows", write, tasks), "rows.arrow", PARTITIONS)
    return made, engine


def rows_of(made, partition):
    return exchange.read(made, partition)["value"].to_pylist()


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.lists(st.integers(0, PARTITIONS - 1), max_size=20), min_size=1, max_size=20),
    st.sampled_from([1, 40, 1 << 20]),
    st.sampled_from([1, 1 << 20]),
    st.sampled_from([1, 3, 1 << 10]),
)
def test_partitions_hold_exactly_their_rows(tmp_path_factory, files, hold, most_reads, most_pieces):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange, "MOST_READS", most_reads)
        patch.setattr(exchange, "MOST_PIECES", most_pieces)
        made, engine = exchanged(tmp_path_factory.mktemp("exchange"), files, hold)
    expected = {
        p: [f"{n}.{i}" for n, file in enumerate(files) for i, q in enumerate(file) if q == p] for p in range(PARTITIONS)
    }
    assert {p: rows_of(made, p) for p in range(PARTITIONS)} == expected
    assert made.rows == sum(map(len, files)) and (made.bytes > 0) == (made.rows > 0)
    combined = [summary.step for summary in engine.summaries] == ["rows", "rows-combine"]
    assert combined == (most_reads == 1 and len(files) >= exchange.LEAST_FILES)
    some = exchange.read(made, 3, lambda piece: np.array([text.as_py().endswith("1") for text in piece["value"]]))
    assert some["value"].to_pylist() == [text for text in expected[3] if text.endswith("1")]


def test_an_empty_exchange_has_a_schema(tmp_path):
    made, _ = exchanged(tmp_path, [[], []], 1)
    assert rows_of(made, 0) == [] and exchange.read(made, 5).schema == SCHEMA


def test_one_fingerprint_for_all_that_is_exchanged(tmp_path):
    first, _ = exchanged(tmp_path / "a", [[1, 2], [3]], 1)
    again, _ = exchanged(tmp_path / "b", [[1, 2], [3]], 1)
    other, _ = exchanged(tmp_path / "c", [[1, 2], [4]], 1)
    assert first.inputs("rows") == again.inputs("rows") == (("rows", first.fingerprint),)
    assert other.fingerprint != first.fingerprint


def test_a_file_takes_what_its_rows_take(tmp_path):
    """A piece costs some hundred bytes, a partition without rows nothing."""
    sizes = []
    for partitions in (8, 1 << 16):
        path = tmp_path / f"{partitions}.arrow"
        with exchange.Writer(str(path), SCHEMA, 1 << 20, partitions) as writer:
            writer.add(pa.table({"value": ["a", "b"]}), np.array([0, partitions - 1]))
        sizes.append(path.stat().st_size)
    assert sizes[0] < sizes[1] < sizes[0] + 600 < 2000  # a column more


def test_what_is_held_makes_no_more_pieces_than_are_worth_it(tmp_path):
    partitions, path = 1 << 16, str(tmp_path / "rows.arrow")
    with exchange.Writer(path, SCHEMA, 1 << 20, partitions) as writer:
        writer.add(pa.table({"value": [str(i) for i in range(partitions)]}), np.arange(partitions)[::-1])
    with shards.open_checked(path) as reader:
        assert reader.num_record_batches == exchange.MOST_PIECES + 1
    made = exchange.Exchange(((path,),), partitions, "", partitions, 0)
    for partition in (0, 77, partitions - 1):
        assert rows_of(made, partition) == [str(partitions - 1 - partition)]


def test_damage_to_a_piece_is_noticed(tmp_path):
    made, _ = exchanged(tmp_path, [[0, 1, 2, 3, 4, 5, 6, 7] * 3], 64)
    expected = {p: rows_of(made, p) for p in range(PARTITIONS)}
    ((path,),) = made.ranges
    data = open(path, "rb").read()
    noticed = 0
    for place in range(0, len(data), 11):
        with open(path, "wb") as file:
            file.write(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        for partition, rows in expected.items():
            try:
                assert rows_of(made, partition) == rows  # what is not read is not looked at
            except paths.DamagedFile:
                noticed += 1
    assert noticed > len(data) / 11  # the index, the footer, and every piece for its own partition


@pytest.mark.parametrize("expected, working_bytes, partitions", [
    (0, 64, 1), (16, 64, 1), (17, 64, 2), (64, 64, 4), (64 * 64, 64, 256), (64 * 200, 64, 256), (64 * 257, 64, 512),
    (1 << 60, 64, 1 << 16),
])  # fmt: skip
def test_partitions_follow_from_bytes(expected, working_bytes, partitions):
    assert exchange.partitions_for(expected << 10, working_bytes << 10) == partitions
    assert exchange.partitions_for(expected << 4, 1) == exchange.partitions_for(expected << 4, 1 << 10)
