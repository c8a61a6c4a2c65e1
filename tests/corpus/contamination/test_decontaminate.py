"""Loading evaluation files, saving the index, and decisions."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpus import documents
from corpus.contamination import decontaminate, index, scanner
from corpus.contamination.items import Item, load_files, load_items

NINE = "one two three four five six seven eight nine"


def write(path, records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return str(path)


def test_load_items(tmp_path):
    first = {"id": "x", "text": "t", "choices": ["a", "b", 3], "n": 1}
    records = [first, {"text": ["u"], "choices": None}]
    path = write(tmp_path / "set.jsonl", records)
    expected = [Item("set.jsonl:x", ("t",)), Item("set.jsonl:2", ("u",))]
    assert load_items(path) == expected
    assert load_items(path, ("choices", "text"))[0].texts == ("a", "b", "t")
    packed = tmp_path / "set.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "set.jsonl").read_bytes()))
    assert [i.name for i in load_items(str(packed))] == ["set.jsonl.gz:x", "set.jsonl.gz:2"]
    assert load_items(write(tmp_path / "empty.jsonl", [])) == []


def test_load_items_refuses_what_it_cannot_check(tmp_path):
    path = write(tmp_path / "set.jsonl", [{"text": "t"}])
    with pytest.raises(
        ValueError, match=r"field 'question'; the fields are text: say --set 'decontaminate.fields=\[text\]'"
    ):
        load_items(path, ("question",))
    (tmp_path / "bad.jsonl").write_text('{"text": "t"}\n\n{"text": \n')
    with pytest.raises(ValueError, match=r"bad.jsonl:3"):
        load_items(str(tmp_path / "bad.jsonl"))
    (tmp_path / "list.jsonl").write_text("[1]\n")
    with pytest.raises(ValueError, match="not a JSON object"):
        load_items(str(tmp_path / "list.jsonl"))


def test_every_file_has_some_field_and_every_field_is_in_some_file(tmp_path):
    quiz = write(tmp_path / "quiz.jsonl", [{"data": {"question": "What?", "answers": ["This.", "That."]}, "n": 1}])
    text = str(tmp_path / "text.parquet")
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["one", None]}), text)
    items = load_files([quiz, text], ("text", "data.answers"))
    assert [(item.name, item.texts) for item in items] == [
        ("quiz.jsonl:1", ("This.", "That.")), ("text.parquet:a", ("one",)), ("text.parquet:b", ()),
    ]  # fmt: skip
    with pytest.raises(ValueError) as error:
        load_files([text, quiz])
    assert str(error.value) == (
        f"{quiz}: no record has text in field 'text'; the fields are data.question, data.answers, n: "
        "say --set 'decontaminate.fields=[data.answers]', or [auto] for data.question, data.answers"
    )
    with pytest.raises(ValueError, match="no record has text in field 'data.answer'"):
        load_files([quiz, text], ("text", "data.question", "data.answer"))
    with pytest.raises(ValueError, match="fields are n: none of which is text"):
        load_items(write(tmp_path / "numbers.jsonl", [{"n": 1}]))


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl", "x.jsonl.gz", "x.jsonl.zst"])
def test_a_file_that_is_none_is_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff none\n" * 100)
    with pytest.raises(ValueError, match=name) as error:
        load_items(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_build_refuses_lengths():
    with pytest.raises(ValueError, match="between 1 and ngram"):
        index.build([], 7, 8)
    with pytest.raises(ValueError, match="between 1 and ngram"):
        index.build([], 7, 0)


def decide(texts, items, rule="any", min_overlap=0.7):
    built = index.build([Item(f"f:{i}", (t,)) for i, t in enumerate(items)], 3, 3)
    table = decontaminate.decisions(scanner.scan(pa.array(texts), built), built, rule, min_overlap)
    assert table.schema == documents.DECISION_SCHEMA
    return [(r["row"], r["reason"], r["by"], r["score"]) for r in table.to_pylist()]


def test_most_grams_decide_and_the_first_item_of_equals():
    items = ["a b c x", "a b c d e", "a b c d f", "a b c"]
    texts = ["a b c d", "nothing here at all", "a b c d f"]
    assert decide(texts, items) == [(0, "any", "f:1", 2 / 3), (2, "any", "f:2", 1.0)]


def test_overlap_looks_at_the_items_that_reach_it():
    items = ["a b c d e f g h", "a b c"]
    assert decide(["a b c d"], items, "any") == [(0, "any", "f:0", 2 / 6)]
    assert decide(["a b c d"], items, "overlap") == [(0, "overlap", "f:1", 1.0)]
    assert decide(["b c d e"], items, "overlap", 0.4) == []
    with pytest.raises(ValueError, match="any, overlap"):
        decide(["a"], [], "some")


def test_stage(tmp_path):
    write(tmp_path / "one.jsonl", [{"id": "q", "text": NINE}, {"id": "s", "text": "too short"}])
    step = decontaminate.Decontaminate((str(tmp_path / "*.jsonl"), str(tmp_path / "one.jsonl")))
    assert step.inputs() == [str(tmp_path / "one.jsonl")]
    assert step.index().not_checkable == ["one.jsonl:s"]
    batch = pa.record_batch({"id": ["1", "2"], "text": ["clean", "It is " + NINE.upper() + "!"]})
    (decision,) = step.decisions(batch).to_pylist()
    assert decision == {"row": 1, "action": "drop", "start": None, "end": None} | {
        "step": "decontaminate",
        "reason": "any",
        "by": "one.jsonl:q",
        "score": 1.0,
        "separator": None,
    }
    write(tmp_path / "one.jsonl", [{"id": "other", "text": "one two"}])  # the cache notices
    assert step.decisions(batch).num_rows == 0
    with pytest.raises(FileNotFoundError):
        decontaminate.Decontaminate((str(tmp_path / "absent.jsonl"),)).inputs()
