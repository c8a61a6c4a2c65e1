"""Input as people have it, through the command line: fields with other names, files of other kinds beside the data."""

import gzip
import json

import pyarrow.parquet as pq
import pytest
from commands import winnow

ROWS = [{"content": f"Some words of page {i}.", "key": f"k{i}", "data": {"url": f"http://e.x/{i}"}} for i in range(5)]


@pytest.fixture
def docs(tmp_path):
    path = tmp_path / "docs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


@pytest.mark.parametrize("command", [["dedup", "exact"], ["filter", "--step", "length"]])
def test_input_without_text_stops_before_work_and_the_remedy_works(tmp_path, docs, command):
    out = tmp_path / "out"
    said = winnow(*command, docs, out, "--workers", 0, check=2).stderr.splitlines()
    assert said[-1] == (
        f"winnow: the first records of {docs} have no field 'text'; they have content, key, data.url: "
        "say --text-field content (read.text_field in a recipe)"
    )
    assert not out.exists()
    flags = ["--text-field", "content", "--id-field", "key", "--url-field", "data.url"]
    winnow(*command, docs, out, *flags, "--workers", 0, check=0)
    assert pq.read_table(out / "documents").select(["id", "text", "url"]).to_pylist() == [
        {"id": row["key"], "text": row["content"], "url": row["data"]["url"]} for row in ROWS
    ]


def test_a_recipe_names_fields_and_flags_come_before_it(tmp_path, docs):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("read: {text_field: body, id_field: key}\nsteps: [length]\n")
    given = ["run", recipe, "--input", docs, "--output", tmp_path / "out", "--workers", 0]
    assert "no field 'body'" in winnow(*given, check=2).stderr
    winnow(*given, "--text-field", "content", "--set", "read.url_field=data.url", check=0)
    assert (tmp_path / "out" / "recipe.yaml").read_text().count("text_field: content\n  id_field: key\n") == 1


def test_a_name_that_is_yaml_is_a_name(tmp_path, docs):
    said = winnow("dedup", "exact", docs, tmp_path / "out", "--text-field", "true", check=2).stderr
    assert "no field 'true'" in said


def test_a_further_field_that_only_some_files_have_is_said_and_no_error(tmp_path, docs):
    (tmp_path / "more.jsonl").write_text('{"content": "Some words.", "lang": "en"}\n')
    flags = ["--text-field", "content", "--language-field", "lang", "--workers", 0]
    said = winnow("dedup", "exact", docs, tmp_path / "out", *flags, check=2).stderr
    assert f"read.language_field: the first records of {docs} have no field 'lang'; they have content" in said
    assert "say --language-field with one of these" in said and len(said.splitlines()) == 1
    said = winnow("dedup", "exact", tmp_path / "*.jsonl", tmp_path / "out", *flags, check=0).stderr
    assert f"read.language_field: the first records of {docs} have no field 'lang'; they have content" in said


def test_a_file_without_text_among_others_is_refused_before_work(tmp_path, docs):
    (tmp_path / "text.jsonl.gz").write_bytes(gzip.compress(b'{"text": "Some words."}\n' * 100))
    said = winnow("dedup", "exact", tmp_path, tmp_path / "out", "--workers", 0, check=2).stderr
    assert f"the first records of {docs} have no field 'text'; they have content, key, data.url: say" in said
    assert f"; {tmp_path}/text.jsonl.gz has it: name such files alone" in said and not (tmp_path / "out").exists()


