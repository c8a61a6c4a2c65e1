"""A sample of the variants that `mutation_campaign.py` puts through Winnow, and whether it would notice if one went
wrong."""

import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import clean_files
import damage
import mutator
import outcomes
import pytest
import truth

CAMPAIGN = pathlib.Path(__file__).with_name("mutation_campaign.py")

QUICK = {
    "jsonl: zero a fifth": None,
    "jsonl.gz members: damage a header": 5,
    "jsonl.gz cut members: garbage between": None,
    "jsonl.gz bgzf: damage every second part": None,
    "jsonl.zst frames: damage all but the last": 155,
    "warc coded: wrong length": None,
    "warc.gz: truncate": None,
    "warc.zst: damage a header": None,
    "parquet groups: zero a sector": 20,
    "hostile lines: a long text": 0,
    "hostile body: gzip in gzip beyond a small limit": 0,
    "hostile body: brotli beyond a small limit": 0,
}
"""Variants, and how many of the clean file's records each must cost; None where more than one number is right."""

HOSTILE = [
    "hostile lines: arrays opened",
    "hostile lines: a line far beyond a small limit",
    "hostile lines: not UTF-8",
    "hostile lines: NaN",
    "hostile page: divisions opened",
    "hostile page: the wrong charset",
    "hostile body: chunks of one byte",
    "hostile record: length too short",
    "hostile record: many lengths beyond the file",
    "hostile response: a body beyond a small limit",
    "hostile streams of jsonl: gzip: a chain of lines",
    "hostile streams of jsonl: zstd: a window of 2 TB",
    "hostile streams of warc: zstd: a dictionary",
    "odd streams of jsonl: gzip: a part of 1024 KiB",
    "odd streams of warc: zstd: frame ends at 64 KiB +1",
    "tables, lie: footer length 2^31",
    "tables, bomb: cells beyond a small limit",
    "tables, text: not UTF-8",
    "hostile texts: beyond a small limit",
    "tiny files: nothing .warc.gz",
]


def spread() -> list[str]:
    """Two damages of every layout, other ones of each, and some hostile files."""
    by_group = collections.defaultdict(list)
    for maker in mutator.catalogue():
        by_group[maker.group].append(maker.name)
    chosen = [
        sorted(by_group[layout])[step * number % len(by_group[layout])]
        for number, layout in enumerate(clean_files.LAYOUTS)
        for step in (7, 11)
    ]
    return sorted({*chosen, *HOSTILE} - QUICK.keys())


def campaign(names, folder: pathlib.Path) -> dict[str, dict]:
    """Results by name. A process of its own: the variants are read in forks of it, which should be small."""
    answer = folder / "results.jsonl"
    flags = [flag for name in names for flag in ("--only", name)]
    done = subprocess.run(
        [sys.executable, str(CAMPAIGN), *flags, "--json", str(answer)], capture_output=True, text=True, timeout=900
    )
    assert done.returncode in (0, 1), done.stderr
    rows = [json.loads(line) for line in answer.read_text().splitlines()]
    return {f"{row['group']}: {row['mutation']}": row for row in rows}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return campaign(QUICK, tmp_path_factory.mktemp("quick"))


@pytest.mark.parametrize("name", QUICK)
def test_a_telling_variant(quick, name):
    assert quick[name]["failures"] == []
    if QUICK[name] is not None:
        assert quick[name]["missing"] == QUICK[name]


def test_the_telling_variants_ran_and_told(quick):
    assert quick.keys() == QUICK.keys()
    assert sum(row["missing"] > 0 for row in quick.values()) >= 6
    assert sum(row["quarantined"] > 0 for row in quick.values()) >= 10
    assert all(row["came"] > 0 for row in quick.values())


