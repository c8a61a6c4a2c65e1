import json

import numpy as np
import pytest
import xxhash

from corpus.tokens import manifest
from corpus.tokens.megatron import ShardWriter

TOKENIZER = {"fingerprint": "abc", "family": "bpe", "path": "tokenizer/tokenizer.json"}


@pytest.fixture
def folder(tmp_path):
    """Two shards of a vocabulary of 50; end token 0; one empty document."""
    for name, documents in {"00000": [[1, 2, 0], [], [0]], "00001": [[49, 0]]}.items():
        with ShardWriter(f"{tmp_path}/{name}", 50) as writer:
            offsets = np.cumsum([0] + [len(document) for document in documents])
            writer.add(np.array(sum(documents, [])), offsets)
    shards = [manifest.describe_shard(f"{tmp_path}/{n}", block_bytes=4) for n in ("00000", "00001")]
    manifest.write(str(tmp_path), shards, vocab_size=50, tokenizer=TOKENIZER, end_id=0, seed=7)
    return tmp_path


def test_contents(folder):
    found = json.loads((folder / "manifest.json").read_text())
    assert found == manifest.load(str(folder))
    assert {key: found[key] for key in found if key != "shards"} == {
        "format": "winnow-tokens/1",
        "dtype": "uint16",
        "vocab_size": 50,
        "tokenizer": TOKENIZER,
        "end_id": 0,
        "pad_id": None,
        "documents": 4,
        "tokens": 6,
        "seed": 7,
    }
    payload = (folder / "00000.bin").read_bytes()
    assert found["shards"][0] == {
        "name": "00000",
        "documents": 3,
        "tokens": 4,
        "bin_bytes": 8,
        "idx_bytes": 102,
        "idx_xxh64": xxhash.xxh64_hexdigest((folder / "00000.idx").read_bytes()),
        "block_bytes": 4,
        "blocks": [xxhash.xxh3_64_hexdigest(payload[i : i + 4]) for i in (0, 4)],
    }


def test_written_files_verify(folder):
    assert manifest.verify(str(folder)) == []
    assert manifest.verify(f"file://{folder}") == []


def overwrite(path, at, value):
    data = bytearray(path.read_bytes())
    data[at] = value
    path.write_bytes(data)


def test_verify_finds_a_changed_byte(folder):
    overwrite(folder / "00000.bin", 5, 1)
    problems = manifest.verify(str(folder))
    assert any("checksum of block 1" in problem for problem in problems)
    assert any("outside the vocabulary" in problem for problem in problems)
    assert any("document 0 does not end with token 0" in problem for problem in problems)


def test_verify_finds_a_changed_index(folder):
    overwrite(folder / "00001.idx", 34, 9)
    assert manifest.verify(str(folder)) == [f"{folder}/00001.bin has 4 bytes; {folder}/00001.idx expects 18"]


def test_verify_finds_a_cut_and_a_missing_file(folder):
    payload = folder / "00000.bin"
    payload.write_bytes(payload.read_bytes()[:-1])
    (folder / "00001.bin").unlink()
    problems = manifest.verify(str(folder))
    assert len(problems) == 2 and "has 7 bytes" in problems[0] and "00001.bin" in problems[1]


def test_verify_finds_a_swapped_shard(folder):
    for suffix in ("bin", "idx"):
        (folder / f"00001.{suffix}").write_bytes((folder / f"00000.{suffix}").read_bytes())
    problems = manifest.verify(str(folder))
    assert f"{folder}/00001: documents is 3, the manifest says 1" in problems


@pytest.mark.parametrize("change, message", [({"format": "x"}, "format 'x'"), ({"tokens": 5}, "claims 5 tokens")])
def test_load_refuses(folder, change, message):
    content = json.loads((folder / "manifest.json").read_text()) | change
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        manifest.load(str(folder))
    assert len(manifest.verify(str(folder))) == 1


@pytest.mark.parametrize("key", ["name", "documents", "tokens", "bin_bytes", "idx_bytes", "block_bytes", "blocks"])
def test_load_refuses_a_shard_that_is_not_described(folder, key):
    found = json.loads((folder / "manifest.json").read_text())
    del found["shards"][1][key]
    (folder / "manifest.json").write_text(json.dumps(found))
    with pytest.raises(ValueError, match=f"shard .* lacks '{key}'"):
        manifest.load(str(folder))


@pytest.mark.parametrize("blocks", [[], ["00" * 8], ["00" * 8] * 3])
def test_load_refuses_blocks_that_are_not_those_of_the_file(folder, blocks):
    """What has no checksum would not be checked: here of 8 bytes in blocks of 4."""
    found = json.loads((folder / "manifest.json").read_text())
    found["shards"][0]["blocks"] = blocks
    (folder / "manifest.json").write_text(json.dumps(found))
    with pytest.raises(ValueError, match=f"shard '00000' has {len(blocks)} blocks of 4 bytes, and 8 bytes"):
        manifest.load(str(folder))


def test_load_refuses_what_is_no_json(tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        manifest.load(str(tmp_path))
    assert manifest.verify(str(tmp_path / "absent"))


def test_write_refuses_an_end_outside_the_vocabulary(tmp_path):
    with pytest.raises(ValueError, match="end_id 50"):
        manifest.write(str(tmp_path), [], vocab_size=50, tokenizer=TOKENIZER, end_id=50)


@pytest.mark.parametrize("key, token", [("end_id", 50), ("end_id", -1), ("pad_id", 1000)])
def test_load_refuses_ids_outside_the_vocabulary(folder, key, token):
    found = json.loads((folder / "manifest.json").read_text()) | {key: token}
    (folder / "manifest.json").write_text(json.dumps(found))
    with pytest.raises(ValueError, match=f"{key} {token} is outside the vocabulary of 50"):
        manifest.load(str(folder))


def test_no_shards(tmp_path):
    manifest.write(str(tmp_path), [], vocab_size=50, tokenizer=TOKENIZER, end_id=0)
    assert manifest.load(str(tmp_path))["tokens"] == 0
    assert manifest.verify(str(tmp_path)) == []
