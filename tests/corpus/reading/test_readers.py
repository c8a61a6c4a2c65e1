"""JSON lines, Parquet and text: documents, faults, units of work, and batches."""

import datetime
import gzip
import json
import random
import sys

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from corpus import documents
from corpus.io import paths, shards
from corpus.options import OptionError
from corpus.reading import formats, jsonl, parquet, readers, records, streams
from corpus.reading import rows as rows_of_tables

OPTIONS = readers.ReadOptions()


def gather(readings):
    """(documents as dicts, dropped, quarantined) of all batches."""
    kept, dropped, quarantined = [], [], []
    for reading in readings:
        assert reading.documents.schema == records.SCHEMA
        assert reading.bytes_read == documents.text_bytes(reading.documents["text"])
        kept += reading.documents.to_pylist()
        dropped += reading.dropped
        quarantined += reading.quarantined
    return kept, dropped, quarantined


def of_file(path, options=OPTIONS, unit_bytes=readers.UNIT_BYTES):
    units = readers.split(paths.expand(str(path)), options, unit_bytes)
    return gather(reading for unit in units for reading in readers.read(unit, options))


def of_bytes(folder, data, name="x.jsonl", options=OPTIONS):
    path = folder / name
    path.write_bytes(data)
    return of_file(path, options)


def packed(data, suffix):
    return {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix](data)


@pytest.mark.parametrize(
    "row, expected",
    [
        ({"text": "a"}, {"text": "a"}),
        ({"id": 7, "text": "a"}, {"id": "7"}),
        (
            {"id": "x", "text": "a", "url": "u", "language": "en", "source": "s"},
            {"id": "x", "url": "u", "language": "en", "source": "s"},
        ),
        ({"text": "a", "timestamp": "2020"}, {"date": "2020", "metadata": None}),
        ({"text": "a", "timestamp": "t", "date": "d"}, {"date": "d", "metadata": '{"timestamp":"t"}'}),
        ({"text": "a", "date": 1999, "url": ""}, {"date": "1999", "url": None}),
        (
            {"text": "a", "b": 1, "a": {"z": [1.5, None], "y": "ü"}},
            {"metadata": '{"a":{"y":"ü","z":[1.5,null]},"b":1}'},
        ),
        ({"text": "a", "metadata": {"k": 1}}, {"metadata": '{"k":1}'}),
        ({"text": "a", "metadata": '{"k":1}'}, {"metadata": '{"k":1}'}),
        ({"text": "a", "source": {"name": "n"}}, {"source": '{"name":"n"}'}),
        ({"text": "a\u0000b\r\n"}, {"text": "a\0b\r\n"}),
        ({"text": "𝄞"}, {"text": "𝄞"}),
    ],
)
def test_fields_of_an_object(tmp_path, row, expected):
    (document,), dropped, quarantined = of_bytes(tmp_path, json.dumps(row).encode())
    assert not dropped and not quarantined
    path = str(tmp_path / "x.jsonl")
    defaults = {"id": f"{path}#0", "text": "a", "url": None, "date": None, "source": path, "language": None}
    assert document == {**defaults, "metadata": None, **expected}
    assert list(document) == ["id", "text", "url", "date", "source", "language", "metadata"]


def test_other_names_of_text_and_id(tmp_path):
    options = readers.ReadOptions(text_field="content", id_field="key")
    (document,), *_ = of_bytes(tmp_path, b'{"content": "a", "key": "k", "id": 3}', options=options)
    assert (document["id"], document["text"], document["metadata"]) == ("k", "a", '{"id":3}')


def test_not_a_number_is_null(tmp_path):
    (document,), *_ = of_bytes(tmp_path, b'{"text": "a", "x": NaN, "y": [1e999, -Infinity, 2.0]}')
    assert document["metadata"] == '{"x":null,"y":[null,null,2.0]}'


