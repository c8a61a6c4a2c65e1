"""How much of a corpus is in another, against comparing all of one with all of the other."""

import json
import random

import pytest
from commands import winnow
from corpora import write_jsonl
from shingle_oracle import jaccard

from corpus.options import OptionError
from pipelines import NearDedup, NearOverlap, Recipe, run_recipe

DIVISIONS = [{"task_bytes": 1 << 20, "working_bytes": 1 << 20}, {"task_bytes": 2048, "working_bytes": 1 << 13}]
URLS = [None, "https://www.one.example/a", "http://b.one.example/c?d", "https://two.co.uk:80/e"]
DOMAINS = ["", "one.example", "one.example", "two.co.uk"]
SETTINGS = {"ngram": 2, "threshold": 0.6, "recall": 0.999999}


def documents(chance, name, template):
    """Documents of a few families, and of a template that fills buckets."""
    rows = []
    for number in range(120):
        if number % 2 and template:
            words = [*template, *(f"p{chance.randrange(40)}" for _ in range(chance.randrange(2, 45)))]
        else:
            family = random.Random(chance.randrange(150))
            words = [f"w{family.random():.3f}" for _ in range(family.randrange(2, 25))]
            words = [word if chance.random() > 0.08 else "x" for word in words]
        place = chance.randrange(len(URLS))
        row = {
            "id": f"{name}{number}",
            "text": " ".join(words),
            "source": f"s{chance.randrange(3)}",
            "url": URLS[place],
        }
        rows.append(({key: value for key, value in row.items() if value is not None}, DOMAINS[place]))
    return rows


def expected(rows, others, key):
    """{name: (documents, found, bytes, bytes found)} by what `key` says of (row, domain)."""
    counts = {}
    for row, domain in rows:
        found = any(jaccard(row["text"], other["text"], 2) >= 0.6 for other, _ in others)
        size = len(row["text"].encode())
        before = counts.get(key(row, domain), (0, 0, 0, 0))
        counts[key(row, domain)] = tuple(map(sum, zip(before, (1, found, size, size * found))))
    return counts


def counted(rows):
    return {row["name"]: (row["documents"], row["found"], row["bytes"], row["found_bytes"]) for row in rows}


@pytest.mark.parametrize("template", [[], [f"t{number}" for number in range(60)]])
@pytest.mark.parametrize("division", DIVISIONS)
def test_counts_are_those_of_comparing_all_with_all(tmp_path, division, template):
    chance = random.Random(1)
    rows, others = documents(chance, "a", template), documents(chance, "b", template)
    write_jsonl(tmp_path / "a.jsonl", [row for row, _ in rows])
    write_jsonl(tmp_path / "b.jsonl", [row for row, _ in others])
    step = NearOverlap(against=str(tmp_path / "b.jsonl"), **SETTINGS)
    result = run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[step], **division), str(tmp_path / "out"))
    figures = result.report["figures"]["near_overlap"]
    assert counted(figures["by_source"]) == expected(rows, others, lambda row, _: row["source"])
    assert counted(figures["by_domain"]) == expected(rows, others, lambda _, domain: domain)
    whole = expected(rows, others, lambda *_: "")[""]
    assert tuple(figures[name] for name in ("documents", "found", "bytes", "found_bytes")) == whole
    assert 10 < figures["found"] < 110 and figures["against"] == len(others)
    assert result.report["documents"]["kept"] == len(rows)


def test_an_index_is_another_corpus_whose_like_is_once_in_it(tmp_path):
    chance = random.Random(2)
    rows, others = documents(chance, "a", []), documents(chance, "b", [])
    write_jsonl(tmp_path / "a.jsonl", [row for row, _ in rows])
    write_jsonl(tmp_path / "b.jsonl", [row for row, _ in others])
    first = NearDedup(index=str(tmp_path / "index"), update=True, **SETTINGS)
    made = run_recipe(Recipe(input=str(tmp_path / "b.jsonl"), steps=[first]), str(tmp_path / "b"))
    step = NearOverlap(against=str(tmp_path / "index"), **SETTINGS)
    result = run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[step]), str(tmp_path / "out"))
    dropped = {row["id"] for row in dropped_of(tmp_path / "b")}
    kept = [(row, domain) for row, domain in others if row["id"] not in dropped]
    assert len(kept) == made.report["documents"]["kept"]
    figures = result.report["figures"]["near_overlap"]
    assert counted(figures["by_source"]) == expected(rows, kept, lambda row, _: row["source"])


def dropped_of(output):
    import pyarrow.parquet as pq

    return pq.read_table(output / "dropped").to_pylist()


def test_the_command_says_it(tmp_path):
    text = " ".join(f"word{number}" for number in range(30))
    write_jsonl(
        tmp_path / "a.jsonl", [{"id": "a1", "body": text, "url": "https://x.example/1"}, {"body": "something else"}]
    )
    (tmp_path / "b.jsonl").write_text(json.dumps({"body": text + " more"}) + "\nnot JSON\n")
    verb = ("dedup", "overlap", tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "out", "--text-field", "body")
    said = winnow(*verb, "--workers", 0, check=0).stdout
    assert "near_overlap: 1 of 2 documents (50.0%), 199 of 213 bytes of text have a near-duplicate among 1" in said
    assert "\n  domain x.example: 1 of 1 documents (100.0%), 199 of 199 bytes of text\n" in said
    figures = json.loads((tmp_path / "out" / "report.json").read_text())["figures"]["near_overlap"]
    assert figures["against_not_readable"] == 1
    assert "x.example" in (tmp_path / "out" / "report.html").read_text()
    winnow("verify", tmp_path / "out", check=0)
    assert "kept" in winnow("explain", tmp_path / "out", "a1", check=0).stdout
    assert "nothing to do" in winnow(*verb, "--workers", 0, check=0).stdout
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write('{"body": "something else"}\n')
    assert "2 of 2 documents" in winnow(*verb, "--workers", 0, "--replace", check=0).stdout


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(OptionError, match="needs the option against"):
        NearOverlap()
    with pytest.raises(OptionError, match="it drops nothing"):
        NearOverlap(against="b.jsonl", mode="components")
    write_jsonl(tmp_path / "a.jsonl", [{"text": "one"}])
    verb = ("dedup", "overlap", tmp_path / "a.jsonl", tmp_path / "none.jsonl", tmp_path / "out")
    assert "no such file or folder" in winnow(*verb, check=2).stderr


@pytest.mark.parametrize("ours, theirs", [([], ["one"]), (["one"], []), (["..."], ["..."]), (["one"], ["one"])])
def test_of_nothing_nothing_is_found(tmp_path, ours, theirs):
    for name, texts in (("a", ours), ("b", theirs)):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"text": text} for text in texts] or [{"text": ""}])
    step = NearOverlap(against=str(tmp_path / "b.jsonl"))
    result = run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[step]), str(tmp_path / "out"))
    figures = result.report["figures"]["near_overlap"]
    assert (figures["documents"], figures["found"]) == (len(ours), int(ours == theirs == ["one"]))
