"""The archive that the quickstart makes is one that readers read."""

import importlib.util
import json
import os

import pytest
from commands import winnow

from corpus.io import paths
from corpus.reading import readers
from pipelines import quickstart
from pipelines import recipe as recipes
from pipelines import run as runs


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web")
    patch = pytest.MonkeyPatch()
    patch.setattr(quickstart, "_module_names", lambda: ["json", "textwrap", "no_such_module", "statistics"])
    counts = quickstart.write_archive(str(folder))
    patch.undo()
    return folder, counts


def test_every_page_comes_back(archive):
    folder, counts = archive
    options = readers.ReadOptions()
    units = readers.split(paths.expand(str(folder / "*.warc.gz")), options)
    assert len(units) == quickstart.PARTS
    readings = [reading for unit in units for reading in readers.read(unit, options)]
    assert not any(reading.quarantined for reading in readings)
    found = sum(reading.documents.num_rows + len(reading.dropped) for reading in readings)
    assert found == counts["pages"] > 20
    assert sum(reading.skipped.get("warcinfo", 0) for reading in readings) == quickstart.PARTS
    texts = {d["url"]: d["text"] for reading in readings for d in reading.documents.to_pylist()}
    assert "JavaScript Object Notation" in texts["https://python-docs.invalid/json.html"]
    assert any("statistics" in url for url in texts)
    assert not any("no_such_module" in url for url in texts)


def test_evaluation_items_stand_in_the_pages(archive):
    folder, counts = archive
    items = [json.loads(line) for line in (folder / "evaluation.jsonl").read_text().splitlines()]
    assert len(items) == counts["evaluation items"]
    assert all(len(item["text"].split()) >= 14 for item in items)


def test_what_is_in_the_way_of_the_archive_stays(tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "documentation-0.warc.gz").write_text("mine")
    with pytest.raises(FileExistsError, match="web is in the way"):
        quickstart.main(str(tmp_path), 0, False, None)
    assert os.listdir(tmp_path) == ["web"] and (tmp_path / "web" / "documentation-0.warc.gz").read_text() == "mine"


def test_a_model_that_is_none_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    said = winnow("quickstart", "--output", tmp_path / "quick", "--train", "brt", check=2).stderr
    assert "unknown model 'brt' in --train; did you mean 'bert'?" in said and os.listdir(tmp_path) == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"--train t5 needs torch: .venv/bin/pip install '.\[torch\]'"):
        quickstart.check_model("t5")


@pytest.mark.parametrize("model", quickstart.TRAINED)
def test_training_goes_by_the_recipe_of_the_model_s_paper(model, tmp_path, capsys):
    """On the documents of a run, which here are no documentation; what it says, and where it goes on."""
    pytest.importorskip("torch")
    texts = [f"Number {number} is {number * 7919 % 1000} behind {number * 104729 % 977}. " * 4 for number in range(60)]
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps({"id": t, "text": t}) for t in texts))
    runs.run(recipes.parse({"input": [str(tmp_path / "texts.jsonl")], "steps": ["exact_dedup"]}), str(tmp_path / "run"))
    small = {"gpt": 400, "bert": 1200, "t5": 28}[model]

    def execute(recipe, output, workers, *, replace):
        document = recipes.read_yaml(recipes.dump(recipe))
        assert document["stream"]["global_batch"] == quickstart.ROWS and replace is False
        recipes.override(document, f"train_tokenizer.vocab_size={small}")
        recipes.override(document, "stream.global_batch=2")
        runs.run(recipes.parse(document), output, workers)

    quickstart.train(str(tmp_path), model, 10, 0, False, execute)
    said = capsys.readouterr().out
    assert f"by the recipe {quickstart.TRAINED[model][0]}" in said and "step 10 of 10: loss" in said
    quickstart.train(str(tmp_path), model, 12, 0, False, execute)
    assert "going on behind step 10" in capsys.readouterr().out and os.path.exists(tmp_path / f"{model}.pt")
