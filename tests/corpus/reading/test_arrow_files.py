"""Arrow files and streams: all kinds of columns, batches that are damaged, and such as claim what is not there."""

import io
import json
import random
import struct

import pyarrow as pa
import pyarrow.feather as feather
import pytest

from corpus.io import paths
from corpus.reading import arrow_files, arrow_messages, readers, records
from corpus.reading.readers import ReadOptions

TEXTS = [f"Text {i}, größer. " * (1 + i % 7) for i in range(1000)]
TABLE = pa.table({"id": [f"d{i}" for i in range(1000)], "text": TEXTS, "n": range(1000)})


def packed(table, new=pa.ipc.new_stream, rows=64, **options):
    file = io.BytesIO()
    with new(file, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return file.getvalue()


def read(path, data=None, excluded=(), **options):
    if data is not None:
        path.write_bytes(data)
    chosen = ReadOptions(**options)
    kept, faults = [], []
    for unit in readers.split(paths.expand(str(path)), chosen, 10):
        for reading in readers.read(unit, chosen, excluded=excluded):
            kept += reading.documents.to_pylist()
            faults += reading.quarantined
    return kept, faults


@pytest.mark.parametrize("new", [pa.ipc.new_stream, pa.ipc.new_file])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("rows", [3, 1000])
def test_files_and_streams_of_any_compression(tmp_path, new, compression, rows):
    kept, faults = read(tmp_path / "x.arrow", packed(TABLE, new, rows, compression=compression))
    assert not faults and [row["text"] for row in kept] == TEXTS
    assert kept[7] == {
        "id": "d7", "text": TEXTS[7], "url": None, "date": None, "source": str(tmp_path / "x.arrow"),
        "language": None, "metadata": '{"n":7}',
    }  # fmt: skip


@pytest.mark.parametrize("first", [pa.ipc.new_stream, pa.ipc.new_file])
@pytest.mark.parametrize("second", [pa.ipc.new_stream, pa.ipc.new_file])
@pytest.mark.parametrize("block", [1 << 20, 7])
def test_files_one_after_the_other_are_all_read(tmp_path, monkeypatch, first, second, block):
    monkeypatch.setattr(arrow_messages, "_BLOCK", block)
    other = pa.table({"text": pa.array(["other"] * 3).dictionary_encode(), "m": [1.5] * 3})
    data = packed(TABLE, first) + packed(other, second) + packed(TABLE.slice(0, 0), first) + packed(TABLE, second)
    kept, faults = read(tmp_path / "x.arrow", data)
    assert not faults and [row["text"] for row in kept] == [*TEXTS, *["other"] * 3, *TEXTS]
    assert kept[1000]["id"] == f"{tmp_path / 'x.arrow'}#1000" and kept[1000]["metadata"] == '{"m":1.5}'


@pytest.mark.parametrize("new", [pa.ipc.new_stream, pa.ipc.new_file])
@pytest.mark.parametrize("rest", [b"something else", bytes(100), b"\xff\xff\xff\xff" + bytes(4)])
def test_what_is_behind_a_file_and_none_is_quarantined(tmp_path, new, rest):
    data = packed(TABLE, new)
    kept, (fault,) = read(tmp_path / "x.arrow", data + rest)
    assert len(kept) == 1000 and fault["error"] == "no message of an Arrow file begins here"
    assert (fault["position"], fault["bytes"], fault["raw"]) == (len(data), len(rest), rest)


def test_an_index_without_its_end_is_quarantined(tmp_path):
    kept, (fault,) = read(tmp_path / "x.arrow", packed(TABLE, pa.ipc.new_file)[:-1])
    assert len(kept) == 1000 and fault["error"] == "the index at the end of an Arrow file is damaged"
    assert fault["records"] == 0 and fault["bytes"] > 100


def test_feather(tmp_path):
    feather.write_feather(TABLE, str(tmp_path / "x.feather"))
    assert [row["id"] for row in read(tmp_path / "x.feather")[0]] == TABLE["id"].to_pylist()
    kept, (fault,) = read(tmp_path / "x.feather", b"FEA1" + bytes(100))
    assert not kept and fault["error"] == "Feather of version 1, which is not Arrow"


def test_what_save_to_disk_leaves(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "data-00000-of-00001.arrow").write_bytes(packed(TABLE.slice(0, 5).drop(["id"])))
        (tmp_path / split / "state.json").write_text(json.dumps({"_split": split}, indent=2))
        (tmp_path / split / "dataset_info.json").write_text(json.dumps({"features": {}}, indent=2))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    sources, left_out = readers.expand(str(tmp_path), ReadOptions())
    assert [source.path[len(str(tmp_path)) :] for source in sources] == [
        "/test/data-00000-of-00001.arrow", "/train/data-00000-of-00001.arrow",
    ]  # fmt: skip
    assert left_out == []  # what describes Arrow files is no file that somebody may miss
    (tmp_path / "state.jsonl").write_text("")
    assert len(readers.expand(str(tmp_path / "*.json*"), ReadOptions())[0]) == 2  # nothing of Arrow's there


@pytest.mark.parametrize("kind", [
    pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string()),
])  # fmt: skip
def test_text_of_any_type(tmp_path, kind):
    texts = pa.array(TEXTS[:300]).cast(kind) if not pa.types.is_dictionary(kind) else pa.array(TEXTS[:300], kind)
    table = pa.table({"text": texts, "url": pa.array(["u"] * 300, pa.string_view())})
    kept, faults = read(tmp_path / "x.arrow", packed(table))
    assert not faults and [row["text"] for row in kept] == TEXTS[:300] and {row["url"] for row in kept} == {"u"}
    assert [row["id"] for row in kept] == [f"{tmp_path / 'x.arrow'}#{i}" for i in range(300)]


