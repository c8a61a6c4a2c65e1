"""CSV and TSV: what Python's csv module writes and reads, and faults that cost their rows."""

import csv
import gzip
import io
import random

import hypothesis
import hypothesis.strategies as st
import pytest

from corpus.io import paths
from corpus.reading import delimited, readers, streams
from corpus.reading.readers import ReadOptions

CHARACTERS = st.lists(st.sampled_from([*'ab,;"\n\t|ü ', "\r\n"]), max_size=8).map("".join)


def written(rows, **dialect):
    file = io.StringIO(newline="")
    csv.writer(file, **dialect).writerows(rows)
    return file.getvalue().encode()


def read(path, data, **options):
    """(rows of documents, [(position, error)]) of a file with these bytes."""
    path.write_bytes(data)
    chosen = ReadOptions(**options)
    kept, faults = [], []
    for unit in readers.split(paths.expand(str(path)), chosen, 10):  # never divided
        for reading in readers.read(unit, chosen):
            kept += reading.documents.to_pylist()
            faults += reading.quarantined
    return kept, faults


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(
    st.lists(st.tuples(CHARACTERS, CHARACTERS, CHARACTERS), max_size=8),
    st.sampled_from([",", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["", ".gz"]),
)
def test_rows_are_what_the_csv_module_reads(tmp_path_factory, rows, delimiter, end, quoting, compression):
    data = written([("a", "b", "c"), *rows], delimiter=delimiter, lineterminator=end, quoting=quoting)
    path = tmp_path_factory.mktemp("rows") / f"x.csv{compression}"
    path.write_bytes(gzip.compress(data) if compression else data)
    expected = list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter))
    found = list(delimited.rows(str(path), 1 << 20, delimiter == "\t"))
    assert not any(row.error for row in found)
    assert [[field.decode() for field in row.fields] for row in found] == expected
    assert all(data[row.offset :].startswith(row.raw) for row in found)


def test_long_rows_and_many_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "BLOCK", 100)
    noise = random.Random(1)
    rows = [(str(i), "".join(noise.choices('ab"\n, ', k=noise.randrange(1, 2000)))) for i in range(200)]
    kept, faults = read(tmp_path / "x.csv", written([("id", "text"), *rows]))
    assert not faults and [(row["id"], row["text"]) for row in kept if row["text"].strip()] == [
        row for row in rows if row[1].strip()
    ]


def test_columns_are_fields(tmp_path):
    data = b"\xef\xbb\xbfid,text,url,date,n,,n\r\n7,Some words.,http://e.x/,2020,1,,2\r\n"
    ((row),), faults = read(tmp_path / "x.csv", data)
    assert not faults and row == {
        "id": "7", "text": "Some words.", "url": "http://e.x/", "date": "2020", "source": str(tmp_path / "x.csv"),
        "language": None, "metadata": '{"":"","n":"1","n.2":"2"}',
    }  # fmt: skip
    (row,), _ = read(tmp_path / "x.tsv", b"body\tlang\nSome words.\tde", text_field="body", language_field="lang")
    assert (row["text"], row["language"], row["id"]) == ("Some words.", "de", f"{tmp_path / 'x.tsv'}#10")


def test_of_columns_of_one_name_the_first_is_the_field(tmp_path):
    (row,), faults = read(tmp_path / "x.csv", b"text,id,text,text\none,7,two,three\n")
    assert (row["text"], row["metadata"], faults) == ("one", '{"text.2":"two","text.3":"three"}', [])
    assert delimited.first(str(tmp_path / "x.csv"), ReadOptions(), False).texts == {
        "text": 3, "id": 1, "text.2": 3, "text.3": 5,
    }  # fmt: skip


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_are_those_of_the_header(tmp_path, delimiter):
    (row,), faults = read(tmp_path / "x.csv", written([("id", "text"), ("1", "a, b")], delimiter=delimiter))
    assert (row["id"], row["text"], faults) == ("1", "a, b", [])


@pytest.mark.parametrize("header, delimiter", [
    ("id;text;size, in words", ";"), ('id;"size, in words, and, more";text', ";"), ("id\ttext\ta,b", "\t"),
    ('id,"a;b;c|d|e",text', ","), ("id,text;x", ","), ('"id, as ""they, say"""|text', "|"),
])  # fmt: skip
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_delimiter_is_what_the_header_has_most_of(tmp_path, header, delimiter, mark):
    (tmp_path / "x.csv").write_text(f"{mark}{header}\n")
    (row,) = delimited.rows(str(tmp_path / "x.csv"), 1 << 20, False)
    assert row.fields == [field.encode() for (field) in next(csv.reader([header], delimiter=delimiter))]


@pytest.mark.parametrize(
    "first, delimiter", [("sep=;\r\n", ";"), ('"sep=,"\n', ","), ("SEP=^\n", "^"), ("sep=\t\n", "\t")]
)
def test_the_line_of_excel_names_the_delimiter(tmp_path, first, delimiter):
    lines = [("id", "text"), ("1", "a, b; c")]
    data = "\ufeff".encode() + first.encode() + written(lines, delimiter=delimiter)
    (row,), faults = read(tmp_path / "x.csv", data)
    assert (row["id"], row["text"], faults) == ("1", "a, b; c", [])
    (row,), _ = read(tmp_path / "y.csv", data.replace(b"id", b"no"))
    assert row["id"] == f"{tmp_path / 'y.csv'}#{data.index(b'1')}"


