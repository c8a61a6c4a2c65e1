"""What the README shows of Python, and its commands, run as they stand."""

import pathlib
import re
import shlex

import corpora
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from commands import winnow

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = {
    path: (ROOT / path).read_text(encoding="utf-8")
    for path in [
        *("README.md", "corpus/contamination/README.md", "corpus/dedup/README.md", "corpus/loader/README.md"),
        *("pipelines/CLUSTER.md", "corpus/io/README.md", "pipelines/ARITHMETIC.md", "tests/README.md"),
    ]
}
README, *_ = PAGES.values()
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
    """The blocks of Python of a section of the README."""
    return blocks(re.search(rf"^## {title}\n(.*?)(?=^## )", README, re.MULTILINE | re.DOTALL)[1])


def blocks(text):
    """Blocks of Python, one after the other."""
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


def test_the_section_about_near_duplicates_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    texts = [TEXTS[0] + f" {number // 7}" for number in range(101)] + TEXTS[3:]
    pq.write_table(pa.table({"text": texts}), tmp_path / "docs" / "a.parquet")
    winnow("dedup", "near", "docs", "OUT", "--workers", 0, check=0)
    names = {}
    exec(blocks(PAGES["corpus/dedup/README.md"]), names)
    assert len(names["large"]) == len(names["clusters"]) == 101 and names["large"]["size"].unique().to_pylist() == [101]
    columns = re.findall(r"^\| (`.*?) \|", PAGES["corpus/dedup/README.md"], re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(columns)) == [
        *("id", "url", "source", "cluster", "kept", "similarity", "size", "address")
    ]
    assert set(re.findall(r"`(\w+)`", " ".join(columns))) == set(names["clusters"].column_names)


def test_links_lead_somewhere():
    for path, text in PAGES.items():
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / path).parent.joinpath(link).is_file(), (path, link)
    assert {"pipelines/CLUSTER.md", "corpus/loader/README.md"} < set(re.findall(r"\]\(([^)#:]+)\)", README))
    assert PAGES.keys() <= {"README.md", *re.findall(r"\]\(([^)#:]+)\)", README)}


# ------------------------------------------------------------------ commands

ELSEWHERE = ("--address", "https://example.org/docs", "share_of_capitals", "--samples", "ACCOUNTS")
"""Commands for several machines, which tests/pipelines/engine/test_cluster.py has, for the web, which
tests/corpus/io/test_object_stores.py has, with a function of one's own, which tests/pipelines/test_run.py has, and for
what an evaluation or a training wrote: tests/pipelines/contamination and tests/corpus/loader/test_audit.py."""
PLACES = {
    "RECIPE": "mine.yaml", "OUT": "out", "ID": "m1", "NAME": "near_dedup", "FILE": "more.jsonl",
    "STEP/KEY": "00-read+length/00000",
}  # fmt: skip
"""What a reader puts in place of a word in capital letters."""


def commands():
    """Every command that the pages show, in order: those of its blocks without a language, and those within lines,
    which begin with `winnow` and a verb."""
    found = []
    text = re.sub(
        r"^## Coming from elsewhere\n.*?(?=^## )", "", "\n".join(PAGES.values()), flags=re.MULTILINE | re.DOTALL
    )  # names of verbs
    for block in re.finditer(r"^```(\w*)\n(.*?)^```|`((?:bin/)?winnow [a-z][^`]*)`", text, re.MULTILINE | re.DOTALL):
        lines = "" if block[1] else (block[2] or block[3]).replace("\\\n", " ")
        for line in lines.splitlines():
            command = " ".join(line.partition(" #")[0].split())
            if re.match(r"(bin/)?winnow [a-z]", command) and not any(each in command for each in ELSEWHERE):
                found.append(re.sub("|".join(PLACES), lambda match: PLACES[match[0]], command))
    return found


@pytest.mark.slow
def test_the_commands_run_in_order(tmp_path, object_store):
    """In a folder with an archive, documents and a recipe, as a reader has them."""
    shown = commands()
    assert len(shown) > 15 and "quickstart" in shown[0] and "s3://bucket/out" in " ".join(shown)
    rows = [{"id": f"m{i}", "text": text, "url": "https://example.org/page"} for i, text in enumerate(TEXTS)]
    corpora.write_jsonl(tmp_path / "more.jsonl", rows)
    for name in ("docs.jsonl.zst", "more.jsonl.zst"):
        (tmp_path / name).write_bytes(zstandard.compress((tmp_path / "more.jsonl").read_bytes()))
    with zstandard.open(tmp_path / "more.jsonl.zst", "ab") as file:
        file.write(b"no document\n")  # for there to be a quarantine
    (tmp_path / "page.txt").write_text(TEXTS[0])
    (tmp_path / "mine.yaml").write_text("steps: [length]\n")
    (tmp_path / "eval").mkdir()
    corpora.write_jsonl(tmp_path / "eval" / "set.jsonl", [{"question": TEXTS[0], "answer": TEXTS[1], "text": TEXTS[0]}])
    object_store.make_bucket("bucket")
    for command in shown:
        if "crawl/" in command and not (tmp_path / "crawl").exists():
            (tmp_path / "crawl").symlink_to(tmp_path / "winnow-quickstart" / "web")
            for file in (tmp_path / "crawl").glob("*.warc.gz"):
                object_store.put(f"bucket/crawl/{file.name}", file.read_bytes())
        if "https://example.org/page" in command:
            (page, *_) = pq.read_table(tmp_path / "winnow-quickstart" / "run" / "documents")["url"].to_pylist()
            command = command.replace("https://example.org/page", page)
        if "--document" in command:  # of a run that has tokens
            page = pq.read_table(tmp_path / "winnow-quickstart" / "run" / "documents")["id"][0].as_py()
            command = f"winnow inspect winnow-quickstart/run/tokens --document '{page}'"
        command = command.replace("export-tokens out", "export-tokens winnow-quickstart/run")  # as well
        command = command.replace("resize-tokenizer llama/", "resize-tokenizer winnow-quickstart/run/tokenizer")
        command = command.replace("docs/*.jsonl", "more.jsonl") if "resize-tokenizer" in command else command
        words = shlex.split(command)[1:]
        done = winnow(*words, cwd=tmp_path, check=0, **object_store.variables())
        assert done.stdout or done.stderr, command
