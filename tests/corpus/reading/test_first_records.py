"""Fields under other names, and what the first records say before a run works."""

import dataclasses
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.io import paths
from corpus.reading import first_records, formats, jsonl, readers
from corpus.reading.readers import ReadOptions
from corpus.reading.records import First

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
def test_each_file_is_looked_at_and_those_without_text_are_named(tmp_path, suffix):
    good = [written(tmp_path, suffix, [{"text": "x"}], f"a{i:02d}") for i in range(9)]
    bad = [written(tmp_path, suffix, [{"content": "x"}], f"b{i}") for i in range(7)]
    other = written(tmp_path, suffix, [{"n": 1}], "c")
    assert check(*good) == []
    with pytest.raises(ValueError) as error:
        check(*good, *bad, other)
    assert str(error.value) == (
        f"the first records of {', '.join(bad[:5])} and 2 more files have no field 'text'; they have content: say "
        f"--text-field content (read.text_field in a recipe); nor have {other}, whose fields are others; {good[0]} has "
        "it: name such files alone, or run the two apart"
    )


def test_of_many_files_some_are_looked_at_all_over_the_input_and_one_of_each_format(tmp_path, monkeypatch):
    seen = []
    look = dataclasses.replace(jsonl.READER, first=lambda path, options: seen.append(path) or First({"text": 1}, {}))
    monkeypatch.setitem(formats.READERS, "jsonl", look)
    names = [str(tmp_path / f"{number:05d}.jsonl") for number in range(90_000)]
    sources = [paths.Source(name, 1, 0) for name in names]
    parquet = written(tmp_path, ".parquet", [{"content": "x"}], "z")
    first_records.check_fields(sources, ReadOptions())
    assert sorted(seen) == names[:: 90_000 // 64][:1] + [names[n * 90_000 // 64] for n in range(1, 64)]
    with pytest.raises(ValueError, match="z.parquet have no field 'text'"):
        first_records.check_fields([*sources, *paths.expand(parquet)], ReadOptions())


@every
@pytest.mark.parametrize("value, what", [(None, "null"), (3, "a number and no"), (["a"], "an array and no"),
                                         ([{"a": 1}], "an array of objects and no")])  # fmt: skip
def test_a_field_that_holds_no_text_is_none(tmp_path, suffix, value, what):
    path = written(tmp_path, suffix, [{"id": "a", "text": value, "body": "Some words."}] * 5)
    with pytest.raises(ValueError) as error:
        check(path)
    assert str(error.value).startswith(f"the first records of {path} have no text in the field 'text', which is {what}")
    assert str(error.value).endswith("; body does: say --text-field body (read.text_field in a recipe)")
    good = written(tmp_path, suffix, [{"text": "x"}, {"text": None}], "good")
    (said,) = check(good, path)  # what it has is quarantined, as ever
    assert said.startswith(f"the first records of {path} have no text in the field 'text'")


@every
def test_empty_texts_are_text(tmp_path, suffix):
    assert check(written(tmp_path, suffix, [{"text": ""}, {"text": None}])) == []


def test_nulls_behind_the_first_row_group_do_not_hide_its_text(tmp_path):
    table = pa.table({"text": pa.array([None] * 10 + ["x"], pa.string())})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=5)
    assert check(str(tmp_path / "x.parquet")) == []


def test_records_one_level_down_are_said_to_be_there(tmp_path):
    path = written(tmp_path, ".json", {"data": [{"text": "x"}], "version": 1})
    with pytest.raises(ValueError) as error:
        check(path)
    assert str(error.value).endswith(
        f"they have data, version: the array data holds objects: have a file of these alone (jq -c '.data[]' {path})"
    )


def test_a_table_without_a_header_is_said_to_have_none(tmp_path):
    (tmp_path / "x.csv").write_text("hello world this is text,1\nmore words of it,2\n")
    with pytest.raises(ValueError, match="the first row names the fields: put a header on the file, say id,text$"):
        check(str(tmp_path / "x.csv"))


@every
def test_further_names_that_some_lack_are_said_and_those_that_all_lack_refused(tmp_path, suffix):
    path = written(tmp_path, suffix, [{"text": "x", "link": "y"}])
    other = written(tmp_path, suffix, [{"text": "x", "address": "y"}], "other")
    assert check(path, url_field="link", date_field="date") == []
    said = f"read.url_field: the first records of {path} have no field 'address'; they have text, link"
    assert check(path, other, url_field="address") == [said]
    with pytest.raises(ValueError) as error:
        check(path, url_field="address")
    assert str(error.value) == f"{said}: say --url-field with one of these, or leave it out"


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
    with pytest.raises(
        ValueError, match=f"x.parquet have no field 'text'; .*; {good} has it: name such files alone, or run"
    ):
        check(str(tmp_path / "a.txt"), good, bad)


@pytest.mark.parametrize("name, data, why", [
    ("x.jsonl", b"not JSON\n" * 200, "not JSON: Expecting value at character 0"),
    ("x.jsonl", b'"a string"\n' * 9, "a line must hold an object, not a string"),
    ("x.json", b"[1, 2]", "an element must hold an object, not a number"),
    ("x.jsonl.gz", b"no gzip" * 9, "incorrect header check"),
    ("x.parquet", b"no Parquet", "not a Parquet file"),
    ("x.arrow", b"no Arrow file", "no message of an Arrow file begins here"),
    ("x.csv", b'"id,text\na,b\n', "its header: a quote"),
])  # fmt: skip
def test_input_of_which_nothing_can_be_read_is_refused_and_beside_what_can_it_is_not(tmp_path, name, data, why):
    (tmp_path / name).write_bytes(data)
    (tmp_path / f"another {name}").write_bytes(data)
    both = [str(tmp_path / name), str(tmp_path / f"another {name}")]
    with pytest.raises(ValueError) as error:
        check(*both)
    assert f"nothing can be read of {both[0]}, which was taken for" in str(error.value)
    assert why in str(error.value) and f"(and the like of {both[1]}); have " in str(error.value)
    sources = [source for each in both for source in paths.expand(each)]
    assert first_records.check_fields(sources, ReadOptions(), all_unreadable=True) == []
    good = written(tmp_path, ".jsonl", [{"text": "x"}], "good")
    (tmp_path / "page.txt").write_text("text")
    assert check(*both, good) == check(*both, str(tmp_path / "page.txt")) == []


def test_files_without_records_are_named_and_input_without_any_is_refused(tmp_path):
    names = [str(tmp_path / name) for name in ("a.jsonl", "b.json", "c.parquet", "d.warc")]
    for name, data in zip(names, (b"\n", b"[]", b"", b"")):
        paths.write_atomic(name, data)
    for some in (names[:1], names[1:2], names[3:], names):
        with pytest.raises(ValueError, match=f"^there are no documents in {', '.join(some)}$"):
            check(*some)
    good = written(tmp_path, ".jsonl", [{"text": "x"}], "good")
    assert check(*names, good) == []
    sources = [source for name in names for source in paths.expand(name)]
    assert first_records.empty(sources) == [f"empty, and so without documents: {names[2]}, {names[3]}"]
    assert first_records.empty(sources[:2]) == []


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
