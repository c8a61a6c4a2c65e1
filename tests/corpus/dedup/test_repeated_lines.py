"""Line deduplication against the rule of c4_utils.remove_duplicate_text in plain Python."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines_oracle import md5, reference

from corpus.dedup import pieces, repeated_lines
from corpus.dedup.exact import partition_of
from corpus.documents import DECISION_SCHEMA, address


def count_stops(text):
    return text.count(".")


def count_column(column):
    return np.array([count_stops(value.as_py() or "") for value in column])


def batch_of(pages):
    ids = [f"id{i}" for i in range(len(pages))]
    columns = {"id": ids, "text": list(pages.values()), "url": list(pages)}
    return pa.record_batch({name: pa.array(column, pa.string()) for name, column in columns.items()})


def join(parts):
    return type(parts[0])(*[np.concatenate(columns) for columns in zip(*parts)])


def run(batches, min_sentences=3, partitions=3):
    """The whole exchange: decisions of each batch, which is shard number i."""
    addresses = [address(i, np.arange(len(b))) for i, b in enumerate(batches)]
    # Batches in reverse: what is decided must not depend on the order of arrival.
    found = join([repeated_lines.line_keys(b, a) for b, a in zip(batches[::-1], addresses[::-1])])
    parts = partition_of(found.keys, partitions)
    repeats = [pieces.repeated(pieces.Pieces(*[c[parts == p] for c in found]), False) for p in range(partitions)]
    repeats = pieces.sort(join(repeats))
    return [repeated_lines.decisions(b, a, repeats, count_column, min_sentences) for b, a in zip(batches, addresses)]


def apply(batch, decisions):
    """Texts after the decisions, or the reason to drop them."""
    results = [value.as_py() or "" for value in batch.column("text")]
    data = [text.encode() for text in results]
    cuts = {}
    for decision in decisions.to_pylist():
        if decision["action"] == "drop":
            results[decision["row"]] = (decision["reason"],)
        else:
            cuts.setdefault(decision["row"], []).append((decision["start"], decision["end"]))
    for row, ranges in cuts.items():
        assert ranges == sorted(ranges) and all(a[1] <= b[0] for a, b in zip(ranges, ranges[1:]))
        left = bytearray(data[row])
        for start, end in reversed(ranges):
            del left[start:end]
        results[row] = left.decode()
    return results


def test_lines_and_ranks():
    batch = batch_of({"http://a": "One.\n  oNE. \n\nTwo", "http://b": ""})
    found = repeated_lines.line_keys(batch, np.array([7, 9]))
    assert found.addresses.tolist() == [7, 7, 7, 7, 9]
    assert list(zip(found.starts.tolist(), found.ends.tolist())) == [(0, 4), (5, 12), (13, 13), (14, 17), (0, 0)]
    assert (found.keys[0] == found.keys[1]).all() and (found.keys[2] == found.keys[4]).all()
    assert len(np.unique(found.keys, axis=0)) == 3
    assert f"{found.ranks[0, 0]:016x}{found.ranks[0, 1]:016x}" == md5("http://a")


def test_page_without_url_goes_by_its_id():
    batch = pa.record_batch({"id": ["x", "y"], "text": ["a", "b"], "url": pa.array([None, ""], pa.string())})
    ranks = repeated_lines.line_keys(batch, np.arange(2)).ranks
    assert [f"{a:016x}{b:016x}" for a, b in ranks] == [md5("x"), md5("y")]
    assert (repeated_lines.line_keys(batch.select(["id", "text"]), np.arange(2)).ranks == ranks).all()


def test_smallest_md5_owns_the_line_wherever_it_stands():
    names = sorted((f"http://site{i}.org/" for i in range(4)), key=md5)
    shared = "This line is on all four pages. Really. All four."
    pages = {name: f"{shared}\nMine: {name}. One. Two." for name in (names[2], names[3], names[0], names[1])}
    batch = batch_of(pages)
    [decisions] = run([batch])
    results = apply(batch, decisions)
    assert [shared in text for text in results] == [False, False, True, False]
    assert decisions.schema == DECISION_SCHEMA
    assert decisions.to_pylist()[0] == {
        "row": 0, "action": "cut", "start": 0, "end": len(shared) + 1, "step": "lines",
        "reason": "global_duplicate", "by": "0:2", "score": None, "separator": None,
    }  # fmt: skip


def test_repeated_line_stays_once_and_says_so():
    batch = batch_of({"u": "A. B.\nC.\n a. b.\nD."})
    [decisions] = run([batch])
    assert apply(batch, decisions) == ["A. B.\nC.\nD."]
    assert decisions.column("reason").to_pylist() == ["local_duplicate"]
    assert decisions.column("by").to_pylist() == ["0:0"]


def test_dropped_pages():
    first, second = sorted(["u", "v"], key=md5)
    batch = batch_of({first: "A. B. C.", second: "a. b. c.", "w": "Short.", "x": "\n"})
    [decisions] = run([batch])
    assert apply(batch, decisions) == ["A. B. C.", ("empty",), ("too_few_sentences",), ("empty",)]
    assert decisions.column("score").to_pylist() == [0.0, 1.0, 0.0]
    assert decisions.column("by").to_pylist() == ["0:0", None, "0:3"]
    [decisions] = run([batch], min_sentences=0)
    assert apply(batch, decisions) == ["A. B. C.", ("empty",), "Short.", ("empty",)]


def test_one_url_twice_is_decided_in_corpus_order():
    batch = pa.record_batch({"id": ["b", "a"], "text": ["A. B. C.", "A. B. C."], "url": ["u", "u"]})
    [decisions] = run([batch])
    assert apply(batch, decisions) == ["A. B. C.", ("empty",)]


def test_empty_batch():
    [decisions] = run([batch_of({})])
    assert decisions.num_rows == 0 and decisions.schema == DECISION_SCHEMA


LINES = [
    "",
    " ",
    "A.",
    "a.",
    " A.\u3000",
    "B.",
    "B. B.",
    "\u00c9.",
    "\u00e9.",
    "ΑΣ",
    "ας",
    "ασ",
    "İ.",
    "😀",
    "x\r",
    "x",
]
PAGES = st.dictionaries(
    st.sampled_from([f"http://site{i}.org" for i in range(8)]),
    st.lists(st.sampled_from(LINES), max_size=6).map("\n".join),
    max_size=8,
)


@settings(deadline=None, max_examples=150)
@given(PAGES, st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))
def test_equals_the_reference(pages, min_sentences, batch_size, partitions):
    names = list(pages)
    parts = [names[i : i + batch_size] for i in range(0, len(names), batch_size)] or [[]]
    batches = [batch_of({name: pages[name] for name in part}) for part in parts]
    results = {}
    for part, batch, decisions in zip(parts, batches, run(batches, min_sentences, partitions)):
        rows = decisions.column("row").to_pylist()
        assert rows == sorted(rows)
        results |= dict(zip(part, apply(batch, decisions)))
    assert results == reference(pages, count_stops, min_sentences)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_and_nulls(kind):
    batch = pa.record_batch(
        {
            "id": ["p", "q", "r", "s"],
            "text": pa.array(["x. y. z.", None, "x. y. z.\nnew. new. new.", "end. end. end."], kind),
            "url": ["u", "v", "w", "x"],
        }
    )
    pages = {"v": "", "w": "x. y. z.\nnew. new. new.", "x": "end. end. end."}
    part = batch.slice(1)
    [decisions] = run([part])
    assert apply(part, decisions) == list(reference(pages, count_stops, 3).values())