GOOD = [f"g{i},good row {i}" for i in range(6)]
BAD = [
    ("x", "a row of 1 fields, and the header has 2"),
    ("x,y,z", "a row of 3 fields, and the header has 2"),
    ('x,"never ends', "a quote neither around a field nor doubled in one"),
    ('x,a "quote" within', "a quote neither around a field nor doubled in one"),
    ('x,"closed" too early', "a quote neither around a field nor doubled in one"),
    ('"x,never ends', "a quote neither around a field nor doubled in one"),
    ("x,\xff", "not UTF-8: byte 2 is 0xff"),
    ('x,"two\nlines",more', "a row of 3 fields, and the header has 2"),
    ("x," + "y" * 3000, "a row above the limit of 2000 bytes (read.max_record_bytes)"),
    ("x" * 3000, "a row above the limit of 2000 bytes (read.max_record_bytes)"),
    ('x,"' + "y\n" * 1500 + '"', "a row above the limit of 2000 bytes (read.max_record_bytes)"),
]


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("number", range(len(BAD)))
def test_a_bad_row_costs_only_itself(tmp_path, number, quoted):
    bad, error = BAD[number]
    good = [row.replace(",", ',"') + '"' if quoted else row for row in GOOD]
    if "quote" in error and not quoted and "never" in bad:
        error = "a quote without its end"
    before = "\n".join(["id,text", *good[:3]])
    data = "\n".join([before, bad, *good[3:]]).encode("latin-1") + b"\n"
    limit = 2000 if "limit" in error else 1 << 20
    kept, (fault,) = read(tmp_path / "x.csv", data, max_record_bytes=limit)
    assert [row["id"] for row in kept] == [f"g{i}" for i in range(6)]
    assert fault["position"] == len(before) + 1 and fault["records"] == 1
    assert fault["error"] == error
    assert fault["raw"] == bad.encode("latin-1")[: streams.PREFIX].rstrip(b"\n")[: len(fault["raw"])] != b""


def test_a_row_of_very_many_fields_is_a_fault(tmp_path):
    kept, (fault,) = read(tmp_path / "x.csv", b"id,text\n1,one\n" + b"," * 70_000 + b"\n2,two\n")
    assert [row["id"] for row in kept] == ["1", "2"] and fault["error"] == "a row of more than 65536 fields"


def test_quotes_in_tsv_are_characters_where_they_are_not_around_fields(tmp_path):
    lines = ['1\t"Well," he said', '2\t5" nails', '3\t"whole\tfield"', '4\t"open', "5\tplain", '6\t"two\nlines"']
    kept, faults = read(tmp_path / "x.tsv", "\n".join(["id\ttext", *lines, ""]).encode())
    assert [(row["id"], row["text"]) for row in kept] == [
        ("1", '"Well," he said'), ("2", '5" nails'), ("3", "whole\tfield"), ("4", '"open'), ("5", "plain"),
        ("6", "two\nlines"),
    ]  # fmt: skip
    assert not faults


def test_a_file_cut_in_a_quoted_field_loses_that_row(tmp_path):
    data = b'id,text\n1,one\n2,"a line\nand, another\nand, half'
    kept, (fault,) = read(tmp_path / "x.csv", data[:-10])
    assert [row["id"] for row in kept] == ["1"] and fault["error"] == "a quote without its end"


def test_damage_of_a_compressed_file_keeps_what_came_before(tmp_path):
    data = written(
        [("id", "text"), *((str(i), f"text {i} {random.Random(i).randbytes(40).hex()}") for i in range(999))]
    )
    packed = bytearray(gzip.compress(data))
    packed = packed[: len(packed) // 2]
    kept, faults = read(tmp_path / "x.csv.gz", bytes(packed))
    assert [row["id"] for row in kept] == [str(i) for i in range(len(kept))] and 400 < len(kept) < 600
    assert len(faults) == 1 and "the file ends inside it" in faults[0]["error"]


@pytest.mark.parametrize("header", [b"te\xffxt\n", b'"text\n', b'te"xt\n', b"\x00" * 5 + b'"\n'])
def test_without_a_header_a_file_is_lost_as_a_whole(tmp_path, header):
    kept, (fault,) = read(tmp_path / "x.csv", header + b"one\ntwo\n")
    assert not kept and (fault["position"], fault["records"], fault["bytes"]) == (0, 0, len(header) + 8)
    assert fault["error"].startswith("its header: ")


def test_quotes_without_end_are_looked_at_within_a_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "AGAIN", 0)
    monkeypatch.setattr(delimited.paths, "size", lambda path: 0)
    data = b"id,text\n" + b"1,one\n" * 10 + b'2,"two\n' + b"3,three\n" * 10
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    faults = [row.error for row in delimited.rows(str(path), 1 << 20, False) if row.error]
    assert faults == ["a quote without its end", "too many quotes without end"]