BAD_LINES = [
    (b'{"id": 1, "text": "\xff"}', "not UTF-8: byte 19 is 0xff"),
    (b'[{"id": 1, "text": "a"}]', "a line must hold an object, not an array"),
    (b'{"id": 1, "text": "a', "not JSON: "),
    (b'{"id": 1, "text": "a"}}', "not JSON: Extra data at character 22"),
    (b"not json", "not JSON: "),
    (b'"text"', "a line must hold an object, not a string"),
    (b"null", "a line must hold an object, not null"),
    (b'{"id": 1}', "no field 'text'"),
    (b'{"id": 1, "text": null}', "field 'text' must be a string, not null"),
    (b'{"id": 1, "text": 5}', "field 'text' must be a string, not a number"),
    (b'{"id": 1, "text": ["a"]}', "field 'text' must be a string, not an array"),
    (b'{"id": 1, "text": "\\ud800"}', "half a surrogate pair"),
    (b'{"id": 1, "text": "a", "extra": "\\uDC00x"}', "half a surrogate pair"),
    (b'{"id": "\\udfff", "text": "a"}', "half a surrogate pair"),
    (b'{"id": 1, "text": "raw \x00 zero"}', "not JSON: "),
    (b"[" * 100_000, "nested deeper than 200"),
    (b'{"text": "a", "n": ' + b"9" * 10_000 + b"}", "limit"),
    (b"\x00" * 5000, "not JSON: "),
]


@pytest.mark.parametrize("line, reason", BAD_LINES, ids=range(len(BAD_LINES)))
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_bad_line_costs_only_itself(tmp_path, line, reason, suffix):
    if b"9999" in line and not hasattr(sys, "set_int_max_str_digits"):
        pytest.skip("this Python reads integers of any length")
    good = [b'{"id": "a", "text": "one"}', b'{"id": "b", "text": "two \\ud834\\udd1e"}']
    data = packed(b"\n".join([good[0], line, good[1]]), suffix)
    kept, dropped, quarantined = of_bytes(tmp_path, data, "x.jsonl" + suffix)
    assert [(d["id"], d["text"]) for d in kept] == [("a", "one"), ("b", "two 𝄞")] and not dropped
    (fault,) = quarantined
    assert fault["position"] == len(good[0]) + 1 and reason in fault["error"]
    assert fault["raw"] == line[:4096] and fault["source"] == str(tmp_path / ("x.jsonl" + suffix))


def test_line_ends_blank_lines_byte_order_mark_and_empty_texts(tmp_path):
    data = (
        b'\xef\xbb\xbf{"text": "a"}\r\n\r\n  \n{"id": "e", "text": ""}\n{"id": "s", "text": " \\n"}\n{"text": "b"}\n\n'
    )
    kept, dropped, quarantined = of_bytes(tmp_path, data)
    assert [d["text"] for d in kept] == ["a", "b"] and not quarantined
    assert [(d["id"], d["rule"], d["value"], d["threshold"]) for d in dropped] == [
        ("e", "empty_text", "0", "1"),
        ("s", "empty_text", "0", "1"),
    ]
    assert kept[1]["id"].endswith("#" + str(data.rindex(b"{")))


def test_missing_id_is_the_offset_whatever_the_split(tmp_path):
    lines = [json.dumps({"text": "x" * (i % 37)}).encode() if i % 5 else b"broken" for i in range(200)]
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join(lines))
    whole = of_file(path)
    assert whole[0][0]["id"] == f"{path}#{len(lines[0]) + 1}"
    for unit_bytes in [1, 2, 7, 64, 1000, 4999]:
        assert of_file(path, unit_bytes=unit_bytes) == whole


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(
    st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), max_size=20),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
)
def test_every_line_is_in_one_unit(tmp_path_factory, content, unit, block, final):
    path = str(tmp_path_factory.getbasetemp() / "lines.jsonl")
    data = b"\n".join(content) + (b"\n" if final else b"")
    with open(path, "wb") as file:
        file.write(data)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "BLOCK", block)
        for start in range(0, len(data), unit):
            found += [(line.offset, line.data) for line in jsonl.lines(path, start, start + unit, 1 << 20)]
    assert [each for each in found if each[1]] == [each for each in _offsets(data) if each[1]]
    assert len({offset for offset, _ in found}) == len(found)


