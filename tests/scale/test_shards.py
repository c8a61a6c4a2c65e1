"""What a corpus costs, and what becomes of it, in however many shards it lies."""

import json
import random

import corpora
import pyarrow.parquet as pq
import pytest
import slow_store

from pipelines import recipe as recipes
from pipelines.maps import exchange, groups
from pipelines.run import run

STEPS = [
    {"length": {"min_words": 3}},
    "url_dedup",
    "exact_dedup",
    {"near_dedup": {"threshold": 0.7, "ngram": 3}},
    {"line_dedup": {"min_sentences": 0}},
    {"substring_dedup": {"min_length": 60}},
    {"train_tokenizer": {"family": "bpe", "vocab_size": 400}},
    "tokenize",
]


def documents(count, seed=7):
    """Documents of which some have equal URLs, texts, lines, and some are nearly alike."""
    choose, rows = random.Random(seed), []
    for number in range(count):
        if rows and choose.random() < 0.2:
            words = choose.choice(rows)["text"].split(" ")
            words[choose.randrange(len(words))] = "other"
        else:
            words = [f"{choose.choice('abcdefg')}{choose.randrange(300)}" for _ in range(choose.randrange(2, 60))]
        text = " ".join(words) + "\nOne line of all." * (choose.random() < 0.1)
        rows.append(
            {"id": f"d{number}", "text": text, "url": f"http://example.org/{choose.randrange(9 * count // 10)}"}
        )
    return rows


def outcome(folder, name, steps, **sizes):
    """(kept {id: text}, dropped {(id, step, rule, score)}, the payload of tokens, the result) of a run in this
    process."""
    result = run(
        recipes.parse({"input": [str(folder / "in.jsonl")], "steps": steps, **sizes}), str(folder / name), workers=0
    )
    output = folder / name
    kept = {row["id"]: row["text"] for row in pq.read_table(output / "documents").to_pylist()}
    dropped = {
        (row["id"], row["step"], row["rule"], row["value"].split(" ")[0] if row["step"] == "near_dedup" else "")
        for row in pq.read_table(output / "dropped").to_pylist()
    }
    tokens = [path.read_bytes() for path in sorted((output / "tokens").glob("*.bin"))]
    return kept, dropped, tokens, result


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    corpora.write_jsonl(folder / "in.jsonl", documents(4000))
    return folder


@pytest.mark.slow
def test_the_same_documents_decisions_and_tokens_in_any_number_of_shards(corpus):
    expected, shards_of = outcome(corpus, "whole", STEPS), []
    assert len(expected[0]) > 2000 and len({step for _, step, _, _ in expected[1]}) == 4 and expected[2][0]
    sizes = [(12_000, 64 << 20), (700, 64 << 20), (700, 100_000), (12_000, 12_000), (150, 64 << 20)]
    for number, (task_bytes, working_bytes) in enumerate(sizes):
        found = outcome(corpus, f"{number}", STEPS, task_bytes=task_bytes, working_bytes=working_bytes)
        assert found[:3] == expected[:3], (task_bytes, working_bytes)
        shards_of.append(len(found[3].before["near_dedup"]))
        (made,) = [each.tasks for each in found[3].summaries if each.step.endswith("near_dedup-signatures")]
        assert (made == shards_of[-1]) == (working_bytes == 12_000)
    assert 40 < shards_of[0] < 100 < 700 < shards_of[1] < shards_of[2] + 9 and shards_of[4] > 2000, shards_of


@pytest.mark.slow
def test_the_same_where_exchanges_are_combined_and_divided(corpus, monkeypatch):
    expected = outcome(corpus, "apart", STEPS, task_bytes=12_000)
    for module, name, value in [
        (exchange, "MOST_READS", 16), (exchange, "LEAST_HELD", 1 << 10), (groups, "MOST_GROUPS", 16),
        (groups, "LARGEST", 1 << 20),
    ]:  # fmt: skip
        monkeypatch.setattr(module, name, value)
    found = outcome(corpus, "combined", STEPS, task_bytes=12_000, working_bytes=2048)
    assert found[:3] == expected[:3]
    combined = {each.step.partition("-")[2] for each in found[3].summaries if each.step.endswith("-combine")}
    assert {"url_dedup-keys-combine", "near_dedup-pairs-combine", "near_dedup-send-combine"} <= combined
    assert (
        found[3].before["near_dedup"] and max(each.tasks for each in found[3].summaries if "decide" in each.step) <= 16
    )


def test_what_is_published_takes_no_more_of_many_files(tmp_path):
    """Documents are written together, however few of them a file has."""
    rows = documents(300)
    for name in ("one", "many"):
        (tmp_path / name).mkdir()
    corpora.write_jsonl(tmp_path / "one" / "in.jsonl", rows)
    for number, row in enumerate(rows):
        corpora.write_jsonl(tmp_path / "many" / f"{number:03d}.jsonl", [row])
    sizes = {}
    for name in ("one", "many"):
        output = tmp_path / name / "out"
        recipe = recipes.parse({"input": [f"{tmp_path}/{name}/*.jsonl"], "steps": ["url_dedup"]})
        run(recipe, str(output), workers=0)
        (published,) = (output / "documents").iterdir()
        assert pq.ParquetFile(published).num_row_groups == 1
        sizes[name] = [published.stat().st_size, sum(p.stat().st_size for p in output.rglob("work/*read*/*.arrow"))]
    documents_, shards = zip(sizes["one"], sizes["many"])
    assert documents_[1] < 1.1 * documents_[0] and 0 < shards[1] < 1.1 * shards[0]  # paths of sources are what is more