def test_a_damaged_file_among_good_ones_is_quarantined_and_the_run_goes_on(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("bad.jsonl", "bad.jsonl.gz", "bad.parquet"):
        (docs / name).write_bytes(b"neither JSON, nor gzip, nor Parquet\n")
    (docs / "good.jsonl").write_text('{"text": "Some words."}\n' * 9)
    given = ["--workers", 0, "--set", "max_quarantined=1"]
    winnow("dedup", "exact", docs, tmp_path / "out", *given, check=0)
    counts = json.loads((tmp_path / "out" / "report.json").read_text())["documents"]
    assert (counts["kept"], counts["quarantined"]) == (1, 1)  # and two files, whose records cannot be counted
    (docs / "good.jsonl").unlink()
    said = winnow("dedup", "exact", docs, tmp_path / "out2", *given, check=2).stderr
    assert f"nothing can be read of {docs}/bad.jsonl, which was taken for jsonl" in said


def test_a_run_that_loses_too_much_says_why(tmp_path):
    lines = ['{"text": "Some words."}', *["no JSON"] * 3, *['{"n": 1}'] * 5]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    said = winnow("dedup", "exact", tmp_path / "x.jsonl", tmp_path / "out", "--workers", 0, check=1).stderr
    assert said.splitlines()[-1] == (
        "winnow: in quarantine are 5 records: read: no field 'text'; 3 records: read: not JSON: Expecting value at "
        f"character 0; more: winnow inspect {tmp_path}/out/quarantine"
    )


def test_another_corpus_that_loses_too_much_is_named_and_no_quarantine_that_is_not_there(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"text": "Some words."}\n')
    (tmp_path / "other.jsonl").write_text('{"text": "Some words."}\n' + "no JSON\n" * 3)
    given = ["--across", "other", "--against", tmp_path / "other.jsonl", "--workers", 0]
    said = winnow("dedup", "substring", tmp_path / "x.jsonl", tmp_path / "out", *given, check=1).stderr
    assert said.splitlines()[-1].startswith("winnow: this run is not proven: 75.0% of the records")


def test_inspect_takes_the_same_flags(tmp_path, docs):
    assert "say --text-field content" in winnow("inspect", docs, check=2).stderr
    said = winnow("inspect", docs, "--text-field", "content", "--documents", 1, check=0).stdout
    assert "Some words of page 0." in said and "page 1" not in said
    assert "unknown recipe key 'seed'" in winnow("inspect", docs, "--set", "seed=1", check=2).stderr


def test_test_sets_with_other_fields_are_refused_before_work_and_the_remedy_works(tmp_path, docs):
    question = "Some words of page 3. And more words that make it long enough to be looked for."
    docs.write_text(json.dumps({"text": question}) + "\n" + json.dumps({"text": "Nothing."}) + "\n")
    quiz, out = tmp_path / "quiz.jsonl", tmp_path / "out"
    quiz.write_text(json.dumps({"question": question, "answer": "C"}) + "\n")
    given = ["decontaminate", docs, out, "--against", quiz, "--workers", 0]
    assert winnow(*given, check=2).stderr.splitlines()[-1] == (
        f"winnow: step 'decontaminate': {quiz}: no record has text in field 'text'; the fields are question, answer: "
        "say --set 'decontaminate.fields=[question]', or [auto] for question, answer"
    )
    assert not out.exists()
    winnow(*given, "--set", "decontaminate.fields=[question]", check=0)
    assert pq.read_table(out / "documents")["text"].to_pylist() == ["Nothing."]


def test_files_of_unknown_kind_in_a_folder_are_left_out_and_named(tmp_path):
    folder, out = tmp_path / "docs", tmp_path / "docs" / "out"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jsonl").write_text('{"text": "Some words."}\n')
    for name in ("README.md", "more/logo.png"):
        (folder / name).write_bytes(b"\x89")
    said = f"left out: 2 files of unknown kind: {folder}/README.md, {folder}/more/logo.png (known: .warc,"
    for _ in range(2):  # the second finds the first one's report.html
        done = winnow("dedup", "exact", folder, out, "--workers", 0, check=0)
        assert said in done.stderr and said in done.stdout and "report.html, " not in done.stderr
    report = json.loads((out / "report.json").read_text())
    assert report["documents"]["in"] == 1 and report["notes"][0].startswith(said)
    assert f"{folder}/README.md" in (out / "report.html").read_text()
    assert said in winnow("inspect", out, check=0).stdout


def test_a_file_of_unknown_kind_that_is_named_is_an_error(tmp_path):
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("Some words.")
    out = tmp_path / "out"
    for given in (tmp_path / "a.md", tmp_path, tmp_path / "*.md"):
        said = winnow("dedup", "exact", given, out, "--workers", 0, check=2).stderr
        assert f"unknown kind of file: {tmp_path}/a.md (known: .warc," in said and not out.exists()
    winnow("dedup", "exact", tmp_path, out, "--set", "read.format=text", "--workers", 0, check=0)
    assert json.loads((out / "report.json").read_text())["documents"]["in"] == 2
