"""Evaluation files of all kinds, and what is said of those that cannot be read."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus.contamination import decontaminate, evaluation_files
from corpus.contamination.items import Item, load_items

ROWS = [{"id": "a", "text": 'One; "two"'}, {"id": "b", "text": "three,\nfour"}]


def arrow(new):
    sink = pa.BufferOutputStream()
    with new(sink, pa.table({"id": ["a", "b"], "text": ["", ""]}).schema) as writer:
        writer.write_table(pa.Table.from_pylist(ROWS))
    return sink.getvalue().to_pybytes()


CSV = 'id,text\na,"One; ""two"""\nb,"three,\nfour"\n'
FILES = {
    "x.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode(),
    "x.json": json.dumps(ROWS, indent=2).encode(),
    "x.csv": CSV.encode("utf-8-sig"),
    "y.csv": CSV.replace("d,t", "d;t").replace("a,", "a;").replace("b,", "b;").encode(),
    "x.tsv": CSV.replace("d,t", "d\tt").replace("a,", "a\t").replace("b,", "b\t").encode(),
    "x.arrow": arrow(pa.ipc.new_stream),
    "x.feather": arrow(pa.ipc.new_file),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_gives_the_same(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    items = load_items(str(tmp_path / name))
    assert items == [Item(f"{name}:{row['id']}", (row["text"],)) for row in ROWS]


def test_streams_one_after_the_other_are_all_read(tmp_path):
    (tmp_path / "x.arrow").write_bytes(FILES["x.arrow"] * 2)
    assert len(load_items(str(tmp_path / "x.arrow"))) == 4


@pytest.mark.parametrize("name, data, why", [
    ("x.txt", b"Some words.", ":1: Expecting value: line 1 column 1 (char 0) (JSON lines, JSON arrays, CSV, TSV, "
     "Parquet and Arrow can be read)"),
    ("x.csv", b"id,text\n1,a,b\n", ": row 1 has another number of fields than the header"),
    ("x.csv", b"text,n,text\na,b,c\n", ": the header has the field 'text' twice"),
    ("x.csv", b"text\n\xff\n", ": 'utf-8' codec can't decode byte 0xff in position 5: invalid start byte"),
    ("x.json", b"[1]", ": element 1 of the array is not a JSON object"),
])  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(tmp_path, name, data, why):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError) as error:
        load_items(str(tmp_path / name))
    assert str(error.value) == f"{tmp_path / name}{why}"


def test_prompts_that_lm_eval_has_written_out_are_read(tmp_path):
    """scripts/write_out.py: EXAMPLE_DIVIDER = "!!@@##@@!! -- Example {i}\\n", then the prompt and a line's end."""
    (tmp_path / "arc_easy").write_text(
        "!!@@##@@!! -- Example 0\nQuestion: One\n\nor two?\nAnswer:\n!!@@##@@!! -- Example 1\nThree\n"
    )
    (tmp_path / "notes").write_text("None.")
    (tmp_path / "x.jsonl").write_bytes(FILES["x.jsonl"])
    sources, unknown = evaluation_files.expand(str(tmp_path))
    assert unknown == [str(tmp_path / "notes")]
    items = load_items(sources[0].path)
    assert items == [
        Item("arc_easy:0", ("Question: One\n\nor two?\nAnswer:",)), Item("arc_easy:1", ("Three",))
    ]  # fmt: skip
    assert {item.set for item in items} == {"arc_easy"}


def test_of_a_folder_files_of_unknown_kind_are_left_out(tmp_path):
    (tmp_path / "README.md").write_text("# Quiz")
    step = decontaminate.Decontaminate(against=(str(tmp_path),))
    with pytest.raises(ValueError, match=r"README.md is not: JSON lines, .* can be read"):
        step.inputs()
    (tmp_path / "data.arrow").write_bytes(FILES["x.arrow"])
    (tmp_path / "state.json").write_text(json.dumps({"_split": "test"}, indent=2))
    assert step.inputs() == [str(tmp_path / "data.arrow")]
    assert evaluation_files.expand(str(tmp_path))[1] == [str(tmp_path / name) for name in ("README.md", "state.json")]
    with pytest.warns(UserWarning, match="left out, of unknown kind: .*README.md"):
        step.check()
    assert len(step.index().items) == 2


def test_without_an_item_a_set_is_refused(tmp_path):
    (tmp_path / "x.jsonl").write_text("\n")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="no evaluation item in .*x.jsonl, .*x.parquet"):
        decontaminate.Decontaminate(against=(str(tmp_path),)).check()
