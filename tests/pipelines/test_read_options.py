"""Options of the step `read` through the command line: how HTML becomes text, and what is not UTF-8."""

import contextlib
import importlib.util
import json

import corpora
import pyarrow.parquet as pq
import pytest
import yaml
from commands import winnow

from pipelines import recipe as recipes
from pipelines import run as runs
from pipelines.accounts import NotProven


def outcome(output):
    """(report, rows of documents, dropped and quarantine) of a run."""
    report = json.loads((output / "report.json").read_text())
    count = report["documents"]
    assert count["in"] == count["kept"] + count["dropped"] + count["quarantined"]
    tables = [
        pq.read_table(output / folder).to_pylist()
        for folder in ("documents", "dropped", "quarantine")
        if (output / folder).exists()
    ]
    return report, tables


BROKEN = {
    "x.jsonl": b'{"id": "1", "text": "good"}\n{"id": "2", "text": "b\xffd"}\n{"id": "3", "text": "half \\ud83d"}\n'
    b'no json\n{"id": "5", "text": ""}\n',
    "y.txt": b"cut in a character \xe2\x82",
    "z.wet": corpora.warc_record("conversion", "http://e.x/1", b"in \xfcber", media_type="text/plain"),
}


@pytest.fixture
def broken(tmp_path):
    folder = tmp_path / "input"
    folder.mkdir()
    for name, data in BROKEN.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    "policy, kept, quarantined, counters, texts",
    [
        ("quarantine", 1, 5, {}, {"good"}),
        (
            "repair",
            5,
            1,
            {"repaired_utf8": 4},
            {"good", "b\ufffdd", "half \ufffd", "cut in a character \ufffd", "in \ufffdber"},
        ),
    ],
)
def test_counts_add_up_under_both_policies(tmp_path, broken, ray_workers, policy, kept, quarantined, counters, texts):
    settings = ["--set", f"read.invalid_utf8={policy}", "--set", "length.min_words=0"]
    done = winnow("filter", broken, tmp_path / "command", "--step", "length", *settings, "--workers", 0)
    assert done.returncode == (policy == "quarantine")  # more than half of the input
    assert ("quarantined, more than max_quarantined" in done.stderr) == (policy == "quarantine")
    recipe = recipes.load(str(tmp_path / "command" / "recipe.yaml"))
    with pytest.raises(NotProven) if policy == "quarantine" else contextlib.nullcontext():
        runs.run(recipe, str(tmp_path / "ray"), ray_workers)
    tables = []
    for output in (tmp_path / "command", tmp_path / "ray"):
        report, found = outcome(output)
        assert report["documents"] == {"in": 7, "kept": kept, "dropped": 1, "quarantined": quarantined}
        assert bool(report["problems"]) == (policy == "quarantine")
        assert report["steps"][0]["counters"] == counters
        assert {row["text"] for row in found[0]} == texts
        tables.append(found)
    assert tables[0] == tables[1]


def page(number):
    menu = "<nav><ul><li><a href='/'>Home</a></li><li><a href='/shop'>Shop</a></li></ul></nav>"
    article = "".join(f"<p>{corpora.sentence(number, i)} {corpora.sentence('same', 1)}</p>" for i in range(4))
    body = f"<html><head><title>Page</title></head><body>{menu}<main><article>{article}</article></main></body></html>"
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body.encode()


@pytest.mark.parametrize("extract, menus", [("resiliparse", True), ("resiliparse_main", False), ("trafilatura", False)])
def test_how_html_becomes_text(tmp_path, ray_workers, extract, menus):
    if extract == "trafilatura":
        pytest.importorskip("trafilatura", reason="trafilatura is not installed: pip install 'winnow[html]'")
    (tmp_path / "input").mkdir()
    for part in range(3):
        records = (corpora.warc_record("response", f"http://e.x/{i}", page(i)) for i in range(part * 8, part * 8 + 8))
        (tmp_path / "input" / f"{part}.warc").write_bytes(b"".join(records))
    recipe = tmp_path / "r.yaml"
    recipe.write_text(yaml.safe_dump({"read": {"extract": extract}, "task_bytes": 4096, "steps": ["length"]}))
    asked = ["--input", tmp_path / "input", "--output", tmp_path / "out-0", "--workers", 0]
    winnow("run", recipe, *asked, check=0)
    runs.run(recipes.load(str(recipe), input=[str(tmp_path / "input")]), str(tmp_path / "out-2"), ray_workers)
    report, tables = outcome(tmp_path / "out-0")
    assert report["problems"] == [] and outcome(tmp_path / "out-2")[1] == tables
    texts = [row["text"] for row in tables[0]]
    assert len(texts) == 24
    for text in texts:
        assert ("Shop" in text.split("\n")) == menus
        assert text.count("The ") >= 8
    assert yaml.safe_load((tmp_path / "out-0" / "recipe.yaml").read_text())["read"]["extract"] == extract


def test_an_extractor_that_is_not_installed_is_refused_before_work(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trafilatura" else find(name))
    (tmp_path / "x.jsonl").write_text(json.dumps({"text": "a"}))
    recipe = recipes.parse(
        {"input": str(tmp_path / "x.jsonl"), "read": {"extract": "trafilatura"}, "steps": ["length"]}
    )
    with pytest.raises(recipes.RecipeError) as error:
        runs.run(recipe, str(tmp_path / "out"))
    assert (
        str(error.value) == "read.extract 'trafilatura' needs the package trafilatura: "
        ".venv/bin/pip install '.[html]' in Winnow's folder"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("setting, near", [
    ("extract=trafilature", "trafilatura"), ("invalid_utf8=quarantined", "quarantine"),
    ("extrac=resiliparse", "extract"),
])  # fmt: skip
def test_wrong_names_are_refused_with_the_nearest(tmp_path, broken, setting, near):
    done = winnow("filter", broken, tmp_path / "out", "--step", "length", "--set", f"read.{setting}", check=2)
    assert f"did you mean {near!r}?" in done.stderr and not (tmp_path / "out").exists()
