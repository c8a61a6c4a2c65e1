"""Filters over a table at hand give what the same filters give in a run."""

import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from lying_steps import FailsTogether, Liar

from corpus.cleaning.c4 import C4
from corpus.cleaning.gopher_quality import GopherQuality
from corpus.cleaning.gopher_repetition import GopherRepetition
from corpus.cleaning.length import Length
from corpus.documents import DROPPED_SCHEMA
from corpus.filtering import apply_filters, keeps_what_it_says
from corpus.step import Filter, Outcome
from pipelines import NearDedup, Recipe, run_recipe

PROSE = "The cat that sat on the mat was here with me. It would have been better to be there! Was it so, then?"
TEXTS = [
    PROSE,
    "short",
    PROSE + "\n" + PROSE,
    "Lorem ipsum dolor sit amet, it said. One. Two. Three.",
    "",
    "a line\n" * 9,
]
CHAIN = [
    Length(min_characters=1), C4(), Length(max_characters=150), GopherQuality(mode="tag"), GopherRepetition(mode="tag"),
]  # fmt: skip


def test_a_table_is_filtered_as_in_a_run(tmp_path):
    rows = [{"id": f"d{i}", "text": text, "url": f"http://x.example/{i}"} for i, text in enumerate(TEXTS)]
    found = apply_filters(rows, CHAIN)
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows if row["text"]))
    result = run_recipe(Recipe(input=str(tmp_path / "in.jsonl"), steps=CHAIN), str(tmp_path / "out"))
    kept = pq.read_table(tmp_path / "out" / "documents")
    assert found.kept.to_pylist() == kept.select(found.kept.column_names).to_pylist() and len(kept) == 1
    dropped = pq.read_table(tmp_path / "out" / "dropped").to_pylist()
    assert found.dropped.schema == DROPPED_SCHEMA
    ours = [row for row in found.dropped.to_pylist() if row["id"] != "d4"]
    assert sorted(ours, key=str) == sorted(dropped, key=str) and len(ours) == 4
    assert {(row["id"], row["step"]) for row in found.dropped.to_pylist()} == {
        ("d1", "c4"), ("d2", "length-2"), ("d3", "c4"), ("d4", "length"), ("d5", "c4"),
    }  # fmt: skip
    counted = {step["name"]: step["counters"] for step in result.report["steps"]}
    assert found.counters == {name: counted[name] for name in found.counters}
    assert "gopher_repetition.top_2_gram" in " ".join(found.kept.column_names)


@dataclasses.dataclass(frozen=True)
class Fails(Filter):
    """Fails at what holds an x."""

    name = "fails"

    def apply(self, batch):
        bad = pc.match_substring(batch["text"], "x").to_numpy(zero_copy_only=False)
        faulty = {int(row): "an x" for row in np.flatnonzero(bad)}
        return Outcome(batch.filter(pa.array(~bad)), faulty=faulty)


def test_one_filter_over_chunks_with_what_it_fails_at():
    found = apply_filters(pa.chunked_array([["a", "x"], ["bx", "b"]]), Fails())
    assert found.kept.to_pydict() == {"id": ["0", "3"], "text": ["a", "b"]}
    assert found.faulty.to_pylist() == [
        {"id": "1", "step": "fails", "error": "an x"}, {"id": "2", "step": "fails", "error": "an x"},
    ]  # fmt: skip
    assert len(found.dropped) == 0


@pytest.mark.parametrize("texts", [[], ["", "short"]])
def test_the_columns_are_there_when_nothing_is_left(texts):
    found = apply_filters(texts, [C4(), GopherQuality(mode="tag")])
    assert len(found.kept) == 0 and "gopher_quality.words" in found.kept.column_names
    assert len(found.dropped) == len(texts)


def test_what_is_no_filter_is_refused():
    for given in ("length", ["length"], Length, None, NearDedup()):
        with pytest.raises(TypeError, match="a filter is an object such as"):
            apply_filters(["a"], given)
    with pytest.raises(ValueError, match="liar kept other documents than it says, at 2 documents, '0' to '1'"):
        apply_filters(["a", "b"], Liar(lie="loses a row"))
    with pytest.raises(ArithmeticError) as raised:
        apply_filters(["a", "b"], FailsTogether())
    assert raised.value.__notes__ == ["at 2 documents, '0' to '1'"]


def test_a_filter_that_lies_is_seen():
    batch = pa.RecordBatch.from_pydict({"id": ["a", "b"], "text": ["", ""]})
    assert keeps_what_it_says(batch, Outcome(batch.slice(1), np.array([0])))
    assert not keeps_what_it_says(batch, Outcome(batch.slice(1), np.array([1])))
    assert not keeps_what_it_says(batch, Outcome(batch.slice(1)))
