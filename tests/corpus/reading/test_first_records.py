"""Fields under other names, and what the first records say before a run works."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.io import paths
from corpus.reading import first_records, readers
from corpus.reading.readers import ReadOptions

ROWS = [
    {
        "content": f"The words of page {i}.",
        "key": f"k{i}",
        "meta": {"link": f"http://e.x/{i}", "when": "2020", "lang": "en"},
        "size": i,
    }
    for i in range(300)
]
NAMED = {
    "text_field": "content",
    "id_field": "key",
    "url_field": "meta.link",
    "date_field": "meta.when",
    "language_field": "meta.lang",
}


def as_lines(rows, path):
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))


def as_parquet(rows, path):
    pq.write_table(pa.Table.from_pylist(rows), path)


def as_array(rows, path):
    path.write_text(json.dumps(rows, indent=1))


WRITE = {".jsonl": as_lines, ".json": as_array, ".parquet": as_parquet}
every = pytest.mark.parametrize("suffix", WRITE)


def written(folder, suffix, rows, name="x"):
    path = folder / f"{name}{suffix}"
    WRITE[suffix](rows, path)
    return str(path)


def check(*names, **options):
    return first_records.check_fields([s for name in names for s in paths.expand(name)], ReadOptions(**options))


def read(path, **options):
    readings = list(readers.read_files(path, **options))
    assert not any(reading.quarantined or reading.dropped for reading in readings)
    return [row for reading in readings for row in reading.documents.to_pylist()]


@every
@pytest.mark.parametrize("count", [3, 300])  # few are made one by one
def test_every_field_may_have_another_name(tmp_path, suffix, count):
    path = written(tmp_path, suffix, ROWS[:count])
    rows = read(path, **NAMED)
    assert len(rows) == count
    assert rows[2] == {
        "id": "k2",
        "text": "The words of page 2.",
        "url": "http://e.x/2",
        "date": "2020",
        "source": path,
        "language": "en",
        "metadata": '{"size":2}',
    }
    assert check(path, **NAMED) == []


@every
def test_the_text_may_be_in_a_field(tmp_path, suffix):
    rows = [{"data": {"text": f"text {i}", "more": {"n": i}}, "id": str(i)} for i in range(3)]
    path = written(tmp_path, suffix, rows)
    found = read(path, text_field="data.text")
    assert [(row["id"], row["text"], row["metadata"]) for row in found] == [
        (str(i), f"text {i}", f'{{"data":{{"more":{{"n":{i}}}}}}}') for i in range(3)
    ]
    with pytest.raises(ValueError) as error:
        check(path)
    assert "no field 'text'; they have data.text, data.more.n, id: say --text-field data.text (" in str(error.value)


@every
def test_a_field_with_a_dot_in_its_name_comes_first(tmp_path, suffix):
    path = written(tmp_path, suffix, [{"data.text": "this", "data": {"text": "that"}}])
    ((row),) = read(path, text_field="data.text")
    assert (row["text"], row["metadata"]) == ("this", '{"data":{"text":"that"}}')


@every
def test_input_without_text_is_refused_with_the_field_that_is_meant(tmp_path, suffix):
    path = written(tmp_path, suffix, ROWS)
    with pytest.raises(ValueError) as error:
        check(path)
    assert str(error.value) == (
        f"the first records of {path} have no field 'text'; they have content, key, meta.link, meta.when, meta.lang, "
        "size: say --text-field content (read.text_field in a recipe)"
    )
    with pytest.raises(ValueError, match=r"no field 'contents'; .* say --text-field content"):
        check(path, text_field="contents")


@every
def test_no_field_is_proposed_where_none_is_text(tmp_path, suffix):
    path = written(tmp_path, suffix, [{"a": 1, "b": [2]}])
    with pytest.raises(ValueError, match="they have a, b.*: none of which is text"):
        check(path)


@every
def test_one_file_with_text_is_enough_and_it_is_found_among_many(tmp_path, suffix):
    names = [written(tmp_path, suffix, [{"state": "done"}], f"{i:02d}") for i in range(20)]
    with pytest.raises(ValueError, match=f"00{suffix} have no field 'text'; they have state"):
        check(*names)
    names.append(written(tmp_path, suffix, [{"text": "x"}], "00a"))
    assert check(*names[:1], names[-1]) == []


@every
def test_further_names_that_are_not_there_are_said(tmp_path, suffix):
    path = written(tmp_path, suffix, [{"text": "x", "link": "y"}])
    assert check(path) == []
    assert check(path, url_field="lnik", date_field="date") == [
        f"read.url_field: the first records of {path} have no field 'lnik'; they have text, link"
    ]


@pytest.mark.parametrize("suffix, delimiter", [(".csv", ","), (".tsv", "\t"), (".csv.gz", ";")])
def test_a_header_has_the_fields(tmp_path, suffix, delimiter):
    lines = [["n", "body", "when"], ["1", "Some words.", "2020"], ["too few"], ["2", "More words.", "2021"]]
    data = "\n".join(delimiter.join(line) for line in lines).encode()
    (tmp_path / f"x{suffix}").write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    with pytest.raises(ValueError, match="they have n, body, when: say --text-field body "):
        check(str(tmp_path / f"x{suffix}"))
    assert check(str(tmp_path / f"x{suffix}"), text_field="body", date_field="when") == []


def test_formats_are_looked_at_apart_and_those_without_fields_not_at_all(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    good = written(tmp_path, ".jsonl", [{"text": "x"}])
    assert check(str(tmp_path / "a.txt"), good) == []
    bad = written(tmp_path, ".parquet", ROWS)
    with pytest.raises(ValueError, match=f"x.parquet have no field 'text'; .*; {good} has it: run the two apart"):
        check(str(tmp_path / "a.txt"), good, bad)


@pytest.mark.parametrize("data", [b"", b"not JSON\n" * 200, b"[1]\n", b"\n\n"])
def test_what_cannot_be_read_is_no_lack_of_fields(tmp_path, data):
    (tmp_path / "x.jsonl").write_bytes(data)
    (tmp_path / "x.parquet").write_bytes(data)
    assert check(str(tmp_path / "x.jsonl"), str(tmp_path / "x.parquet")) == []


def test_first_lines_are_some_and_damaged_ones_do_not_hide_the_rest(tmp_path):
    lines = [b"no JSON", b'{"text": "b\xff"}', *[b'{"late": 1}'] * 200, b'{"text": "x"}']
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    assert check(str(tmp_path / "x.jsonl.gz")) == []  # what is not UTF-8 has fields, too
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines[2:])))
    with pytest.raises(ValueError, match="they have late: none of which is text"):
        check(str(tmp_path / "x.jsonl.gz"))


def test_many_fields_and_long_names_are_cut_short(tmp_path):
    (tmp_path / "x.jsonl").write_text(json.dumps({"n" * 500: 1, **{f"f{i}": i for i in range(100)}}))
    with pytest.raises(ValueError) as error:
        check(str(tmp_path / "x.jsonl"))
    assert "f18 and 81 more: none" in str(error.value) and len(str(error.value)) < 500
