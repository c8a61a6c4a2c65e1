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


def test_texts_within_lists_and_objects_are_all_taken(tmp_path):
    record = {
        "question": {"stem": "s", "choices": [{"text": "a", "label": "A"}, {"text": ["b", ["c"]]}]},
        "prompt": [{"role": "user", "content": "d"}, "e", 1, None, {"label": "no"}],
    }
    path = write(tmp_path / "name=eq[1].jsonl", [record])
    for fields in (("auto",), (" question.stem", "question.choices ", "prompt"),
                   ("name=eq[1].jsonl=question.stem, question.choices,prompt",)):  # fmt: skip
        assert sorted(load_items(path, fields)[0].texts) == ["a", "b", "c", "d", "e", "s"]


def test_files_of_one_name_in_different_folders_are_different_sets(tmp_path):
    names = ["a/test.jsonl", "b/test.jsonl", "c/b/test.jsonl", "quiz/test-00000-of-00002.jsonl",
             "quiz/test-00001-of-00002.jsonl", "other.jsonl"]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    files = [write(tmp_path / name, [{"id": "x", "text": "t"}]) for name in names]
    items = load_files(files)
    assert [item.set for item in items] == ["a/test", f"{tmp_path.name}/b/test", "c/b/test", "quiz", "quiz", "other"]
    assert [item.name for item in items] == [
        "a/test.jsonl:x", f"{tmp_path.name}/b/test.jsonl:x", "c/b/test.jsonl:x",
        "test-00000-of-00002.jsonl:x", "test-00001-of-00002.jsonl:x", "other.jsonl:x",
    ]  # fmt: skip
    (alone,) = load_items(files[0])
    assert (alone.set, alone.name) == ("test", "test.jsonl:x")


def test_samples_of_several_models_are_one_set_and_an_item_is_there_once(tmp_path):
    files = []
    for model in ("m1", "m2"):
        (tmp_path / model).mkdir()
        sample = {"doc_id": 0, "doc": {"question": NINE}, "doc_hash": "h", "resps": model}
        files.append(write(tmp_path / model / f"samples_quiz_2024-05-01T10-00-0{model[1]}.1.jsonl", [sample]))
    (item,) = load_files(files, ("question",))
    assert (item.set, item.texts) == ("quiz", (NINE,))


def test_half_a_surrogate_pair_is_replaced_with_a_warning(tmp_path):
    path = tmp_path / "x.jsonl"
    first = {"id": "\udc00", "text": NINE + " \ud800 \U0001f600"}
    path.write_text(f'{json.dumps(first)}\n{{"id": "b", "text": "ten"}}\n')
    with pytest.warns(UserWarning, match=r"x.jsonl: record 1 has half a surrogate pair"):
        items = load_items(str(path))
    assert [(item.name, item.texts) for item in items] == [
        ("x.jsonl:\ufffd", (NINE + " \ufffd \U0001f600",)), ("x.jsonl:b", ("ten",))
    ]  # fmt: skip
    assert scanner.scan(pa.array([NINE]), index.build(items, 9, 8)).num_rows == 1


@pytest.mark.parametrize(
    "fields, why",
    [
        (("a.jsonl=", "text"), "'a.jsonl=' names no field; say a.jsonl=question,answer"),
        (("a.jsonl=,", "text"), "'a.jsonl=,' names no field"),
        ((" ",), "' ' names no field; say quiz.jsonl=question,answer"),
        (("c*.jsonl=text", "text"), r"'c\*.jsonl' is the name of no evaluation file; they are a.jsonl, b.jsonl"),
        (("a.jsonl=text,other", "text"), "a.jsonl: no record has text in field 'other'; the fields are text:"),
        (("a.jsonl=other,text", "b.jsonl=text,other"), "a.jsonl: no record has text in field 'other'"),
        (("auto", "othr"), "no record has text in field 'othr'"),
    ],
)
def test_fields_that_name_nothing_are_refused(tmp_path, fields, why):
    a, b = write(tmp_path / "a.jsonl", [{"text": "t"}]), write(tmp_path / "b.jsonl", [{"text": "t", "other": "o"}])
    with pytest.raises(ValueError, match=why):
        load_files([a, b], fields)
    assert [item.texts for item in load_files([a, b], ("b.jsonl=other", "text"))] == [("t",), ("o",)]


@pytest.mark.parametrize("ngram, min_words, expected", [(5, None, 5), (20, None, 8), (None, None, 8), (5, 3, 3)])
def test_shorter_grams_make_shorter_items(ngram, min_words, expected):
    step = decontaminate.Decontaminate(("x",), ngram=ngram, min_words=min_words)
    step.refuse()
    assert step.scan_of_documents[1:3] == (ngram or 13, expected)


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
