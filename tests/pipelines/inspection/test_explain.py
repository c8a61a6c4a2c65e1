"""What is said of a document in a run, and of names that no document can have."""

import os

import pytest
import typer

from pipelines import cli, recipe
from pipelines.inspection import lookup
from pipelines.inspection.explain import explain
from pipelines.run import run

NO_TEXT = os.fsdecode(b"doc-\xff")
"""What a command line makes of bytes that are no UTF-8."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run over two documents, one of which is too short."""
    place = tmp_path_factory.mktemp("explained")
    (place / "x.jsonl").write_text('{"id": "é", "text": "long enough"}\n{"id": "b", "url": "http://b", "text": "b"}\n')
    steps = [{"length": {"min_characters": 5}}]
    run(recipe.parse({"input": [str(place / "x.jsonl")], "steps": steps}), str(place / "out"))
    return place


def test_a_document_is_found_by_its_id_or_its_url(folder):
    (kept,) = explain(str(folder / "out"), "é", 5)
    assert kept.plain.startswith("é: kept, in ") and kept.plain.endswith(".parquet: long enough")
    for name in ("b", "http://b"):
        (dropped,) = explain(str(folder / "out"), name, 5)
        assert dropped.plain == "b: dropped by length, rule too_few_characters: 1 (threshold 5): b"
    assert explain(str(folder / "out"), "nobody", 5) == []


def test_a_name_that_is_no_text_is_said(folder, capsys):
    asked = {"where": str(folder / "out"), "document": NO_TEXT}
    with pytest.raises(typer.Exit) as ended:
        cli.explain(**asked)
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == (
        "winnow: the id or URL 'doc-\\udcff' is not UTF-8, as all text in documents is\n"
    )


@pytest.mark.parametrize(
    "given, what",
    [
        ({"document": NO_TEXT, "input": ["x.jsonl"]}, "the id or URL 'doc-\\udcff'"),
        ({"document": "x.jsonl", "url": NO_TEXT}, "the URL 'doc-\\udcff'"),
    ],
)
def test_a_name_that_is_no_text_is_said_where_a_recipe_is_explained(folder, monkeypatch, capsys, given, what):
    monkeypatch.chdir(folder)
    (folder / "recipe.yaml").write_text("steps: [length]")
    with pytest.raises(typer.Exit) as ended:
        cli.explain(where="recipe.yaml", **{"url": None, "input": None, **given})
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == f"winnow: {what} is not UTF-8, as all text in documents is\n"


def test_a_document_is_made_of_text_only():
    assert lookup.document_of("text", "http://u").to_pylist()[0]["url"] == "http://u"
    with pytest.raises(lookup.NotText, match="^the text is not UTF-8"):
        lookup.document_of(NO_TEXT)