def test_text_in_a_struct_and_further_columns(tmp_path):
    rows = [{"data": {"text": f"t{i}", "tags": ["a", "b"]}, "id": i} for i in range(3)]
    kept, faults = read(tmp_path / "x.arrow", packed(pa.Table.from_pylist(rows)), text_field="data.text")
    assert not faults and [(row["id"], row["text"], row["metadata"]) for row in kept] == [
        (str(i), f"t{i}", '{"data":{"tags":["a","b"]}}') for i in range(3)
    ]
    assert arrow_files.first(str(tmp_path / "x.arrow"), ReadOptions()).texts == {
        "data.text": 6,
        "data.tags": 0,
        "id": 0,
    }
    assert readers.columns(paths.expand(str(tmp_path / "x.arrow")), ReadOptions()) == ["data", "id"]


@pytest.mark.parametrize("rows", [3, 1000])
def test_of_columns_of_one_name_the_first_is_the_field(tmp_path, rows):
    texts = [f"Text {i}" for i in range(1000)]
    table = pa.table([texts, ["one"] * 1000, ["two"] * 1000], ["text", "text", "text.2"])
    kept, faults = read(tmp_path / "x.arrow", packed(table, rows=rows))
    assert not faults and [row["text"] for row in kept] == texts
    assert {row["metadata"] for row in kept} == {'{"text.2":"two","text.3":"one"}'}
    assert arrow_files.columns(str(tmp_path / "x.arrow")) == ["text", "text.3", "text.2"]


def test_what_winnow_writes_is_passed_on(tmp_path):
    table = pa.table({name: ["x"] * 3 for name in records.SCHEMA.names} | {"a.score": [1.0] * 3})
    (reading,) = (
        readers.read_files([(tmp_path / "x.arrow")]) if (tmp_path / "x.arrow").write_bytes(packed(table)) else ()
    )
    assert reading.documents.schema.names == [*records.SCHEMA.names, "a.score"]


def test_a_column_that_is_missing_is_a_fault_of_every_batch(tmp_path):
    kept, faults = read(tmp_path / "x.arrow", packed(TABLE), text_field="body")
    assert not kept and sum(fault["records"] for fault in faults) == 1000
    assert faults[0]["error"] == "no column 'body'; columns: id, text, n"


def test_text_that_is_not_utf8_is_a_fault_of_its_row(tmp_path):
    data = packed(TABLE).replace("Text 130, größer".encode(), b"Text 130, gr\xff\xff\xff\xffer")
    kept, faults = read(tmp_path / "x.arrow", data)
    assert len(kept) == 999 and all("row 130: not UTF-8" in fault["error"] for fault in faults) and len(faults) == 1
    kept, faults = read(tmp_path / "x.arrow", data, invalid_utf8="repair")
    assert len(kept) == 1000 and not faults and "\ufffd" in kept[130]["text"]


