"""A user's own function as a filter."""

import custom_filters
import pyarrow as pa
import pytest

from corpus.cleaning.custom import Custom
from corpus.closure import Code

BATCH = pa.record_batch({"id": ["a", "b", "c"], "text": ["one", "two words", "three words here"]})


def test_a_function_of_a_text():
    outcome = Custom("custom_filters:has_space").apply(BATCH)
    assert outcome.kept["id"].to_pylist() == ["b", "c"]
    assert (outcome.rows.tolist(), outcome.rules) == ([0], ["rejected"])


def test_a_score_with_bounds_and_options():
    outcome = Custom("custom_filters:count", min=1, max=10, options={"letter": "e"}).apply(BATCH)
    assert outcome.kept["id"].to_pylist() == ["a", "c"]
    assert (outcome.rules, outcome.values, outcome.thresholds) == (["below_min"], ["0"], [">= 1"])
    tagged = Custom("custom_filters:count", mode="tag", options={"letter": "e"}).apply(BATCH).kept
    assert tagged["count.score"].to_pylist() == [1.0, 0.0, 4.0]


def test_a_function_of_a_column_gives_the_same():
    slow = Custom("custom_filters:has_space").apply(BATCH)
    fast = Custom("custom_filters:have_space", over="arrow").apply(BATCH)
    assert fast.kept.equals(slow.kept)


@pytest.mark.parametrize("function, words", [
    ("custom_filters", "is neither, and none is installed"),
    ("no_such_module:f", "there is no no_such_module.py in"),
    ("os:system", "only modules beside the recipe and entry points"),
    ("..oracles.custom_filters:count", "is named as module:name"),
    ("custom_filters:longr_than", "did you mean 'longer_than'?"),
])  # fmt: skip
def test_what_is_not_there_or_elsewhere_is_refused_without_importing_it(function, words):
    with pytest.raises(ValueError, match=words):
        Custom(function).check()


def test_a_module_that_is_gone_when_it_is_needed_is_an_import_that_fails(tmp_path, monkeypatch):
    (tmp_path / "gone.py").write_text("def long(text):\n    return True\n")
    monkeypatch.setenv("WINNOW_FILTERS", str(tmp_path))
    step = Custom("gone:long")
    step.check()
    (tmp_path / "gone.py").unlink()
    with pytest.raises(ImportError, match="cannot find gone:long: there is no gone.py"):
        step.apply(BATCH)


def test_nothing_is_imported_before_a_document_needs_it(tmp_path, monkeypatch):
    (tmp_path / "explosive.py").write_text("raise RuntimeError('imported')\ndef f(text):\n    return True\n")
    monkeypatch.setenv("WINNOW_FILTERS", str(tmp_path))
    stage = Custom("explosive:f", mode="tag")
    stage.check()
    assert stage.imports() == f"f from {tmp_path / 'explosive.py'}" and stage.code() == (
        Code("explosive", str(tmp_path)),
    )
    assert stage.apply(BATCH.slice(0, 0)).kept.schema.names == ["id", "text", "f.score"]
    with pytest.raises(
        ImportError, match=r"cannot import f from .*explosive.py: RuntimeError: imported \(explosive.py line 1\)"
    ):
        stage.apply(BATCH)


def test_a_name_that_python_has_is_refused(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("def loads(text):\n    return True\n")
    monkeypatch.setenv("WINNOW_FILTERS", str(tmp_path))
    with pytest.raises(ImportError, match="the name of module json is taken by"):
        Custom("json:loads").apply(BATCH)


def test_an_entry_point(monkeypatch):
    import importlib.metadata

    point = importlib.metadata.EntryPoint("spaces", "custom_filters:has_space", "winnow.filters")
    distribution = next(iter(importlib.metadata.distributions(name="pyarrow")))
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: [point._for(distribution)] * (group == "winnow.filters")
    )
    stage = Custom("spaces")
    assert stage.apply(BATCH).kept["id"].to_pylist() == ["b", "c"]
    assert stage.code() == (Code("custom_filters"),) and "of the package pyarrow" in stage.imports()
    with pytest.raises(ValueError, match="there are: spaces"):
        Custom("space").check()