def _offsets(data):
    offset, mark = 0, b"\xef\xbb\xbf"
    for line in data.split(b"\n"):
        yield offset, line.removeprefix(mark) if offset == 0 else line
        offset += len(line) + 1


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_compressed_file_that_breaks_gives_what_came_before(tmp_path, suffix):
    noise = random.Random(0)
    lines = [json.dumps({"id": i, "text": noise.randbytes(500).hex()}).encode() for i in range(2000)]
    data = packed(b"\n".join(lines), suffix)
    kept, _, quarantined = of_bytes(tmp_path, data[: len(data) // 2], "x.jsonl" + suffix)
    assert 800 < len(kept) < 1100 and [d["id"] for d in kept] == [str(i) for i in range(len(kept))]
    (fault,) = quarantined
    assert fault["position"] == sum(len(line) + 1 for line in lines[: len(kept)])
    assert "the file ends inside" in fault["error"] and fault["raw"]
    broken = bytearray(data)
    broken[len(data) // 2 : len(data) // 2 + 20] = b"\xff" * 20
    kept, _, quarantined = of_bytes(tmp_path, bytes(broken), "x.jsonl" + suffix)
    assert [d["id"] for d in kept] == [str(i) for i in range(len(kept))]
    assert suffix == ".zst" or len(kept) > 500
    assert len(quarantined) >= 1


def test_files_of_several_compressed_streams(tmp_path):
    lines = b'{"text": "a"}\n{"te', b'xt": "b"}\n'
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
    for suffix, extra in ((".gz", b""), (".gz", bytes(100)), (".zst", b""), (".zst", skippable)):
        data = b"".join(packed(part, suffix) for part in lines) + extra
        kept, _, quarantined = of_bytes(tmp_path, data, "x.json" + suffix)
        assert [d["text"] for d in kept] == ["a", "b"] and not quarantined


@pytest.mark.parametrize(
    "name", ["x.jsonl", "x.jsonl.gz", "x.jsonl.zst", "x.parquet", "x.txt", "x.warc", "x.warc.wet.gz", "x.json"]
)
def test_an_empty_file_has_no_documents(tmp_path, name):
    kept, dropped, quarantined = of_bytes(tmp_path, b"", name)
    assert (kept, dropped, quarantined) == ([], [], [])


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst", "x.parquet", "x.txt", "x.txt.gz"])
def test_garbage_file_is_one_fault(tmp_path, name):
    kept, _, quarantined = of_bytes(tmp_path, random.Random(3).randbytes(100_000), name)
    assert not kept and len(quarantined) == 1
    assert 0 < len(quarantined[0]["raw"]) <= 4096


def test_long_line_is_a_batch_of_its_own_and_can_be_too_long(tmp_path):
    long = "word " * 8_000_000
    data = b'{"id": 1, "text": "a"}\n' + json.dumps({"id": 2, "text": long}).encode() + b'\n{"id": 3, "text": "c"}'
    kept, _, quarantined = of_bytes(tmp_path, data)
    assert [d["text"] for d in kept] == ["a", long, "c"] and not quarantined
    options = readers.ReadOptions(max_record_bytes=10 << 20)
    kept, _, (fault,) = of_bytes(tmp_path, data, options=options)
    assert [d["id"] for d in kept] == ["1", "3"]
    assert "above the limit" in fault["error"] and fault["position"] == 23 and len(fault["raw"]) == 4096


def test_batches_are_bounded(monkeypatch):
    monkeypatch.setattr(documents, "MAX_BATCH_TEXT", 100)
    sizes = [60, 40, 1, 300, 50, 50, 50]
    events = [records.Document(str(i), b"x" * size) for i, size in enumerate(sizes)]
    found = [reading.documents["text"].to_pylist() for reading in records.batches(events)]
    assert [[len(text) for text in batch] for batch in found] == [[60, 40], [1], [300], [50, 50], [50]]
    many = [records.Document(str(i), b"x") for i in range(150)] + [records.Skipped("request")] * 3
    monkeypatch.setattr(records, "BATCH_ROWS", 60)
    monkeypatch.setattr(documents, "MAX_BATCH_TEXT", 1 << 20)
    readings = list(records.batches(many))
    assert [r.documents.num_rows for r in readings] == [60, 60, 30]
    assert readings[-1].skipped == {"request": 3}
    assert list(records.batches([])) == []


def test_text_files(tmp_path):
    kept, _, quarantined = of_bytes(tmp_path, b"\xef\xbb\xbfone\r\ntwo\0", "x.txt")
    assert [(d["id"], d["text"]) for d in kept] == [(f"{tmp_path}/x.txt#0", "one\r\ntwo\0")] and not quarantined
    assert of_bytes(tmp_path, gzip.compress(b"abc"), "y.txt.gz")[0][0]["text"] == "abc"
    assert of_bytes(tmp_path, b"ab\xc3", "z.txt")[2][0]["error"] == "not UTF-8: byte 2 is 0xc3"
    assert "ends inside" in of_bytes(tmp_path, gzip.compress(b"abc" * 99)[:-9], "w.txt.gz")[2][0]["error"]
    small = readers.ReadOptions(max_record_bytes=10)
    assert "above the limit" in of_bytes(tmp_path, b"x" * 11, "v.txt", small)[2][0]["error"]
    assert [d["rule"] for d in of_bytes(tmp_path, b"\n", "u.txt")[1]] == ["empty_text"]


# Parquet


def table(path, text, groups=1, **columns):
    content = pa.table({"text": text, **columns})
    pq.write_table(content, path, row_group_size=max(1, len(content) // groups), compression="zstd")
    return path


@pytest.mark.parametrize(
    "text",
    [
        pa.array(["a", "ü", None, ""]),
        pa.array(["a", "ü", None, ""], pa.large_string()),
        pa.array(["a", "ü", None, ""]).dictionary_encode(),
        pa.array([b"a", "ü".encode(), None, b""], pa.binary()),
        pa.array(["a", "ü", None, ""], pa.string_view()),
    ],
    ids=["string", "large_string", "dictionary", "binary", "string_view"],
)
def test_parquet_text_columns(tmp_path, text):
    path = table(tmp_path / "x.parquet", text, id=pa.array([1, None, 3, 4]))
    kept, dropped, quarantined = of_file(path)
    assert [(d["id"], d["text"], d["metadata"]) for d in kept] == [("1", "a", None), (f"{path}#1", "ü", None)]
    assert [d["id"] for d in dropped] == ["4"]
    assert [q["error"] for q in quarantined] == ["row 2: field 'text' must be a string, not null"]


def test_parquet_other_columns(tmp_path):
    path = table(
        tmp_path / "x.parquet",
        ["a", "b"],
        url=["u", None],
        date=[datetime.date(2020, 1, 2), None],
        score=[0.5, float("nan")],
        tags=[["x"], []],
        meta=[{"n": 1}, None],
        raw=[b"ok", b"\xff"],
    )
    kept, *_ = of_file(path)
    assert [(d["url"], d["date"]) for d in kept] == [("u", "2020-01-02"), (None, None)]
    assert kept[0]["metadata"] == '{"meta":{"n":1},"raw":"ok","score":0.5,"tags":["x"]}'
    assert kept[1]["metadata"] == '{"meta":null,"raw":"/w==","score":null,"tags":[]}'


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(st.data())
def test_rows_that_are_read_together_are_those_read_one_by_one(tmp_path_factory, data):
    """Whatever is beside the texts, and whatever is wrong with some of these."""
    rows = data.draw(st.integers(1, 12))
    bad = data.draw(st.sampled_from(["", " ", b"\xff".decode("latin-1"), None, "x" * 41]))
    texts = [data.draw(st.sampled_from(["one", "zwei ☃", "x" * 40])) for _ in range(rows)]
    if data.draw(st.booleans()):
        texts[data.draw(st.integers(0, rows - 1))] = bad
    kinds = {
        "id": st.none() | st.text(max_size=3) | st.sampled_from(["7", "a"]),
        "url": st.none() | st.sampled_from(["", "http://a.b/"]),
        "timestamp": st.none() | st.datetimes(),
        "date": st.sampled_from(["", "2020"]),
        "source": st.none() | st.integers(0, 9),
        "language": st.binary(max_size=2),
        "metadata": st.sampled_from(['{"a":1}', None]),
        "score": st.none() | st.floats(),
        "tags": st.lists(st.text(max_size=2), max_size=3),
    }
    names = data.draw(st.lists(st.sampled_from(sorted(kinds)), unique=True))
    columns = {name: [data.draw(kinds[name]) for _ in range(rows)] for name in names}
    path = str(tmp_path_factory.mktemp("rows") / "x.parquet")
    pq.write_table(pa.table({"text": pa.array(texts, pa.string()), **columns}), path)
    options = readers.ReadOptions(max_record_bytes=40 * 16)
    found = []
    for few in (0, 1 << 30):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rows_of_tables, "FEW_ROWS", few)
            patch.setattr(rows_of_tables, "FEW_BYTES", few)
            found.append(of_file(path, options))
    assert found[0] == found[1]
    assert sum(map(len, found[0])) == rows


def test_of_two_columns_of_one_name_the_last_is_read(tmp_path):
    twice = pa.Table.from_arrays([pa.array(["a"] * 300), pa.array(["b"] * 300)], names=["text", "text"])
    pq.write_table(twice, tmp_path / "x.parquet")
    kept, dropped, quarantined = of_file(tmp_path / "x.parquet")
    assert [row["text"] for row in kept] == ["b"] * 300 and not dropped and not quarantined


def test_parquet_row_groups_are_units_and_ids_do_not_depend_on_them(tmp_path):
    texts = [random.Random(i).randbytes(300).hex() for i in range(100)]
    path = table(tmp_path / "x.parquet", texts, groups=10)
    whole = of_file(path)
    assert [d["text"] for d in whole[0]] == texts and whole[0][57]["id"] == f"{path}#57"
    units = readers.split(paths.expand(str(path)), OPTIONS, 8_000)
    assert len(units) > 3 and units[0].start == 0 and units[-1].end == 10
    assert [a.end for a in units[:-1]] == [b.start for b in units[1:]]
    assert gather(r for unit in units for r in readers.read(unit, OPTIONS)) == whole


def test_corrupt_parquet_row_group_costs_only_itself(tmp_path):
    texts = [random.Random(i).randbytes(300).hex() for i in range(100)]
    path = table(tmp_path / "x.parquet", texts, groups=10)
    group = pq.ParquetFile(path).metadata.row_group(4).column(0)
    start = group.dictionary_page_offset or group.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + group.total_compressed_size] = b"\xff" * group.total_compressed_size
    path.write_bytes(data)
    kept, _, quarantined = of_file(path)
    assert [d["text"] for d in kept] == texts[:40] + texts[50:]
    assert [d["id"] for d in kept][40] == f"{path}#50"
    (fault,) = quarantined
    assert fault["position"] == start and fault["error"].startswith("row group 4 is corrupt")
    assert fault["raw"].startswith(b"\xff\xff") and len(fault["raw"]) <= 4096


def test_broken_parquet_files(tmp_path):
    path = table(tmp_path / "x.parquet", ["a", "b"])
    data = path.read_bytes()
    for broken in (data[:-10], data[10:], data[: len(data) // 2], b"PAR1", b"x"):
        kept, _, (fault,) = of_bytes(tmp_path, broken, "y.parquet")
        assert not kept and fault["error"].startswith(("not a Parquet file", "row group 0 is corrupt"))
    path = tmp_path / "z.parquet"
    pq.write_table(pa.table({"content": ["a"], "n": [1]}), path)
    assert of_file(path)[2][0]["error"] == "no column 'text'; columns: content, n"
    assert [u.start for u in readers.split([paths.Source(str(tmp_path / "y.parquet"), 99, 0)], OPTIONS, 1)] == [None]


def test_parquet_text_that_is_not_utf8(tmp_path):
    bad = pa.array([b"a", b"\xff", b"c"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, bad.buffers())
    kept, _, quarantined = of_file(table(tmp_path / "x.parquet", text))
    assert [d["text"] for d in kept] == ["a", "c"]
    assert [q["error"] for q in quarantined] == ["row 1: not UTF-8: byte 0 is 0xff"]


# Units of work


def test_split_follows_sizes_alone():
    sources = [paths.Source("a.jsonl", 25, 0), paths.Source("b.jsonl.gz", 25, 0), paths.Source("c.warc", 25, 0)]
    assert readers.split(sources, OPTIONS, 10) == [
        readers.Unit("a.jsonl", "jsonl", 0, 10),
        readers.Unit("a.jsonl", "jsonl", 10, 20),
        readers.Unit("a.jsonl", "jsonl", 20, 25),
        readers.Unit("b.jsonl.gz", "jsonl"),
        readers.Unit("c.warc", "warc"),
    ]
    assert readers.split([paths.Source("a.log", 5, 0)], readers.ReadOptions(format="text")) == [
        readers.Unit("a.log", "text")
    ]


def test_a_missing_file_is_raised_not_quarantined(tmp_path):
    for name in ("x.jsonl", "x.warc.gz", "x.parquet", "x.txt"):
        with pytest.raises(FileNotFoundError):
            list(readers.read(readers.Unit(str(tmp_path / name), formats.of_file(name).name), OPTIONS))


def test_other_filesystems(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a"}')
    (source,) = paths.expand(path.as_uri())
    (unit,) = readers.split([source], OPTIONS)
    (document,), *_ = gather(readers.read(unit, OPTIONS))
    assert document["id"] == path.as_uri() + "#0"


def test_real_jsonl_is_what_json_says(real_data):
    path = real_data / "jsonl/part-00000.jsonl.zst"
    expected = []
    with open(path, "rb") as file:
        for line in zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read().splitlines():
            expected.append(json.loads(line))
    kept, dropped, quarantined = of_file(path)
    assert len(kept) == 1136 and not dropped and not quarantined
    assert [(d["id"], d["text"], d["source"], d["date"] or "") for d in kept] == [
        (d["id"], d["text"], d["source"], d["date"]) for d in expected
    ]


def test_our_own_parquet_is_passed_on_whole(tmp_path):
    columns = {name: ["x"] for name in records.SCHEMA.names} | {"gopher_quality.words": [3.0]}
    schema = records.SCHEMA.append(pa.field("gopher_quality.words", pa.float64()))
    batch = pa.record_batch(columns, schema=schema)
    blank = pa.record_batch(columns | {"text": [" \n"]}, schema=schema)
    path = str(tmp_path / "documents.parquet")
    shards.write_parquet(path, [batch, blank], schema)
    options = readers.ReadOptions()
    (unit,) = readers.split(paths.expand(path), options)
    first, second = readers.read(unit, options)
    assert first.documents.equals(batch)
    assert first.bytes_read == 1
    assert second.documents.num_rows == 0
    assert [row["rule"] for row in second.dropped] == ["empty_text"]


def test_blank_lines_are_nothing_and_cost_nothing(tmp_path):
    kept, _, quarantined = of_bytes(tmp_path, b"\n" * 3_000_000 + b'{"text": "x"}\n' + b"\r\n" * 3, "x.jsonl")
    assert [row["id"] for row in kept] == [f"{tmp_path / 'x.jsonl'}#3000000"] and not quarantined


def test_a_line_that_goes_on_through_many_units_is_read_by_one(tmp_path, monkeypatch):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"text": "a"}\n' + b"x" * 5_000_000 + b'\n{"text": "b"}\n')
    units = readers.split(paths.expand(str(path)), readers.ReadOptions(), 1 << 16)
    taken, chunks = [], jsonl.streams.chunks

    def counted(*arguments):
        for chunk in chunks(*arguments):
            taken.append(len(chunk.data))
            yield chunk

    monkeypatch.setattr(jsonl.streams, "chunks", counted)
    options = readers.ReadOptions(max_record_bytes=1000)
    found = [reading for unit in units for reading in readers.read(unit, options)]
    assert [i for r in found for i in r.documents.column("text").to_pylist()] == ["a", "b"]
    (fault,) = [row for r in found for row in r.quarantined]
    assert (fault["position"], fault["bytes"], fault["records"]) == (14, 5_000_000, 1)
    assert len(units) > 70 and sum(taken) < 20_000_000 + len(units) * (1 << 20)


@pytest.mark.parametrize("depth", [199, 200])
def test_how_deep_values_may_be_nested_does_not_depend_on_the_caller(tmp_path, depth):
    line = b'{"text": "x", "deep": ' + b"[" * depth + b"]" * depth + b"}\n"

    def called_from(frames):
        return called_from(frames - 1) if frames else of_bytes(tmp_path, line, "x.jsonl")

    assert called_from(0) == called_from(400) and len(called_from(0)[0]) == (depth < 200)


def test_tables_whose_pages_or_lists_are_too_large_are_set_aside_and_long_masks_are_not(tmp_path, monkeypatch):
    mask = pa.ListArray.from_arrays(
        pa.array(range(0, 2001 * 512, 512), pa.int32()), pa.array(np.ones(2000 * 512, np.int8))
    )
    pq.write_table(pa.table({"text": ["x"] * 2000, "mask": mask}), tmp_path / "mask.parquet")
    kept, _, quarantined = of_file(tmp_path / "mask.parquet")
    assert len(kept) == 2000 and not quarantined
    many = pa.table({"text": ["a", "b"], "list": pa.array([["v"] * 3000, ["w"]])})
    pq.write_table(many, tmp_path / "many.parquet")
    kept, _, quarantined = of_file(tmp_path / "many.parquet", readers.ReadOptions(max_record_bytes=16 * 2000))
    assert [row["text"] for row in kept] == ["b"] and "lists of more than 2000 values" in quarantined[0]["error"]
    large = pa.table({"text": ["a", "b"], "beside": ["x" * 3_000_000, "y"]})
    pq.write_table(large, tmp_path / "large.parquet", use_dictionary=False, write_statistics=False, compression="zstd")
    monkeypatch.setattr(parquet, "PAGES", 1 << 20)
    kept, _, quarantined = of_file(tmp_path / "large.parquet", readers.ReadOptions(max_record_bytes=1000))
    assert (
        not kept and quarantined[0]["records"] == 2 and "pages hold more than 1048576 bytes" in quarantined[0]["error"]
    )


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.warc"])
def test_records_that_are_not_to_be_read_are_set_aside_by_their_ids(tmp_path, name):
    path, ids = tmp_path / name, ["a", "b", "c", "d"]
    if name == "x.jsonl":
        path.write_text("".join(json.dumps({"id": i, "text": "x"}) + "\n" for i in ids))
    elif name == "x.parquet":
        pq.write_table(pa.table({"id": ids, "text": ["x"] * 4}), path)
    else:
        head = (
            "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Record-ID: <urn:uuid:%s>\r\nContent-Length: 1\r\n\r\nx\r\n\r\n"
        )
        path.write_text("".join(head % i for i in ids), newline="")
    (unit,) = readers.split(paths.expand(str(path)), OPTIONS)
    kept, _, quarantined = gather(readers.read(unit, OPTIONS, excluded=((1, 3, "it dies"),)))
    assert [row["id"] for row in kept] == ["a", "d"]
    assert [(row["id"], row["error"], row["records"]) for row in quarantined] == [
        ("b", "it dies", 1),
        ("c", "it dies", 1),
    ]


# Files without a run


def test_read_files_gives_all_that_is_in_files_of_several_kinds(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "1", "text": "one"}\nbroken\n{"id": "2", "text": ""}\n')
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"two"))
    table(tmp_path / "c.parquet", ["three", "four"], id=["3", "4"])
    readings = list(readers.read_files([tmp_path, str(tmp_path / "*.txt.gz")]))  # each file once
    kept, dropped, quarantined = gather(readings)
    assert [(row["id"], row["text"]) for row in kept] == [
        ("1", "one"), (f"{tmp_path}/b.txt.gz#0", "two"), ("3", "three"), ("4", "four"),
    ]  # fmt: skip
    assert [(row["id"], row["rule"]) for row in dropped] == [("2", "empty_text")]
    assert [(row["position"], row["error"]) for row in quarantined] == [
        (27, "not JSON: Expecting value at character 0")
    ]
    assert sum(reading.records for reading in readings) == 6
    assert gather(readers.read_files(tmp_path / "c.parquet", text_field="id", id_field="text"))[0][0]["id"] == "three"


def test_read_files_refuses_before_it_reads_and_reads_when_asked(tmp_path, monkeypatch):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    (tmp_path / "b.docx").write_text("two")
    for files, named, error, words in [
        (tmp_path / "a.jsonl", {"formt": "jsonl"}, OptionError, "unknown option 'formt' in read; did you mean"),
        (tmp_path / "a.jsonl", {"invalid_utf8": "mend"}, OptionError, "'invalid_utf8' of read"),
        (tmp_path / "b.docx", {}, ValueError, "unknown kind of file: .*b.docx"),
        (tmp_path / "*.parquet", {}, FileNotFoundError, "no file matches"),
        ([tmp_path / "a.jsonl", tmp_path / "gone.jsonl"], {}, FileNotFoundError, "gone.jsonl"),
    ]:
        with pytest.raises(error, match=words):
            readers.read_files(files, **named)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs the package trafilatura"):
        readers.read_files(tmp_path / "a.jsonl", extract="trafilatura")
    waiting = readers.read_files(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text('{"text": "now"}\n')
    assert [row["text"] for row in gather(waiting)[0]] == ["now"]