def test_tokens_that_are_not_shuffled_lie_in_the_same_shards(tmp_path):
    corpora.write_jsonl(tmp_path / "in.jsonl", documents(300))
    steps = [
        STEPS[0],
        {"train_tokenizer": {"family": "byte"}},
        {"tokenize": {"shard_bytes": 9000, "shuffle": False}},
    ]
    _, _, expected, result = outcome(tmp_path, "whole", steps)
    mean = sum(map(len, expected)) / len(expected)
    assert len(expected) == 5 and all(0.9 * mean < len(tokens) < 1.1 * mean for tokens in expected)
    _, _, found, _ = outcome(tmp_path, "parts", steps, task_bytes=700, working_bytes=10_000)
    assert found == expected
    texts = [row["text"] for row in pq.read_table(tmp_path / "whole" / "documents", columns=["text"]).to_pylist()]
    everything = b"".join(expected)
    assert len(everything) == 2 * sum(len(text.encode()) + 1 for text in texts)


def test_opens_grow_with_the_shards_and_no_faster(tmp_path):
    corpora.write_jsonl(tmp_path / "in.jsonl", documents(400))
    opens, shards = [], []
    steps = [*STEPS[:3], {"near_dedup": {**STEPS[3]["near_dedup"], "clusters": False}}, STEPS[4]]
    for task_bytes in (4000, 1000, 250):
        with slow_store.counting(tmp_path / f"{task_bytes}" / "work") as counts:
            *_, result = outcome(tmp_path, f"{task_bytes}", steps, task_bytes=task_bytes)
        opens.append(counts["opens"])
        shards.append(len(result.before["near_dedup"]))
    assert shards[2] > 10 * shards[0] > 100
    # a shard is opened by the maps of keys, or lines, or signatures, by those that decide, and to write the documents;
    # what is over belongs to the few groups of shards
    each = [(more - opens[0]) / (number - shards[0]) for more, number in zip(opens[1:], shards[1:])]
    assert 10 > each[0] >= each[1] >= 9


def test_shingles_are_read_no_more_often_in_many_shards(tmp_path):
    """What is sent and verified reads the shingles three times at most, one time where all shards share a task."""
    corpora.write_jsonl(tmp_path / "in.jsonl", documents(1500))
    for task_bytes, working_bytes in [(80_000, 320_000), (1_250, 160_000), (80_000, 64 << 20), (1_250, 64 << 20)]:
        output = tmp_path / f"{task_bytes}-{working_bytes}"
        signatures, sent = (output / "work" / f"01-near_dedup-{name}" for name in ("signatures", "send"))
        sizes = {"task_bytes": task_bytes, "working_bytes": working_bytes}
        with slow_store.counting(signatures, sent) as counts:
            *_, result = outcome(tmp_path, output.name, [STEPS[3]], **sizes)
        assert result.figures["near_dedup"]["dropped"] == 225
        files = {path: counts.opened[str(path)] for path in signatures.glob("*-shingles.arrow")}
        together = working_bytes == 64 << 20
        assert set(files.values()) == {1 if together else 2} and len(files) == 1 if together else len(files) > 2
        sidecars = sum(path.stat().st_size for path in files)
        again = sum(path.stat().st_size * number for path, number in files.items())
        visitors = sum(path.stat().st_size for path in sent.glob("*.arrow"))  # of which each task reads its part
        assert again + visitors < 3 * sidecars


def test_pairs_that_every_band_finds_are_read_once(tmp_path):
    """Pages of one template: the pairs fill the memory that a task may have five times, and shingles are not read
    for each time."""
    rows = [{"id": f"{number}", "text": " ".join([f"word{i}" for i in range(59)] + [f"page{number}"])}
            for number in range(2000)]  # fmt: skip
    corpora.write_jsonl(tmp_path / "in.jsonl", rows)
    signatures = tmp_path / "out" / "work" / "01-near_dedup-signatures"
    with slow_store.counting(signatures) as counts:
        *_, result = outcome(tmp_path, "out", [{"near_dedup": {"mode": "components"}}], working_bytes=1 << 20)
    pairs = sum(
        json.loads(path.read_text())["counters"]["pairs"]
        for path in signatures.parent.glob("01-near_dedup-reduce/*.json")
    )
    distinct = result.figures["near_dedup"]["dropped"] * 32 - 32 * 31 // 2
    assert distinct < 64_000 and pairs > 5 * distinct > 5 * (1 << 20) / 17
    (sidecar,) = signatures.glob("*-shingles.arrow")
    assert counts.opened[str(sidecar)] == 4 < 16 * pairs / (1 << 20)


def test_a_map_says_what_it_reads_in_one_fingerprint(tmp_path):
    corpora.write_jsonl(tmp_path / "in.jsonl", documents(200))
    outcome(tmp_path, "out", STEPS[:5], task_bytes=500, working_bytes=5000)
    for path in (tmp_path / "out" / "work").glob("*-reduce/*.json"):
        assert [name for name, _ in json.loads(path.read_text())["inputs"]] == ["keys", "groups"]
    for path in (tmp_path / "out" / "work").glob("*-decide/*.json"):
        names = [name.split(" ")[0] for name, _ in json.loads(path.read_text())["inputs"]]
        assert names[0] == "shard" and names.count("proposals") == 1