def test_damage_costs_its_batch(tmp_path):
    data = bytearray(packed(TABLE, compression="zstd"))
    (tmp_path / "x.arrow").write_bytes(data)
    with paths.open_input(str(tmp_path / "x.arrow")) as file:
        found = list(arrow_messages.messages(file, 1 << 30))
    third = [message for message in found if message.kind == arrow_messages.BATCH][2]
    middle = third.position + len(third.head) + len(third.body) - 40
    data[middle : middle + 20] = bytes(20)
    kept, (fault,) = read(tmp_path / "x.arrow", bytes(data))
    assert [row["id"] for row in kept] == [f"d{i}" for i in (*range(128), *range(192, 1000))]
    assert (fault["records"], fault["position"]) == (64, third.position) and fault["raw"]


def test_offsets_that_lead_elsewhere_are_never_followed(tmp_path):
    table = pa.table({"text": ["abcdefgh"] * 8})
    data = packed(table)
    place = data.index(struct.pack("<9i", *range(0, 72, 8)))
    for wrong in (1 << 30, -5, 1):
        bad = data[: place + 16] + struct.pack("<i", wrong) + data[place + 20 :]
        kept, (fault,) = read(tmp_path / "x.arrow", bad)
        assert not kept and fault["records"] == 8 and "batch at" in fault["error"]


def test_a_batch_that_swells_is_not_decoded(tmp_path, monkeypatch):
    table = pa.table({"text": ["x" * (1 << 20)] * 64})
    data = packed(table, rows=16, compression="zstd")
    assert len(data) < 1 << 20
    (tmp_path / "x.arrow").write_bytes(data)
    monkeypatch.setattr(arrow_files, "MOST_BATCH", 10 << 20)
    kept, faults = read(tmp_path / "x.arrow")
    assert not kept and [fault["records"] for fault in faults] == [16] * 4
    assert "comes to 167" in faults[0]["error"] and "10485760 are read at a time" in faults[0]["error"]


def test_views_and_dictionaries_do_not_swell(tmp_path):
    long = "x" * (20 << 20)
    dictionary = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int8()), [long])
    view = struct.pack("<i4sii", len(long), b"xxxx", 0, 0)
    views = pa.Array.from_buffers(pa.string_view(), 500, [None, pa.py_buffer(view * 500), pa.py_buffer(long.encode())])
    for column in (dictionary, views):
        (tmp_path / "x.arrow").write_bytes(packed(pa.table({"text": column}), rows=500))
        found = arrow_files._first(str(tmp_path / "x.arrow"), 1 << 30)
        sizes = [last - first for first, last in arrow_files._parts(found[1])]
        assert sum(sizes) == 100 and max(sizes) == 3


@pytest.mark.parametrize("column", [
    pa.RunEndEncodedArray.from_arrays(pa.array([5], pa.int32()), ["long"]),
    pa.array([["a"]] * 5, pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    pa.array([["a"]] * 5, pa.list_(pa.string_view())),
    pa.array([["a"]] * 5, pa.list_view(pa.string())),
])  # fmt: skip
def test_columns_whose_size_cannot_be_told_are_not_read(tmp_path, column):
    kept, (fault,) = read(tmp_path / "x.arrow", packed(pa.table({"text": ["a"] * 5, "other": column})))
    assert not kept and fault["records"] == 5 and "is not read" in fault["error"]


def test_any_damage_is_a_fault_and_what_it_leaves_is_as_it_was(tmp_path):
    chance, known = random.Random(7), dict(zip(TABLE["id"].to_pylist(), TEXTS))
    for compression in (None, "lz4"):
        data = packed(TABLE, compression=compression)
        for _ in range(150):
            bad = bytearray(data)
            for _ in range(chance.choice([1, 1, 8])):
                bad[chance.randrange(len(bad))] = chance.randrange(256)
            kept, faults = read(
                tmp_path / "x.arrow", bytes(bad[: chance.choice([len(bad), chance.randrange(len(bad))])])
            )
            wrong = [row for row in kept if known.get(row["id"]) != row["text"]]
            assert len(wrong) <= 64 * 8  # nothing in the format vouches for a byte that is text
