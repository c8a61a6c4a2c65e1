import os

import numpy as np
import pytest
import xxhash

from corpus.loader import TokenStream
from corpus.loader.cache import fetch


def test_fetch(tmp_path):
    (tmp_path / "source").write_bytes(b"abcdefgh")
    target = str(tmp_path / "cache/deep/target")
    blocks = [xxhash.xxh3_64_hexdigest(part) for part in (b"abc", b"def", b"gh")]
    assert fetch(f"file://{tmp_path}/source", target, 8, 3, blocks) == target
    assert open(target, "rb").read() == b"abcdefgh"
    (tmp_path / "source").unlink()
    assert fetch(f"file://{tmp_path}/source", target, 8, 3, blocks) == target


@pytest.mark.parametrize(
    "size, blocks, message", [(9, None, "has 8 bytes"), (8, ["0", "0"], "block 0"), (8, [], "block 0")]
)
def test_fetch_refuses_and_leaves_nothing(tmp_path, size, blocks, message):
    (tmp_path / "source").write_bytes(b"abcdefgh")
    with pytest.raises(ValueError, match=message):
        fetch(f"file://{tmp_path}/source", str(tmp_path / "cache/target"), size, 4, blocks)
    assert os.listdir(tmp_path / "cache") == []


def test_stream_from_a_uri(make_tokens, tmp_path):
    folder = make_tokens([[[1, 2, 0], [3, 0]], [[4, 5, 6, 0]]], pack=4)
    options = {"sequence_length": 4, "batch_size": 2, "boundaries": "cu_seqlens", "packing": "plan"}
    with pytest.raises(ValueError, match="cache"):
        TokenStream(f"file://{folder}", **options)
    local = list(TokenStream(folder, **options))
    remote = list(TokenStream(f"file://{folder}", cache=str(tmp_path / "cache"), **options))
    assert len(local) == len(remote) == 2
    for ours, theirs in zip(local, remote):
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours)
    files = [name for _, _, names in os.walk(tmp_path / "cache") for name in names]
    assert sorted(files) == ["00000.bin", "00000.idx", "00001.bin", "00001.idx"]
