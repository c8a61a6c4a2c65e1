"""Arrays in .json files, objects over several lines, and faults in both."""

import gzip
import json
import random
import tracemalloc

import hypothesis
import hypothesis.strategies as st
import pytest

from corpus.io import paths
from corpus.reading import formats, json_values, readers, streams
from corpus.reading.readers import ReadOptions

ROWS = [{"id": str(i), "text": f'Words "{i}", and [brackets] {{braces}} \\ ü', "x": [{"y": "]}"}]} for i in range(50)]


def read(path, data, unit_bytes=readers.UNIT_BYTES, **options):
    path.write_bytes(data)
    chosen = ReadOptions(**options)
    kept, faults = [], []
    for unit in readers.split(paths.expand(str(path)), chosen, unit_bytes):
        for reading in readers.read(unit, chosen):
            kept += reading.documents.to_pylist()
            faults += reading.quarantined
    return kept, faults


FORMS = {
    "array": json.dumps(ROWS),
    "pretty": json.dumps(ROWS, indent=2, ensure_ascii=False),
    "a line each": "[" + ",\n".join(map(json.dumps, ROWS)) + "]\n",
    "objects": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "fields a line each": "\n".join(json.dumps(row).replace(', "text"', ',\n "text"') for row in ROWS),
    "a long first line": "\n".join(json.dumps({"x": "{ü" * 2000} | row).replace(', "id"', '\n,"id"') for row in ROWS),
    "arrays": json.dumps(ROWS[:20]) + "\n" + json.dumps(ROWS[20:]),
    "lines": "\n".join(map(json.dumps, ROWS)),
    "mark": "\ufeff \n" + json.dumps(ROWS),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
@pytest.mark.parametrize("block", [1 << 20, 100])
def test_every_form_gives_the_same(tmp_path, monkeypatch, form, suffix, block):
    monkeypatch.setattr(streams, "BLOCK", block)
    data = FORMS[form].encode()
    path = tmp_path / f"x{suffix}"
    for unit_bytes in (1000, readers.UNIT_BYTES):
        kept, faults = read(path, gzip.compress(data) if suffix.endswith("gz") else data, unit_bytes)
        assert not faults and [(row["id"], row["text"]) for row in kept] == [(row["id"], row["text"]) for row in ROWS]
    units = readers.split(paths.expand(str(path)), ReadOptions(), 1000)
    assert (len(units) > 1) == (form == "lines" and suffix == ".json")


@pytest.mark.parametrize("damaged", [
    '{"id": "1",', '{"id": "1", "text": "cut', '{"id": "1", "text": "cut\n"off"}', '{"id":\n',
    '{"id": "1"}\n"a string"',
])  # fmt: skip
def test_lines_of_which_the_first_is_damaged_are_lines(tmp_path, damaged):
    kept, faults = read(tmp_path / "x.json", (damaged + '\n{"id": "2", "text": "good"}\n').encode())
    assert [row["id"] for row in kept] == ["2"] and faults


def test_an_id_is_the_place_in_the_file(tmp_path):
    data = b'[ {"text": "one"},\n {"text": "two"} ]'
    kept, _ = read(tmp_path / "x.json", data)
    assert [row["id"] for row in kept] == [f"{tmp_path / 'x.json'}#{data.index(b'{', at)}" for at in (0, 10)]


BAD = [
    (b'{"id": "x", "text": 5}', "field 'text' must be a string, not a number"),
    (b'{"id": "x" "text": "a"}', "not JSON: Expecting ',' delimiter at character 11"),
    (b"{nothing}", "not JSON: Expecting property name enclosed in double quotes at character 1"),
    (b"17", "an element must hold an object, not a number"),
    (b"word", "not JSON: Expecting value at character 0"),
    (b'"a string, [with] {all}"', "an element must hold an object, not a string"),
    (b'["an", ["array"]]', "an element must hold an object, not an array"),
    (b'{"text": "\xff"}', "not UTF-8: byte 10 is 0xff"),
    (b'{"text": "' + b"y" * 3000 + b'"}', "an element of 3012 bytes, above the limit of 2000 (read.max_record_bytes)"),
    (b"[" * 300 + b"]" * 300, "an element of values nested deeper than 200"),
]


@pytest.mark.parametrize("bad, error", BAD)
def test_a_bad_element_costs_only_itself(tmp_path, bad, error):
    data = b'[{"text": "a"}, ' + bad + b', {"text": "b"}]'
    kept, (fault,) = read(tmp_path / "x.json", data, max_record_bytes=2000)
    assert [row["text"] for row in kept] == ["a", "b"]
    assert (fault["error"], fault["position"], fault["raw"]) == (error, 16, bad)
    assert fault["bytes"] == len(bad) and fault["records"] == 1


@pytest.mark.parametrize("data, ids, errors", [
    (b'[{"id": "1", "text": "a"}', ["1"], ["the array has no end"]),
    (b'[{"id": "1", "text": "a"}, {"id": "2", "te', ["1"], ["an element without its end"]),
    (b'[{"id": "1", "text": "a"}] and more', ["1"], ["neither an array nor an object begins here"]),
    (b"[]", [], []),
    (b'[{"id": "1", "text": "a"},]', ["1"], []),
])  # fmt: skip
def test_what_ends_too_early_or_goes_on_is_said(tmp_path, data, ids, errors):
    kept, faults = read(tmp_path / "x.json", data)
    assert [row["id"] for row in kept] == ids and [row["error"] for row in faults] == errors


def test_damage_of_a_compressed_array_keeps_what_came_before(tmp_path):
    rows = [{"id": str(i), "text": random.Random(i).randbytes(60).hex()} for i in range(999)]
    packed = gzip.compress(json.dumps(rows).encode())
    kept, faults = read(tmp_path / "x.json.gz", packed[: len(packed) // 2])
    assert [row["id"] for row in kept] == [str(i) for i in range(len(kept))] and 400 < len(kept) < 600
    assert len(faults) == 1 and "the file ends inside it" in faults[0]["error"] and faults[0]["records"] == 1


def test_an_element_without_end_is_not_held(tmp_path):
    (tmp_path / "x.json").write_bytes(b'[{"text": "' + b"x" * (60 << 20))
    tracemalloc.start()
    ((fault),) = json_values.values(str(tmp_path / "x.json"), 1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 24 << 20
    tracemalloc.stop()
    assert fault.error == "an element without its end" and len(fault.data) == streams.PREFIX


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(st.lists(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\[]{},ü \n'), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
), max_size=6), st.sampled_from([None, 1]))  # fmt: skip
def test_elements_are_found_in_any_array(tmp_path_factory, value, indent):
    path = tmp_path_factory.mktemp("values") / "x.json"
    path.write_text(json.dumps(value, indent=indent))
    assert [json.loads(line.data) for line in json_values.values(str(path), 1 << 20)] == value


def test_which_reader(tmp_path):
    assert formats.of_file("x.json").name == "json" and formats.of_file("x.json", "jsonl").name == "jsonl"