@pytest.mark.slow
def test_a_sample_of_all_formats_and_damages(tmp_path):
    names = spread()
    found = campaign(names, tmp_path)
    assert list(found) and found.keys() == set(names) and len(names) >= 60
    assert {name: row["failures"] for name, row in found.items() if row["failures"]} == {}
    assert 15 <= sum(row["missing"] > 0 for row in found.values()) <= len(found) - 15
    assert sum(row["came"] for row in found.values()) > 5_000
    assert {row["group"] for row in found.values()} >= set(clean_files.LAYOUTS)


# The variants themselves


def test_there_are_variants_enough_and_each_is_the_same_always():
    makers = mutator.catalogue()
    assert len(makers) >= 500 and len({maker.name for maker in makers}) == len(makers)
    assert {maker.mutation for maker in makers} >= damage.DAMAGES.keys()
    assert {maker.group for maker in makers} >= set(clean_files.LAYOUTS)
    for number in (0, 1, 2, len(makers), len(makers) + 1):
        assert mutator.variant(7, number) == mutator.variant(7, number)
    several = range(0, 60 * len(makers), len(makers))  # one case again and again
    damaged = next(i for i, maker in enumerate(makers) if maker.name == "jsonl: flip a bit")
    assert len({mutator.variant(1, damaged + turn).data for turn in several}) > 50
    assert mutator.variant(1, damaged).data != mutator.variant(2, damaged).data


def test_what_damage_leaves_of_a_file_of_several_parts():
    clean = clean_files.clean("jsonl.gz cut members")
    third = clean.parts[2]

    def left(data: bytes) -> set[str]:
        return {record.id for record in truth.intact(clean, damage.Damaged(data))}

    everything = {record.id for record in clean.records}
    untouched = {record.id for record in clean.records if record.end <= third.first or record.start >= third.last}
    begun = {record.id for record in clean.records if record.start < third.first < record.end}
    straddling = begun | {record.id for record in clean.records if record.start < third.last < record.end}
    assert len(straddling) == 2 and len(untouched) < len(everything) - 2
    flipped = bytearray(clean.data)
    flipped[third.start + 20] ^= 1
    assert left(clean.data) == everything
    assert left(bytes(flipped)) == untouched
    assert left(clean.data[: third.start] + clean.data[third.end :]) == untouched  # what straddled it is run together
    assert left(clean.data[: third.start] + b"x" + clean.data[third.start :]) == everything - begun
    assert left(clean.data[: third.end] + clean.data[third.start :]) == everything  # twice: each stands whole somewhere
    assert left(clean.data * 2) == everything
    assert left(clean.data[third.end :]) == {r.id for r in clean.records if r.start >= third.last}


def test_what_damage_leaves_of_a_file_of_one_part():
    clean = clean_files.clean("jsonl.gz")
    half = len(clean.data) // 2
    broken = damage.Damaged(clean.data[:half] + b"\0\0\0\0" + clean.data[half + 4 :])
    found = truth.intact(clean, broken)
    assert 300 < len(found) < 600 and found == clean.records[: len(found)]
    assert truth.present(clean, broken) == clean.records
    cut = damage.Damaged(clean.data[:half], ((half, len(clean.data)),))
    assert truth.intact(clean, cut) == found
    assert len(found) < len(truth.present(clean, cut)) < 700


# The judge


def variant(**fields) -> mutator.Variant:
    texts = {f"doc-{number}": mutator.digest([b"text %d" % number]) for number in range(100)}
    every = frozenset(texts)
    fields = {"texts": texts, "intact": every, "present": every, "data": bytes(1000), **fields}
    return mutator.Variant(0, "made up", "for a test", ".jsonl.gz", **fields)


def outcome(came=range(100), **fields) -> outcomes.Outcome:
    documents = collections.Counter({(f"doc-{number}", mutator.digest([b"text %d" % number])): 1 for number in came})
    return outcomes.Outcome(documents=documents, **fields)


ROWS = {"rows": 1, "records": 0, "errors": ["damaged"]}

