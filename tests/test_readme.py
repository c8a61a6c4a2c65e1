"""What the README shows of Python runs as it stands."""

import pathlib
import re

import pyarrow as pa
import pyarrow.parquet as pq

README = (pathlib.Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
PASSAGE = "This passage is in two of the documents, word for word, and so it is found by all who look for passages. "
TEXTS = [
    PASSAGE + "It stands in front of the first text. One more sentence, and that was all there is of it to read.",
    "Another text altogether begins here. " + PASSAGE + "That was the passage. What follows is only in this one.",
    PASSAGE + "It stands in front of the first text. One more sentence, and that was all there is of it to read!",
    "A line.\n" * 20,
    "Too short.",
    "Who was it that wrote the book of the moon and the stars? It was somebody else. So they say. Who knows.",
]


def section(title):
    """The blocks of Python of a section."""
    text = re.search(rf"^## {title}\n(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)[1]
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def test_the_section_about_python_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    table = pa.table({"text": TEXTS})
    pq.write_table(table, tmp_path / "docs" / "a.parquet")
    names = {"table": table}
    exec(section("In Python"), names)
    assert names["found"].kept["id"].to_pylist() == ["0", "1", "2", "5"]
    assert sorted(names["found"].dropped["rule"].to_pylist()) == ["duplicate_lines", "too_few_words"]
    assert [(row["row"], row["by"]) for row in names["copies"].to_pylist()] == [(2, 0)]
    assert len(names["unique"]) == 5 and len(names["known"]) == 0
    assert [(row["row"], row["by"]) for row in names["passages"].to_pylist()][:2] == [(1, 0), (2, 0)]
    assert PASSAGE not in names["without"]["text"][1].as_py()
    assert [(row["row"], row["start"]) for row in names["spans"].to_pylist()] == [(5, 0)]
    assert names["encoder"].vocab_size == 300
    documents = names["result"].report["documents"]
    assert (documents["in"], documents["quarantined"]) == (6, 0) and documents["kept"] == 3
    assert names["batch"]["tokens"].shape == (4, 256)
