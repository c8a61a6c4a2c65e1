"""How much of a corpus is in another, against comparing all of one with all of the other."""

import functools
import gzip
import json
import random

import pyarrow as pa
import pytest
from commands import winnow
from corpora import write_jsonl
from shingle_oracle import jaccard

from corpus.options import OptionError
from pipelines import NearDedup, NearOverlap, Recipe, RecipeError, run_recipe
from pipelines.accounts import NotProven
from pipelines.engine import TaskFailed
from pipelines.recipe import load

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


PRESETS = ["fineweb", "lee2021", "refinedweb", "slimpajama", "bigcode", "text_dedup", "gopher"]


@pytest.mark.parametrize("name", PRESETS)
def test_an_index_of_a_preset_is_compared_with_by_that_preset(tmp_path, name):
    step = {"preset": name} if name not in ("lee2021", "refinedweb") else {"preset": name, **FEWER}
    rows = [{"id": f"a{number}", "text": text} for number, text in enumerate(texts_of(6))]
    write_jsonl(tmp_path / "a.jsonl", rows)
    write_jsonl(tmp_path / "b.jsonl", [*rows[:2], {"id": "n", "text": " ".join(f"n{i}" for i in range(60))}])
    made = NearDedup(index=str(tmp_path / "index"), update=True, **step)
    run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[made]), str(tmp_path / "a"))
    found = []
    for against in ("index", "a.jsonl"):
        overlap = NearOverlap(against=str(tmp_path / against), **step)
        result = run_recipe(Recipe(input=str(tmp_path / "b.jsonl"), steps=[overlap]), str(tmp_path / f"of-{against}"))
        found.append([result.report["figures"]["near_overlap"][each] for each in ("documents", "found", "against")])
    assert found == [[3, 2, 6], [3, 2, 6]]
    run_recipe(load(str(tmp_path / "of-index" / "recipe.yaml")), str(tmp_path / "of-index"))


LETTERS = "bcdfghjklmnpqrstvwxz"
FEWER = {"permutations": 90, "bands": 18, "rows": 5}


def texts_of(count):
    """Of words that no normalisation makes the same."""
    return [" ".join(f"{LETTERS[i]}{LETTERS[j // 20]}{LETTERS[j % 20]}" for j in range(60)) for i in range(count)]


def test_without_verification_only_what_shares_a_bucket_with_the_other_corpus_is_found(tmp_path):
    """And not what is joined to it by a document of one's own, as a component is."""
    chance = random.Random(3)
    known = texts_of(12)
    ours = [mixed(text, chance, share) for text in known for share in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)]
    write_jsonl(tmp_path / "a.jsonl", [{"id": f"a{number}", "text": text} for number, text in enumerate(ours)])
    write_jsonl(tmp_path / "b.jsonl", [{"text": text} for text in known])
    options = {"ngram": 1, "permutations": 80, "bands": 20, "rows": 4, "verification": "none"}
    made = NearDedup(index=str(tmp_path / "index"), update=True, mode="components", **options)
    run_recipe(Recipe(input=str(tmp_path / "b.jsonl"), steps=[made]), str(tmp_path / "b"))
    step = NearOverlap(against=str(tmp_path / "index"), **options)
    result = run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[step]), str(tmp_path / "out"))
    keys = [set(made.sign(pa.array(texts)).keys.ravel().tolist()) for texts in ([text] for text in ours)]
    theirs = set(made.sign(pa.array(known)).keys.ravel().tolist())
    expected = sum(bool(of_one & theirs) for of_one in keys)
    assert result.report["figures"]["near_overlap"]["found"] == expected and 24 < expected < 72
    apart = [number for number, of_one in enumerate(keys) if not of_one & theirs]
    assert any(keys[number] & keys[other] for number in apart for other in range(len(keys)) if other not in apart)


def mixed(text, chance, share):
    return " ".join(word if chance.random() >= share else f"x{chance.randrange(10**6)}" for word in text.split())


@pytest.mark.parametrize("found_out", ["garbage", "torn", "lines", "field"])
def test_another_corpus_that_cannot_be_read_is_no_overlap_of_nothing(tmp_path, found_out):
    write_jsonl(tmp_path / "a.jsonl", [{"text": text} for text in texts_of(3)])
    other = tmp_path / ("b.jsonl.gz" if found_out in ("garbage", "torn") else "b.jsonl")
    garbage = bytes(range(200, 256)) * 50
    other.write_bytes(
        {
            "garbage": garbage,
            "torn": gzip.compress(b'{"text": "one"}\n') + garbage,
            "lines": b'{"text": "one"}\nno JSON\nnor this\n',
            "field": b'{"content": "one two"}\n',
        }[found_out]
    )
    recipe = functools.partial(Recipe, input=str(tmp_path / "a.jsonl"), steps=[NearOverlap(against=str(other))])
    before_work = {
        "garbage": r"nothing can be read of .*b\.jsonl\.gz, which was taken for jsonl: the gzip stream .* is corrupt",
        "field": "b.jsonl have no field 'text'; they have content: say --text-field",
    }
    if found_out in before_work:
        with pytest.raises(RecipeError, match=before_work[found_out]):
            run_recipe(recipe(), str(tmp_path / "out"))
        assert not (tmp_path / "out").exists()
        return
    with pytest.raises(NotProven, match="of the corpus that near_overlap compares with could not be read, more than"):
        run_recipe(recipe(), str(tmp_path / "out"))
    with pytest.raises(NotProven):  # nor when there is nothing left to do
        run_recipe(recipe(), str(tmp_path / "out"))
    if found_out == "lines":
        result = run_recipe(recipe(max_quarantined=0.7), str(tmp_path / "out"))
        assert result.report["figures"]["near_overlap"]["against_not_readable"] == 2


def test_what_names_no_host_has_no_domain(tmp_path):
    urls = ["not a url", "https://x.example/1", "http://a<b/", "http://\u3000/"]
    write_jsonl(tmp_path / "a.jsonl", [{"text": text, "url": url} for text, url in zip(texts_of(4), urls)])
    step = NearOverlap(against=str(tmp_path / "a.jsonl"))
    result = run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[step]), str(tmp_path / "out"))
    rows = result.report["figures"]["near_overlap"]["by_domain"]
    assert {row["name"]: row["documents"] for row in rows} == {"": 3, "x.example": 1}


def test_a_gone_file_of_an_index_is_told_with_what_to_do(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", [{"text": text} for text in texts_of(3)])
    made = NearDedup(index=str(tmp_path / "index"), update=True)
    run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[made]), str(tmp_path / "a"))
    (file,) = (tmp_path / "index" / "chunks").glob("shingles-*")
    file.unlink()
    step = NearOverlap(against=str(tmp_path / "index"))
    with pytest.raises(TaskFailed, match=f"{file.name} is damaged: .*: run into .* again with --replace"):
        run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[step]), str(tmp_path / "out"))


@pytest.mark.parametrize("ours, theirs", [([], ["one"]), (["one"], []), (["..."], ["..."]), (["one"], ["one"])])
def test_of_nothing_nothing_is_found(tmp_path, ours, theirs):
    for name, texts in (("a", ours), ("b", theirs)):
        write_jsonl(tmp_path / f"{name}.jsonl", [{"text": text} for text in texts] or [{"text": ""}])
    step = NearOverlap(against=str(tmp_path / "b.jsonl"))
    result = run_recipe(Recipe(input=str(tmp_path / "a.jsonl"), steps=[step]), str(tmp_path / "out"))
    figures = result.report["figures"]["near_overlap"]
    assert (figures["documents"], figures["found"]) == (len(ours), int(ours == theirs == ["one"]))