JUDGED = [
    (variant(), outcome(), []),
    (variant(), outcome(range(99), **ROWS, bytes=10), ["lost: 1 of 100"]),
    (variant(intact=frozenset()), outcome(range(99), **ROWS, bytes=10), []),
    (variant(intact=frozenset()), outcome(range(99)), ["accounts: 1 of 100 records are missing and nothing"]),
    (variant(intact=frozenset()), outcome(range(40), **ROWS, bytes=500), []),
    (
        variant(intact=frozenset()),
        outcome(range(40), **ROWS, bytes=100),
        ["accounts: 60 of 100 records are missing, 10.0%"],
    ),
    (variant(intact=frozenset()), outcome(range(40), rows=9, records=40), []),
    (
        variant(intact=frozenset()),
        outcome(range(40), rows=9, records=9),
        ["accounts: 60 of 100 records are missing, 18.4%"],
    ),
    (variant(intact=frozenset(), present=frozenset()), outcome([]), []),
    (variant(notice=True), outcome(), ["accounts: nothing was quarantined"]),
    (variant(sound=True), outcome(**ROWS), ["accounts: 1 rows quarantined of a sound file"]),
    (variant(bad=3), outcome(**ROWS), ["accounts: 0 records quarantined of 3"]),
    (variant(), outcome(**ROWS, bytes=1001), ["accounts: 1001 bytes"]),
    (variant(), outcome(peak=2 << 30), ["memory: 2048 MiB"]),
    (variant(), outcome(peak_of_child=3 << 30), ["memory: 0 MiB beyond idle, 3072 MiB"]),
    (variant(), outcome(faults=["no key"]), ["contract: no key"]),
    (variant(), outcome([], ended="hang: no end"), ["hang: no end"]),
    (variant(), outcome([], stopped=True), []),
]


@pytest.mark.parametrize("given, came, expected", JUDGED, ids=range(len(JUDGED)))
def test_the_judge_finds_what_is_wrong(given, came, expected):
    found = outcomes.judge(given, came)
    assert len(found) == len(expected)
    assert all(fault.startswith(begin) for fault, begin in zip(found, expected))


def test_the_judge_finds_documents_that_should_not_be():
    other = mutator.digest([b"another text"])
    came = outcome()
    came.documents["doc-7", other] += 1
    came.documents["doc-new", other] += 1
    came.dropped["doc-8", "empty_text"] += 1
    assert outcomes.judge(variant(), came) == [
        "altered: 'doc-7' came out with another text",
        "altered: a document came out that there was not, 'doc-new'",
        "lost: 'doc-8' was dropped by empty_text",
    ]
    assert outcomes.judge(variant(altered=True, extra=True), came) == ["lost: 'doc-8' was dropped by empty_text"]
    refused = variant(refused=frozenset(["doc-new"]), intact=frozenset(), altered=True)
    assert outcomes.judge(refused, came) == ["refused: 'doc-new' came out"]


def _sleep(*_):
    time.sleep(100)


def _crash(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(*_):
    raise ValueError("a fault of the data")


@pytest.mark.parametrize(
    "read, seconds, ended",
    [(_sleep, 0.01, "hang: "), (_crash, 1000, "crash: killed by SIGKILL"), (_raise, 1000, "exception: ")],
)
def test_a_bad_end_is_the_variant_s_own(monkeypatch, tmp_path, read, seconds, ended):
    monkeypatch.setattr(outcomes, "_read", read)
    monkeypatch.setattr(outcomes, "TIMEOUT", seconds)
    found = outcomes.observe(variant(), tmp_path)
    assert found.ended.startswith(ended) and outcomes.judge(variant(), found) == [found.ended]
    monkeypatch.undo()
    assert outcomes.observe(variant(data=b'{"id": "a", "text": "b"}'), tmp_path).ended is None


def test_memory_is_measured(monkeypatch, tmp_path):
    monkeypatch.setattr(outcomes, "_read", lambda *_: bytearray(300 << 20))
    found = outcomes.observe(variant(), tmp_path)
    assert 280 << 20 < found.peak < 400 << 20
