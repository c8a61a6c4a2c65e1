"""The whole pipeline through the command line: same bytes for any number of workers, resume after a
kill, every fault in its place."""

import gzip
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import corpora
import pyarrow.parquet as pq
import pytest
import spans_oracle
import yaml
from commands import FRESH, winnow
from outputs import digest

from pipelines import recipe as recipes
from pipelines import run as runs


def report_of(output: pathlib.Path) -> dict:
    return json.loads((output / "report.json").read_text())


def assert_accounted(report: dict) -> None:
    """in = kept + dropped + quarantined, step by step and from step to step."""
    assert report["problems"] == []
    for step in report["steps"]:
        assert step["in"] == step["kept"] + sum(step["dropped"].values()) + step["quarantined"], step["name"]
    for before, after in zip(report["steps"], report["steps"][1:]):
        assert before["kept"] == after["in"]
    count = report["documents"]
    assert count["in"] == count["kept"] + count["dropped"] + count["quarantined"]


@pytest.fixture(scope="module")
def full_run(tmp_path_factory):
    """The full recipe run in process, once for the module: (folder, recipe path, output, report)."""
    folder = tmp_path_factory.mktemp("full")
    recipe = folder / "full.yaml"
    recipe.write_text(corpora.full_recipe(corpora.write_inputs(folder / "input")))
    output = folder / "in-process"
    command = [*FRESH, "run", str(recipe), "--output", str(output), "--workers", "0"]
    assert "kept" in subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    return folder, recipe, output, report_of(output)


