"""What arrives is checked, once; many shards are open at a time."""

import json
import os
import pathlib
import resource

import numpy as np
import pytest

from corpus.loader import Mixture, TokenStream, token_shards
from corpus.tokens import manifest, packing
from corpus.tokens.megatron import IndexedDataset, ShardWriter

TOKENIZER = {"fingerprint": "abc", "family": "bpe", "path": "tokenizer.json"}
BLOCK = 64


def write(folder, shards, length=100, vocab_size=8000):
    """`shards` shards of `length` tokens each, with blocks of 32 tokens, and a packing plan for 8."""
    random, entries, figures = np.random.default_rng(0), [], {}
    for number in range(shards):
        prefix = f"{folder}/{number:05d}"
        tokens = random.integers(1, vocab_size, length)
        ends = np.sort(random.choice(np.arange(1, length), min(9, length - 1), replace=False))
        with ShardWriter(prefix, vocab_size) as writer:
            writer.add(tokens, np.concatenate([[0], ends, [length]]))
        entries.append(manifest.describe_shard(prefix, BLOCK))
        plan = packing.best_fit(IndexedDataset(prefix).document_lengths, 8)
        packing.save(plan, packing.plan_path(folder, "plan", f"{number:05d}"))
        figures[f"{number:05d}"] = plan.figures
    manifest.write(folder, entries, vocab_size=vocab_size, tokenizer=TOKENIZER, end_id=0)
    packing.summarize(folder, "plan", figures)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(str(tmp_path), 3)


def flip(path, at, bit=0x80):
    data = bytearray(pathlib.Path(path).read_bytes())
    data[at] ^= bit
    pathlib.Path(path).write_bytes(data)


def stream_of(folder, **options):
    return TokenStream(folder, **{"sequence_length": 8, "batch_size": 1, "shuffle": False} | options)


@pytest.mark.parametrize("packing", [None, "plan"])
@pytest.mark.parametrize("at", [0, 63, 64, 127, 199])
def test_a_flipped_byte(folder, packing, at):
    """Named by shard and block; batches of other blocks are there as before."""
    expected = [batch["labels"].tolist() for batch in stream_of(folder, packing=packing)]
    flip(f"{folder}/00001.bin", at)
    stream, errors = stream_of(folder, packing=packing), 0
    for sample, labels in enumerate(expected):
        try:
            assert stream.batch_at(sample)["labels"].tolist() == labels
        except ValueError as error:
            errors += 1
            assert f"{folder}/00001.bin: block {at // BLOCK}, from token {at // BLOCK * 32} on, does not" in str(error)
    assert errors >= 1
    unchecked = list(stream_of(folder, packing=packing, verify=False))
    assert [batch["labels"].tolist() for batch in unchecked] != expected


def test_ids_are_of_the_vocabulary(folder):
    content = json.loads(pathlib.Path(folder, "manifest.json").read_text())
    pathlib.Path(folder, "manifest.json").write_text(json.dumps(content | {"vocab_size": 4000}))
    with pytest.raises(
        ValueError, match=r"00000.bin: block 0, from token 0 on, holds token \d+, outside the vocabulary"
    ):
        next(stream_of(folder))


@pytest.mark.parametrize("options", [{"packing": "plan"}, {"boundaries": "positions"}, {"mask_document_starts": True}])
def test_a_flipped_byte_of_the_index(folder, options):
    """Where documents are wanted; the rest of the index is not looked at."""
    flip(f"{folder}/00000.idx", 34 + 4, 1)
    assert next(stream_of(folder))["labels"].shape == (1, 8)
    with pytest.raises(ValueError, match="00000.idx does not have the checksum"):
        list(stream_of(folder, **options))


@pytest.mark.parametrize("damage", ["cut", "swapped", "gone"])
def test_files_that_are_others(folder, damage):
    if damage == "cut":
        os.truncate(f"{folder}/00000.bin", 198)
    elif damage == "swapped":
        os.replace(f"{folder}/00001.bin", f"{folder}/00000.bin")
    else:
        os.remove(f"{folder}/00000.bin")
    with pytest.raises((ValueError, FileNotFoundError), match="00000.bin"):
        next(stream_of(folder))


def test_every_block_is_checked_once(folder, monkeypatch):
    seen, check = [], token_shards.check_block
    monkeypatch.setattr(token_shards, "check_block", lambda data, *rest: seen.append(len(data)) or check(data, *rest))
    stream = stream_of(folder, shuffle=True, epochs=3)
    assert len(list(stream)) > 100
    assert sorted(seen) == [4] * 3 + [32] * 9


def test_a_batch_checks_only_what_it_reads(folder, monkeypatch):
    seen, check = [], token_shards.check_block
    monkeypatch.setattr(token_shards, "check_block", lambda data, *rest: seen.append(len(data)) or check(data, *rest))
    stream_of(folder).batch_at(1)
    assert seen == [32]
    stream_of(folder).batch_at(4)  # and the token before, in another block
    assert seen == [32, 32, 32]


def test_many_shards_stay_open(tmp_path, monkeypatch):
    """More shards than files may be open: each is opened once, and its blocks are checked once."""
    folder = write(str(tmp_path), 300, 20)
    opened = []
    monkeypatch.setattr(token_shards, "IndexedDataset", lambda *a, **o: opened.append(a[0]) or IndexedDataset(*a, **o))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 60, limits[1]))
    try:
        for packing_plan in (None, "plan"):
            opened.clear()
            rows = [
                batch["labels"][0].tolist() for batch in stream_of(folder, epochs=2, packing=packing_plan, shuffle=True)
            ]
            assert len(opened) == len(set(opened)) == 300
            assert sum(label != -100 for row in rows for label in row) == 2 * 300 * 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_more_shards_than_stay_open(tmp_path, monkeypatch):
    """What was closed is opened again, and not checked again."""
    folder = write(str(tmp_path), 12, 50)
    expected = [batch["labels"].tolist() for batch in stream_of(folder, shuffle=True)]
    monkeypatch.setattr(token_shards, "OPEN_AT_ONCE", 3)
    seen, check = [], token_shards.check_block
    monkeypatch.setattr(token_shards, "check_block", lambda data, *rest: seen.append(len(data)) or check(data, *rest))
    assert [batch["labels"].tolist() for batch in stream_of(folder, shuffle=True)] == expected
    assert len(seen) == 24


def test_sources_of_a_mixture_stay_open_as_those_of_one_folder(tmp_path, monkeypatch):
    """Together no more maps than a process may have, each source as many as it has shards; and the same batches."""
    folders = [write(str(tmp_path / f"{shards}"), shards, 20) for shards in (90, 10)]
    sources, options = [(folder, {"epochs": 2}) for folder in folders], {"sequence_length": 8, "batch_size": 4}
    expected = [batch["labels"].tolist() for batch in Mixture(sources, **options)]
    monkeypatch.setattr(token_shards, "OPEN_AT_ONCE", 40)
    mixture, most = Mixture(sources, **options), 0
    assert [stream.shards.open.cache_parameters()["maxsize"] for stream in mixture.streams] == [36, 16]
    for batch, same in zip(mixture, expected, strict=True):
        assert batch["labels"].tolist() == same
        most = max(most, sum(stream.shards.open.cache_info().currsize for stream in mixture.streams))
    assert most == 36 + 10
