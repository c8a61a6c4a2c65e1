"""What is said of a document in a run, and of names that no document can have."""

import json
import os
import shutil

import pytest
import typer

from pipelines import recipe
from pipelines.commands import looking
from pipelines.inspection import lookup
from pipelines.inspection.clean_work import clean_work
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
        looking.explain(**asked)
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
        looking.explain(where="recipe.yaml", **{"url": None, "input": None, **given})
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == f"winnow: {what} is not UTF-8, as all text in documents is\n"


def test_a_document_is_made_of_text_only():
    assert lookup.document_of("text", "http://u").to_pylist()[0]["url"] == "http://u"
    with pytest.raises(lookup.NotText, match="^the text is not UTF-8"):
        lookup.document_of(NO_TEXT)


WORDS = [f"w{i}" for i in range(30)]
NEAR = [
    {"id": "a", "text": " ".join(WORDS), "url": "http://a"},
    {"id": "other", "text": "header of all\nsomething else"},
    {"id": "b", "text": "header of all\n" + " ".join([*WORDS[:14], "\x1b[1m", *WORDS[15:], "more"]), "url": "http://b"},
    {"id": "c", "text": "\t".join(WORDS)},
    {"id": "d", "text": "今日は天気がとても良いので、散歩に行きました。公園には花がたくさん咲いていました。"},
    {"id": "e", "text": "今日は天気がとても良いので、散歩に行った。公園には花がたくさん咲いていました。"},
]


@pytest.fixture(scope="module")
def near(tmp_path_factory):
    """A run over near-duplicates, some of which another step has cut before."""
    place = tmp_path_factory.mktemp("near")
    (place / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in NEAR))
    steps = [
        {"line_dedup": {"min_sentences": 0}},
        {"near_dedup": {"threshold": 0.6, "ngram": 2, "recall": 1 - 1e-12}},
    ]
    given = recipe.parse({"input": [str(place / "x.jsonl")], "steps": steps})
    return run(given, str(place / "out")), str(place / "out")


def said(output, name, most=5):
    return [line.plain for line in explain(output, name, most) if ": near_dedup: " in line.plain]


def test_what_of_a_near_duplicate_differs(near):
    _, output = near
    assert said(output, "http://b") == [
        "b: near_dedup: near_duplicate: the other document is a",
        "b: near_dedup: …w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 [-w14-]"
        "{+\\x1b[1m+} w15 w16 w17 w18 w19 w20 w21 w22 w23 w24…",
        "b: near_dedup: … w20 w21 w22 w23 w24 w25 w26 w27 w28 w29{+ more+}",
        "b: near_dedup: one of 3 near-duplicates, of which a is kept; similarity 0.8438",
    ]
    assert said(output, "b", 1)[2] == "b: near_dedup: and 1 more differences"
    assert "c: near_dedup: the words are the same" in said(output, "c")
    assert said(output, "a") == said(output, "http://a")
    assert said(output, "a") == ["a: near_dedup: one of 3 near-duplicates, the one that is kept"]
    assert (
        "e: near_dedup: 今日は天気がとても良いので、散歩に行[-きまし-]{+っ+}た。公園には花がたくさん咲いていました。"
        in said(output, "e")
    )
    assert said(output, "other") == []


def test_the_report_shows_the_same_differences(near):
    result, _ = near
    clusters = result.report["clusters"]["near_dedup"]
    found = {each["id"]: each for cluster in clusters for each in cluster["dropped"]}
    assert set(found) == {"b", "c", "e"}
    assert found["b"]["text"].startswith("w0 w1") and not found["b"]["difference"]["more"]  # as the step saw it
    assert [(each["kept"], each["dropped"]) for each in found["b"]["difference"]["changes"]] == [
        ("w14", "\x1b[1m"), ("", " more"),
    ]  # fmt: skip
    assert found["c"]["difference"] == {"changes": [], "more": 0, "complete": True}
    assert [(each["kept"], each["dropped"]) for each in found["e"]["difference"]["changes"]] == [("きまし", "っ")]


def test_without_its_work_a_run_says_who_is_like_whom(near, tmp_path):
    _, output = near
    shutil.copytree(output, tmp_path / "out")
    clean_work(str(tmp_path / "out"), print)
    assert said(str(tmp_path / "out"), "b") == [
        "b: near_dedup: one of 3 near-duplicates, of which a is kept; similarity 0.8438"
    ]