def test_every_step_finds_what_was_planted(full_run):
    _, _, output, report = full_run
    assert_accounted(report)
    dropped = {step["name"]: step["dropped"] for step in report["steps"]}
    assert report["documents"]["in"] == 120
    assert report["documents"]["quarantined"] == 0
    assert dropped["url_dedup"] == {"duplicate_url": 6}
    assert dropped["c4"] == {"too_few_sentences": 6}
    assert dropped["language"] == {"not_kept": 6}
    assert dropped["bad_words"] == {"bad_word": 6}
    assert dropped["decontaminate"] == {"any": 1}  # the other copies were cut as repeated substrings
    # Whole copies lose all their lines to line_dedup before exact_dedup sees them.
    assert dropped["line_dedup"]["empty"] + dropped["line_dedup"].get("too_few_sentences", 0) >= 6
    assert report["skipped"] == {"request": 40}
    kept = pq.read_table(output / "documents")
    assert len(set(kept["id"].to_pylist())) == report["documents"]["kept"] == kept.num_rows
    rows = [row for path in sorted((output / "dropped").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert len(rows) == report["documents"]["dropped"]
    contaminated = [row for row in rows if row["step"] == "decontaminate"]
    assert all("evaluation.jsonl:lanterns" in row["value"] for row in contaminated)


def test_tokens_hold_every_document(full_run):
    import numpy as np

    from corpus.encoding.encoder import load_encoder
    from corpus.loader import TokenStream

    _, _, output, report = full_run
    kept = pq.read_table(output / "documents")["text"].to_pylist()
    encoder = load_encoder(output / "tokenizer")
    manifest = json.loads((output / "tokens" / "manifest.json").read_text())
    assert manifest["documents"] == len(kept) == report["tokens"]["documents"]
    assert len(manifest["shards"]) > 1
    for packing in (None, "best_fit-64"):
        stream = TokenStream(str(output / "tokens"), sequence_length=64, batch_size=3, packing=packing, shuffle=False)
        labels = np.concatenate([batch["labels"].ravel() for batch in stream])
        labels = labels[labels != -100]
        assert len(labels) == manifest["tokens"]
        assert (labels == encoder.end_id).sum() == len(kept)
        if packing is None:
            ends = np.flatnonzero(labels == encoder.end_id)
            texts = [encoder.decode(part) for part in np.split(labels, ends + 1)[:-1]]
            assert sorted(texts) == sorted(kept)
            assert texts != kept  # shuffled


def test_workers_change_nothing(full_run, ray_workers):
    folder, recipe, output, report = full_run
    winnow("run", recipe, "--output", folder / "one", "--workers", 1, check=0)  # with a Ray of its own
    runs.run(recipes.load(str(recipe)), str(folder / "several"), ray_workers)
    for other in (folder / "one", folder / "several"):
        assert digest(other) == digest(output)
        assert {k: v for k, v in report_of(other).items() if k in ("documents", "tokens")} == {
            k: report[k] for k in ("documents", "tokens")
        }


def test_a_second_run_has_nothing_to_do(full_run):
    _, recipe, output, _ = full_run
    before = {
        path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file() and path.name != "recipe.yaml"
    }
    done = winnow("run", recipe, "--output", output, "--workers", 2, check=0)
    assert "nothing to do: all" in done.stdout
    after = {
        path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file() and path.name != "recipe.yaml"
    }
    changed = {str(path) for path in after if after[path] != before.get(path)}
    assert {pathlib.Path(path).name for path in changed} <= {"manifest.json", "figures.json"}
    dry = winnow("run", recipe, "--output", output, "--dry-run", check=0)
    assert "nothing to do: every task is done" in dry.stdout


def test_a_changed_option_redoes_what_depends_on_it(full_run, tmp_path):
    folder, recipe, output, _ = full_run
    other = tmp_path / "out"
    winnow("run", recipe, "--output", other, "--workers", 0, "--set", "substring_dedup.min_length=70", check=0)
    before = digest(other)
    refused = winnow("run", recipe, "--output", other, "--workers", 0, check=2)
    assert "holds a finished run, which this one would replace" in refused.stderr and "Say --replace" in refused.stderr
    said = r"chains: (\d+) of \1 tasks to do \(\1 configuration changed\); published are contamination/ \("
    assert re.search(said, refused.stderr)
    assert digest(other) == before != digest(output) and not (other / "lock.json").exists()
    done = winnow("run", recipe, "--output", other, "--workers", 0, "--replace", check=0)
    assert digest(other) == digest(output)
    assert re.search(r"chains: (\d+) of \1 tasks to run \(\1 configuration changed\)", done.stderr)
    assert "read" not in [line.split(":")[0].rpartition("-")[2] for line in done.stderr.splitlines()]


def test_dry_run_plans_and_writes_nothing(full_run, tmp_path):
    _, recipe, _, _ = full_run
    done = winnow("run", recipe, "--output", tmp_path / "out", "--dry-run", check=0)
    assert "0 done already" in done.stdout and "length" in done.stdout
    assert (
        "\nnear_dedup: about " in done.stdout and " of one core; a task takes 1.0 GB of memory at most\n" in done.stdout
    )
    assert "requests" not in done.stdout and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_kill_at_any_moment_costs_time_only(full_run, tmp_path):
    _, recipe, output, _ = full_run
    other = tmp_path / "out"
    moments = random.Random(1)
    kills = 0
    for _ in range(3):
        process = subprocess.Popen(
            [*FRESH, "run", str(recipe), "--output", str(other), "--workers", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(moments.uniform(3, 9))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
    winnow("run", recipe, "--output", other, "--workers", 2, check=0)
    assert kills >= 1
    assert digest(other) == digest(output)
    assert_accounted(report_of(other))


def test_verbs_are_recipes_of_one_step(full_run, tmp_path):
    folder, _, output, _ = full_run
    done = winnow("dedup", "exact", folder / "input" / "a.jsonl", tmp_path / "exact", "--workers", 0, check=0)
    assert "exact_dedup" in done.stdout
    assert report_of(tmp_path / "exact")["documents"] == {"in": 40, "kept": 37, "dropped": 3, "quarantined": 0}
    filtered = tmp_path / "filtered"
    arguments = ["--step", "c4", "--step", "length", "--set", "length.max_words=150", "--workers", 0]
    winnow("filter", folder / "input" / "a.jsonl", filtered, *arguments, check=0)
    assert [step["name"] for step in report_of(filtered)["steps"]] == ["read", "c4", "length"]
    tokenizer = output / "tokenizer"
    winnow("tokenize", filtered / "documents", tmp_path / "tokens", "--tokenizer", tokenizer, "--workers", 0, check=0)
    assert report_of(tmp_path / "tokens")["tokens"]["documents"] == report_of(filtered)["documents"]["kept"]
    wrong = winnow("dedup", "near", folder / "input", tmp_path / "no", "--threshold", "2", check=2)
    assert "should be less than or equal to 1" in wrong.stderr
    winnow("dedup", "exact", filtered / "documents", tmp_path / "one", "--set", "task_bytes=1", "--workers", 0, check=0)
    assert yaml.safe_load((tmp_path / "one" / "recipe.yaml").read_text())["task_bytes"] == 1
    wrong = winnow("dedup", "lines", folder / "input", tmp_path / "no", "--set", "read.extrac=x", check=2)
    assert "did you mean 'extract'?" in wrong.stderr


@pytest.fixture(scope="module")
def span_runs(tmp_path_factory, ray_workers):
    """Pages of lines of sentences that share spans, {url: page}, and runs of line_dedup over them: by the verb,
    and by a recipe with several shards, with no and two workers."""
    folder = tmp_path_factory.mktemp("spans")
    (folder / "input").mkdir()
    shared = [[corpora.sentence("shared", i, j) for j in range(4)] for i in range(3)]
    pages = {}
    for i in range(24):
        own = [[corpora.sentence(i, line, j) for j in range(1 + (i + line) % 3)] for line in range(3)]
        passage = shared[i % 3][i % 2 :]  # of some only two or three of its sentences
        lines = [passage] if i % 4 else [[sentence] for sentence in passage]
        pages[f"http://site{i}.example/"] = [*own[:1], *lines, *own[1:]] if i % 5 else [*lines, *own[: i % 2]]
    for part in range(4):
        rows = [
            {"id": f"doc-{i}", "url": url, "text": spans_oracle.join(page)}
            for i, (url, page) in enumerate(pages.items())
            if i % 4 == part
        ]
        corpora.write_jsonl(folder / "input" / f"{part}.jsonl", rows)
    recipe = folder / "spans.yaml"
    recipe.write_text("task_bytes: 2048\nworking_bytes: 2048\nsteps: [line_dedup]\n")
    winnow("dedup", "lines", folder / "input", folder / "verb", "--unit", "three_sentences", "--workers", 0, check=0)
    settings = "line_dedup.unit=three_sentences"
    asked = ["--input", folder / "input", "--output", folder / "run-0", "--set", settings, "--workers", 0]
    winnow("run", recipe, *asked, check=0)
    runs.run(recipes.load(str(recipe), [settings], [str(folder / "input")]), str(folder / "run-2"), ray_workers)
    return pages, folder


def test_three_sentence_spans_stay_in_one_place(span_runs):
    pages, folder = span_runs
    expected = spans_oracle.reference(pages, min_sentences=3)
    assert len({result for result in expected.values() if isinstance(result, tuple)}) == 2  # both rules
    assert any(text != spans_oracle.join(pages[url]) for url, text in expected.items() if isinstance(text, str))
    for name in ("verb", "run-0"):
        kept = {row["url"]: row["text"] for row in pq.read_table(folder / name / "documents").to_pylist()}
        dropped = {row["url"]: (row["rule"],) for row in pq.read_table(folder / name / "dropped").to_pylist()}
        assert kept | dropped == expected
        assert_accounted(report_of(folder / name))
    assert len(list((folder / "run-0" / "documents").iterdir())) > 1
    assert digest(folder / "run-2") == digest(folder / "run-0")


def test_explain_names_the_page_that_keeps_a_span(span_runs):
    pages, folder = span_runs
    expected = spans_oracle.reference(pages, min_sentences=3)
    by_id = {f"doc-{i}": (page, expected[url]) for i, (url, page) in enumerate(pages.items())}
    spans = [spans_oracle.spans(page) for page, _ in by_id.values()]
    cut = next(
        name for name, (page, left) in by_id.items() if isinstance(left, str) and left != spans_oracle.join(page)
    )
    said = winnow("explain", folder / "run-0", cut, check=0).stdout.splitlines()
    match = re.fullmatch(rf'{cut}: line_dedup: line [\d:]+: cut, duplicate_span of (doc-\d+): "The .*"', said[0])
    assert set(spans[int(cut[4:])]) & set(spans[int(match[1][4:])]) and match[1] != cut
    assert said[-1].startswith(f"{cut}: kept, in")
    gone = next(name for name, (_, left) in by_id.items() if left == ("empty",))
    first, last = winnow("explain", folder / "run-0", gone, check=0).stdout.splitlines()
    owner = re.fullmatch(rf"{gone}: line_dedup: empty: the other document is (doc-\d+)", first)[1]
    assert set(spans[int(gone[4:])]) & set(spans[int(owner[4:])]) and owner != gone
    assert last.startswith(f"{gone}: dropped by line_dedup, rule empty")


def test_an_unknown_unit_is_refused_before_work(span_runs, tmp_path):
    _, folder = span_runs
    done = winnow("dedup", "lines", folder / "input", tmp_path / "no", "--unit", "three_sentence", check=2)
    assert "did you mean 'three_sentences'?" in done.stderr and not (tmp_path / "no").exists()


def test_thresholds_apply_to_tagged_documents_and_a_filter_of_ones_own_runs(full_run, tmp_path, ray_workers):
    folder, _, _, _ = full_run
    (tmp_path / "mine.py").write_text("def share_of_e(text):\n    return text.count('e') / len(text)\n")
    steps = ["language", {"custom": {"function": "mine:share_of_e", "mode": "tag"}}]
    recipe = recipes.parse({"input": [str(folder / "input" / "a.jsonl")], "steps": steps}, str(tmp_path))
    counts = runs.run(recipe, str(tmp_path / "tagged"), ray_workers).report["documents"]
    assert counts == {"in": 40, "kept": 40, "dropped": 0, "quarantined": 0}
    expression = "language.en > 0.9 and share_of_e.score < 0.11"
    where = ["--where", expression, "--workers", 0]
    winnow("filter", tmp_path / "tagged" / "documents", tmp_path / "chosen", *where, check=0)
    tagged = pq.read_table(tmp_path / "tagged" / "documents").to_pylist()
    expected = [
        d for d in tagged if d["language"] == "en" and d["language.probability"] > 0.9 and d["share_of_e.score"] < 0.11
    ]
    assert pq.read_table(tmp_path / "chosen" / "documents").to_pylist() == expected
    assert 0 < len(expected) < len(tagged) == 40
    wrong = winnow(
        "filter", tmp_path / "tagged" / "documents", tmp_path / "no", "--where", "share_of_e.scor < 1", check=2
    )
    assert "did you mean 'share_of_e.score'?" in wrong.stderr
    chinese = ["--step", "language", "--where", "language.zh-cn > 0.5", "--workers", 0]
    done = winnow("filter", folder / "input" / "a.jsonl", tmp_path / "chinese", *chinese, check=0)
    assert "0 kept" in done.stdout
    chinese[3] = "language.zh-cm > 0.5"
    wrong = winnow("filter", folder / "input" / "a.jsonl", tmp_path / "no", *chinese, check=2)
    assert "unknown language 'zh-cm'" in wrong.stderr and "did you mean 'zh-cn'?" in wrong.stderr


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bpe", "wordpiece", "sentencepiece-unigram", "sentencepiece-bpe", "byte"])
def test_every_family_trains_encodes_and_packs(full_run, tmp_path, family):
    _, _, output, report = full_run
    options = ["--family", family, "--vocab-size", 300, "--workers", 0]
    winnow("train-tokenizer", output / "documents", tmp_path / "trained", *options, check=0)
    tokenizer = tmp_path / "trained" / "tokenizer"
    packing = ["--tokenizer", tokenizer, "--sequence-length", 128, "--workers", 0]
    winnow("pack", output / "documents", tmp_path / "packed", *packing, check=0)
    tokens = report_of(tmp_path / "packed")["tokens"]
    assert tokens["documents"] == report["documents"]["kept"]
    assert tokens["family"] == family
    figures = report_of(tmp_path / "packed")["figures"]["pack best_fit-128"]
    assert figures["tokens"] == tokens["tokens"]
    assert figures["bins"] * 128 == figures["tokens"] + figures["padding"]
    assert "every published file and count" in winnow("verify", tmp_path / "packed", check=0).stdout


def test_looking_at_a_run(full_run):
    _, _, output, report = full_run
    assert "every published file and count is as it should be" in winnow("verify", output, check=0).stdout
    assert f"{report['documents']['in']:,} in = " in winnow("inspect", output, check=0).stdout
    assert "kept, in" in winnow("explain", output, "doc-0", check=0).stdout
    assert "dropped by bad_words, rule bad_word: flumpet" in winnow("explain", output, "doc-15", check=0).stdout
    assert (
        "doc-3: line_dedup: empty: the other document is doc-2\n" in winnow("explain", output, "doc-3", check=0).stdout
    )
    assert winnow("explain", output, "doc-nobody", check=1).stderr.count("\n") == 1
    assert "report.html" in winnow("report", output, check=0).stdout
    assert (output / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_explain_shows_what_the_filters_of_a_recipe_say(full_run, tmp_path):
    folder, recipe, _, _ = full_run
    page = tmp_path / "page.txt"
    page.write_text("\n".join(corpora.german("x", i) for i in range(5)) + "\nmenu")
    said = winnow("explain", recipe, page, check=0).stdout.splitlines()
    assert "c4: line_no_end_mark: 1" in said
    assert "language: language = de" in said
    assert any(line.startswith("language: DROPPED by rule not_kept: de 0.99") and "en >= 0.9" in line for line in said)
    assert 'c4: line 6: line_no_end_mark: "menu"' in said
    assert any(line.startswith("near_dedup: decides over the whole corpus") for line in said)
    asked = ["explain", recipe, "doc-13", "--input", folder / "input" / "a.jsonl"]
    said = winnow(*asked, "--set", "c4.min_words_per_line=4", "--places", 1, check=0).stdout.splitlines()
    assert [line for line in said if line.startswith("c4: ")] == [
        "c4: line_no_end_mark: 3",
        'c4: line 1: line_no_end_mark: "menu"',
        "c4: and 2 more such lines",
        "c4: DROPPED by rule too_few_sentences: 0 (threshold 3)",
    ]
    wrong = winnow("explain", recipe, page, "--set", f"bad_words.path={tmp_path / 'none'}", check=2).stderr
    assert wrong.startswith("winnow: step 'bad_words': ") and wrong.count("\n") == 1
    asked[2] = "doc-nobody"
    assert winnow(*asked, check=1).stderr.count("\n") == 1
    assert "no such file" in winnow("explain", recipe, tmp_path / "none", check=2).stderr.lower()


def test_verify_finds_damage(full_run, tmp_path):
    folder, _, _, _ = full_run
    output = tmp_path / "out"
    winnow("dedup", "exact", folder / "input" / "a.jsonl", output, "--workers", 0, check=0)
    shard = next((output / "work").rglob("*documents-0000.arrow"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    assert "is damaged: its checksum is wrong" in winnow("verify", output, check=1).stderr


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda text: text.replace("- exact_dedup", "- exact_dedupe"), "did you mean 'exact_dedup'?"),
        (lambda text: text.replace("threshold:", "treshold:"), "did you mean 'threshold'?"),
        (lambda text: text.replace("- c4", "- c4: {disable: [lorem_ipsums]}"), "did you mean 'lorem_ipsum'?"),
        (lambda text: text.replace("evaluation.jsonl", "none.jsonl"), "none.jsonl"),
        (lambda text: text.replace("words}", "no-words}").replace('words"', 'no-words"'), "no-words"),
        (lambda text: text.replace('input: ["', 'input: ["/nowhere'), "/nowhere"),
    ],
    ids=["step", "option", "rule", "evaluation", "word list", "input"],
)
def test_a_bad_recipe_is_refused_before_work(full_run, tmp_path, change, words):
    _, recipe, _, _ = full_run
    bad = tmp_path / "bad.yaml"
    bad.write_text(change(recipe.read_text()))
    done = winnow("run", bad, "--output", tmp_path / "out", check=2)
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_output_of_something_else_is_refused(full_run, tmp_path):
    folder, recipe, output, _ = full_run
    before = digest(output)
    done = winnow("dedup", "exact", folder / "input", output, check=2)
    assert "holds a run of recipe 'full'" in done.stderr and done.stderr.count("\n") == 1
    assert digest(output) == before
    (tmp_path / "notes.txt").write_text("mine")
    done = winnow("run", recipe, "--output", tmp_path, check=2)
    assert "is not empty and holds no run" in done.stderr
    assert os.listdir(tmp_path) == ["notes.txt"]


def write_faults(folder: pathlib.Path) -> None:
    """The faults of the field, one a file, among good records."""
    rows = [{"id": f"good-{i}", "text": corpora.document(("good", i))} for i in range(30)]
    folder.mkdir()
    lines = [json.dumps(row).encode() for row in rows]
    (folder / "bad-byte.jsonl").write_bytes(
        b"\n".join([*lines[:5], lines[5][:40] + b"\xff" + lines[5][40:], *lines[6:10], b""])
    )
    (folder / "array.jsonl").write_bytes(b"\n".join([*lines[10:13], b'["not", "an object"]', *lines[13:15], b""]))
    whole = gzip.compress(b"\n".join([*lines[15:25], b""]))
    (folder / "truncated.jsonl.gz").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "zero.warc").write_bytes(b"")
    records = [("https://a.example/0", None), ("https://a.example/1", 99999999), ("https://a.example/2", None)]
    pages = [
        corpora.warc_record("response", url, corpora.html_response(corpora.document(url)), length)
        for url, length in records
    ]
    (folder / "length.warc").write_bytes(b"".join(pages))
    (folder / "length.warc.gz").write_bytes(
        b"".join(gzip.compress(page.replace(b"a.example", b"b.example")) for page in pages)
    )
    long_line = " ".join([corpora.sentence("long", i) for i in range(3_000)] * 100)
    assert len(long_line) > 30_000_000
    corpora.write_jsonl(folder / "long.jsonl", [{"id": "long", "text": long_line}])


def test_faults_are_quarantined_and_good_records_come_through(tmp_path, ray_workers):
    write_faults(tmp_path / "in")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"input: ['{tmp_path / 'in'}']\nsteps: [{{length: {{min_words: 1}}}}]\n")
    output = tmp_path / "out"
    runs.run(recipes.load(str(recipe)), str(output), ray_workers)
    report = report_of(output)
    assert_accounted(report)
    kept = pq.read_table(output / "documents", columns=["id", "text"])
    ids = set(kept["id"].to_pylist())
    good = {f"good-{i}" for i in (*range(5), *range(6, 15))}
    assert good <= ids and "long" in ids
    assert {i for i in ids if i.startswith("good-")} - good <= {f"good-{i}" for i in range(15, 25)}
    from_archives = [i for i in kept["id"].to_pylist() if not i.startswith(("good", "long"))]
    assert len(from_archives) == 4  # two whole records in each of two archives
    assert max(len(t) for t in kept["text"].to_pylist()) > 30_000_000
    rows = [row for path in (output / "quarantine").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    by_file = {}
    for row in rows:
        by_file.setdefault(pathlib.Path(row["source"]).name, []).append(row)
    expected = {
        "bad-byte.jsonl",
        "array.jsonl",
        "truncated.jsonl.gz",
        "length.warc",
        "length.warc.gz",
    }
    assert set(by_file) == expected
    assert all(row["error"] and row["position"] >= 0 for row in rows)
    empty = f"empty, and so without documents: {tmp_path / 'in'}/empty.jsonl, {tmp_path / 'in'}/zero.warc"
    assert empty in report["notes"]
    assert by_file["bad-byte.jsonl"][0]["position"] == sum(
        len(json.dumps({"id": f"good-{i}", "text": corpora.document(("good", i))})) + 1 for i in range(5)
    )
    assert report["documents"]["quarantined"] == len(rows)
    strict = tmp_path / "strict"
    done = winnow("run", recipe, "--output", strict, "--workers", 0, "--set", "max_quarantined=0.1", check=1)
    assert "quarantined, more than max_quarantined" in done.stderr


def test_documents_go_to_a_folder_for_each_language(full_run, tmp_path, ray_workers):
    folder, _, output, _ = full_run
    plain, parted = tmp_path / "plain", tmp_path / "parted"
    tag = ["--step", "language", "--set", "task_bytes=16384"]
    winnow("filter", folder / "input", plain, *tag, "--workers", 0, check=0)
    route = {"name": "filter", "input": [str(folder / "input")], "steps": ["language"], "task_bytes": 16384}
    runs.run(recipes.parse({**route, "partition_by": "language"}), str(parted), ray_workers)
    names = sorted(path.name for path in (parted / "documents").iterdir())
    assert names == ["language=de", "language=en"]
    assert len(list((parted / "documents" / "language=en").glob("*.parquet"))) > 1
    by_id = {row["id"]: row for row in pq.read_table(plain / "documents").to_pylist()}
    rows = pq.read_table(parted / "documents").to_pylist()
    assert {row["id"]: row for row in rows} == by_id and len(rows) == len(by_id) == 120
    assert "language" not in pq.read_schema(next((parted / "documents" / "language=de").iterdir())).names
    assert report_of(parted)["documents"] == report_of(plain)["documents"]
    assert report_of(parted)["languages"] == report_of(plain)["languages"] == {"en": 114, "de": 6}
    assert "every published file and count" in winnow("verify", parted, check=0).stdout
    # Read back, with the column in the folders' names.
    where = ["--where", "language == 'de'", "--workers", 0]
    winnow("filter", parted / "documents", tmp_path / "german", *where, check=0)
    assert pq.read_table(tmp_path / "german" / "documents")["language"].to_pylist() == ["de"] * 6
    recipe = tmp_path / "routed.yaml"
    recipe.write_text(
        f"partition_by: language\nsteps: [exact_dedup, tokenize: {{tokenizer: {output / 'tokenizer'}}}]\n"
    )
    winnow("run", recipe, "--input", parted / "documents", "--output", tmp_path / "tokens", "--workers", 0, check=0)
    report = report_of(tmp_path / "tokens")
    assert_accounted(report)
    assert report["tokens"]["documents"] == report["documents"]["kept"] < 120
    assert sorted(path.name for path in (tmp_path / "tokens" / "documents").iterdir()) == names
    # Without partitions again: none stays behind.
    winnow("filter", folder / "input", parted, *tag, "--workers", 0, "--replace", check=0)
    assert [path for path in (parted / "documents").rglob("*.parquet") if "=" in str(path.relative_to(parted))] == []
    assert digest(parted) == digest(plain)


@pytest.mark.parametrize(
    "column, words", [("langage", "did you mean 'language'?"), ("text", "unknown column 'text' in partition_by")]
)
def test_a_column_to_partition_by_that_is_not_there_is_refused(full_run, tmp_path, column, words):
    folder, _, _, _ = full_run
    done = winnow(
        "filter", folder / "input", tmp_path / "out", "--step", "language", "--set", f"partition_by={column}", check=2
    )
    assert words in done.stderr and not (tmp_path / "out").exists()


def test_lines_of_other_languages_are_cut(tmp_path):
    english, german = corpora.document("x", 2), corpora.german("x")
    rows = [{"id": str(i), "text": text} for i, text in enumerate([f"{english}\n{german}\n12", german, "12"])]
    corpora.write_jsonl(tmp_path / "x.jsonl", rows)
    options = ["--step", "language", "--set", "language.unit=line", "--set", "language.keep=[en]"]
    winnow(
        "filter",
        tmp_path / "x.jsonl",
        tmp_path / "out",
        *options,
        "--set",
        "language.cut=true",
        "--workers",
        0,
        check=0,
    )
    assert pq.read_table(tmp_path / "out" / "documents")["text"].to_pylist() == [f"{english}\n12"]
    report = report_of(tmp_path / "out")
    assert_accounted(report)
    assert report["steps"][1]["dropped"] == {"not_kept": 1, "undetected": 1}
    assert report["steps"][1]["counters"] == {"lines_cut": 1}
