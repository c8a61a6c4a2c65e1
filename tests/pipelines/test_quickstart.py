"""The archive that the quickstart makes is one that readers read."""

import json
import os

import pytest

from corpus.io import paths
from corpus.reading import readers
from pipelines import quickstart


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
