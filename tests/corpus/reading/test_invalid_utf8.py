"""Input that is not UTF-8: quarantined or repaired, in every format, as Python's errors="replace" has it."""

import gzip
import json

import hypothesis
import hypothesis.strategies as st
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.io import paths
from corpus.reading import jsonl, readers

REPAIR = readers.ReadOptions(invalid_utf8="repair")
QUARANTINE = readers.ReadOptions()

CASES = [  # how many U+FFFD: the Unicode Standard's table 3-8 and its neighbours
    (b"a\xffb", 1),
    (b"\xc0\xaf", 2),  # overlong
    (b"\xe0\x9f\x80", 3),
    (b"\xed\xa0\x80", 3),  # a surrogate
    (b"\xf4\x91\x92\x93", 4),  # above U+10FFFF
    (b"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", 4),  # cut off: one for each maximal subpart
    (b"\xf0\x9f\x92", 1),
    (b"\x80" * 5, 5),
    ("𝄞é".encode(), 0),
]


def warc_record(text):
    head = (
        "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Record-ID: <urn:uuid:r>\r\n"
        f"Content-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text + b"\r\n\r\n"


def parquet(kind):
    def write(path, text):
        data = pa.array([text], pa.large_binary() if kind == pa.large_string() else pa.binary())
        pq.write_table(pa.table({"text": pa.Array.from_buffers(kind, 1, data.buffers()), "n": [1]}), path)

    return write


def bytes_of(wrap):
    return lambda path, text: path.write_bytes(wrap(text))


FORMATS = {
    "x.txt": bytes_of(bytes),
    "x.txt.gz": bytes_of(gzip.compress),
    "x.wet": bytes_of(warc_record),
    "x.jsonl": bytes_of(lambda text: b'{"n": 1, "text": "' + text + b'"}'),
    "binary.parquet": parquet(pa.binary()),
    "string.parquet": parquet(pa.string()),
    "large_string.parquet": parquet(pa.large_string()),
}


def read(path, options):
    """(texts, dropped, faults, repaired) of a file."""
    texts, dropped, faults, repaired = [], 0, [], 0
    for unit in readers.split(paths.expand(str(path)), options):
        for reading in readers.read(unit, options):
            reading.documents.validate(full=True)  # what kernels get is UTF-8
            texts += reading.documents["text"].to_pylist()
            dropped += len(reading.dropped)
            faults += [row["error"] for row in reading.quarantined]
            repaired += reading.repaired
    return texts, dropped, faults, repaired


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("data, replaced", CASES)
def test_both_policies_in_every_format(tmp_path, name, data, replaced):
    path = tmp_path / name
    FORMATS[name](path, data)
    expected = data.decode("utf-8", "replace")
    assert expected.count("\ufffd") == replaced
    assert read(path, REPAIR) == ([expected], 0, [], int(replaced > 0))
    texts, _, faults, repaired = read(path, QUARANTINE)
    assert (texts, len(faults), repaired) == (([], 1, 0) if replaced else ([expected], 0, 0))
    assert all("not UTF-8: byte " in fault for fault in faults)


PIECES = st.sampled_from(
    [b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x92", b"\xe2\x82", b"a", "é日𝄞".encode(), b" "]
)


@pytest.mark.parametrize("name", FORMATS)
@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(st.binary(max_size=24) | st.lists(PIECES, max_size=9).map(b"".join))
def test_repair_is_what_python_replaces(tmp_path_factory, name, data):
    if name == "x.jsonl":
        data = bytes(byte for byte in data if byte >= 32 and byte not in b'"\\')
    path = tmp_path_factory.getbasetemp() / name
    FORMATS[name](path, data)
    expected = data.decode("utf-8", "replace")
    if name.startswith("x.txt"):
        expected = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if name == "x.wet":
        expected = expected.rstrip("\r\n")
    texts, dropped, faults, repaired = read(path, REPAIR)
    if name == "x.txt" and not data:
        assert (texts, dropped, faults, repaired) == ([], 0, [], 0)
        return
    blank = not expected.encode() or expected.encode().isspace()
    assert (texts, dropped, faults) == ([] if blank else [expected], int(blank), [])
    assert repaired == ("\ufffd" in expected and "\ufffd".encode() not in data) or "\ufffd".encode() in data


@hypothesis.settings(deadline=None)
@hypothesis.given(
    st.text(st.characters(categories=["Cs", "Lu", "So"]) | st.sampled_from('\\"\ud834\udd1e\n'), max_size=12)
)
def test_half_surrogate_pairs_are_repaired(text):
    line = json.dumps({"text": text, "more": [{text: text}, 1, None]}).encode()
    whole = json.loads(line)["text"]  # pairs are one character
    expected = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in whole)
    found, repaired = jsonl.parse(line, repair=True)
    assert found == {"text": expected, "more": [{expected: expected}, 1, None]}
    assert repaired == (expected != whole)
    if repaired:
        with pytest.raises(UnicodeEncodeError):
            jsonl.parse(line)
    else:
        assert jsonl.parse(line) == (found, False)


def test_an_escaped_backslash_is_no_surrogate():
    assert jsonl.parse(rb'{"text": "\\ud800"}', repair=True) == ({"text": r"\ud800"}, False)
    assert jsonl.parse(rb'{"text": "\ud800\\ud800"}', repair=True) == ({"text": "\ufffd\\ud800"}, True)


def test_repair_does_not_make_json_of_what_is_none(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(
        b'{"text": "\xff"\n{"text": 5, "x": "\xff"}\n\xff\n{"x": "\xff", "text": "good"}\n{"text": " ", "x": "\xff"}\n'
    )
    texts, dropped, faults, repaired = read(path, REPAIR)
    assert (texts, dropped, repaired) == (["good"], 1, 2)
    assert [fault.partition(":")[0] for fault in faults] == [
        "not JSON",
        "field 'text' must be a string, not a number",
        "not JSON",
    ]


def test_nested_parquet_strings_are_repaired_and_their_neighbours_unchanged(tmp_path):
    def broken(values):
        return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())

    names = broken([b"ok", b"b\xff"])
    table = pa.table(
        {
            "text": ["a", "b"],
            "list": pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), names),
            "struct": pa.StructArray.from_arrays([names, pa.array([1, 2])], ["name", "n"]),
            "map": pa.MapArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["k", "k"]), names),
            "raw": pa.array([b"ok", b"\xff"], pa.binary()),
        }
    )
    path = tmp_path / "x.parquet"
    pq.write_table(table, path)
    (unit,) = readers.split(paths.expand(str(path)), REPAIR)
    (reading,) = readers.read(unit, REPAIR)
    assert reading.repaired == 1 and not reading.quarantined
    assert [json.loads(row) for row in reading.documents["metadata"].to_pylist()] == [
        {"list": ["ok"], "map": [["k", "ok"]], "raw": "ok", "struct": {"n": 1, "name": "ok"}},
        {"list": ["b\ufffd"], "map": [["k", "b\ufffd"]], "raw": "/w==", "struct": {"n": 2, "name": "b\ufffd"}},
    ]