TEXTS = ["fine", "raise", "none", "false", "nan", "exit", "string", "number", "list", "fine too"]


def test_documents_at_which_the_function_fails_are_set_aside_with_the_reason():
    batch = pa.record_batch({"id": [str(i) for i in range(len(TEXTS))], "text": TEXTS})
    outcome = Custom("custom_filters:hostile", min=0.5).apply(batch)
    assert outcome.kept["text"].to_pylist() == ["fine", "fine too"]
    assert [(TEXTS[row], rule, value) for row, rule, value in zip(outcome.rows, outcome.rules, outcome.values)] == [
        ("false", "rejected", "0"),
        ("number", "below_min", "0.25"),
    ]
    line = custom_filters.hostile.__code__.co_firstlineno + 3
    assert {TEXTS[row]: error for row, error in outcome.faulty.items()} == {
        "raise": f"custom_filters:hostile: KeyError: 'no such\\nkey' (custom_filters.py line {line})",
        "none": "custom_filters:hostile: TypeError: it returned NoneType and not a bool or a number",
        "nan": "custom_filters:hostile: ValueError: it returned nan",
        "exit": f"custom_filters:hostile: SystemExit: bye (custom_filters.py line {line + 2})",
        "string": "custom_filters:hostile: TypeError: it returned str and not a bool or a number",
        "list": "custom_filters:hostile: TypeError: it returned list and not a bool or a number",
    }


def test_what_becomes_of_a_document_does_not_depend_on_its_neighbours():
    batch = pa.record_batch({"id": [str(i) for i in range(len(TEXTS))], "text": TEXTS})
    for stage in (
        Custom("custom_filters:hostile", min=0.5),
        Custom("custom_filters:hostile_column", over="arrow", min=5),
    ):
        whole = stage.apply(batch)
        kept, dropped, faulty = [], [], {}
        for row in range(len(TEXTS)):
            alone = stage.apply(batch.slice(row, 1))
            kept += alone.kept["id"].to_pylist()
            dropped += [row for _ in alone.rows]
            faulty |= {row + number: error for number, error in alone.faulty.items()}
        assert (whole.kept["id"].to_pylist(), whole.rows.tolist(), whole.faulty) == (kept, dropped, faulty)
        assert len(kept) > 0 and len(dropped) > 0 and len(faulty) > 0


def test_a_column_with_too_few_answers_is_asked_row_by_row():
    batch = pa.record_batch({"id": ["a", "b", "c"], "text": ["short", "longer text", "text"]})
    outcome = Custom("custom_filters:hostile_column", over="arrow", min=5).apply(batch)
    assert outcome.kept["id"].to_pylist() == ["b"] and outcome.rows.tolist() == [2]
    assert list(outcome.faulty) == [0] and "0 answers for a column of one text" in outcome.faulty[0]


def test_no_exception_of_a_function_goes_through_and_each_can_be_shown():
    texts = ["base", "cancelled", "unsayable", "surrogate", "fine"]
    outcome = Custom("custom_filters:stubborn").apply(pa.record_batch({"text": texts}))
    assert outcome.kept.num_rows == 1 and list(outcome.faulty) == [0, 1, 2, 3]
    for row, words in enumerate(["BaseException: as such", "CancelledError", "its message cannot be shown", r"\udcff"]):
        assert words in outcome.faulty[row] and "custom_filters.py line" in outcome.faulty[row]
        outcome.faulty[row].encode()
    with pytest.raises(KeyboardInterrupt):
        Custom("custom_filters:stubborn").apply(pa.record_batch({"text": ["interrupt"]}))


def test_a_column_function_must_return_a_column():
    outcome = Custom("custom_filters:of_another_kind", over="arrow").apply(pa.record_batch({"text": ["a", "b"]}))
    assert list(outcome.faulty) == [0, 1] and "it returned dict and not a column" in outcome.faulty[0]