def test_a_dictionary_with_a_broken_string_costs_its_row_group(tmp_path):
    """Arrow checks dictionaries while it decodes them: there are no rows to repair."""
    values = pa.Array.from_buffers(pa.string(), 2, pa.array([b"a", b"\xff"], pa.binary()).buffers())
    pq.write_table(
        pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([1, 0, 1]), values)}), tmp_path / "x.parquet"
    )
    for options in (REPAIR, QUARANTINE):
        texts, _, (fault,), repaired = read(tmp_path / "x.parquet", options)
        assert (texts, repaired) == ([], 0) and fault.startswith("row group 0 is corrupt: ")


def test_a_repaired_text_can_be_too_long(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff" * 10)
    options = readers.ReadOptions(invalid_utf8="repair", max_record_bytes=29)
    assert read(tmp_path / "x.txt", options) == (
        [],
        0,
        ["a text of 30 bytes, above the limit of 29 (read.max_record_bytes)"],
        0,
    )


def test_pages_are_decoded_by_their_charset_under_both_policies(tmp_path):
    body = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + "Über".encode("cp1252")
    head = f"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: {len(body)}\r\n\r\n"
    (tmp_path / "x.warc").write_bytes(head.encode() + body + b"\r\n\r\n")
    for options in (QUARANTINE, REPAIR):
        texts, dropped, faults, repaired = read(tmp_path / "x.warc", options)
        assert len(texts) == 1 and texts[0].endswith("ber") and (dropped, faults, repaired) == (0, [], 0)
