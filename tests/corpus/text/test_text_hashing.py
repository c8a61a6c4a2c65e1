import numpy as np
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text import hashing


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
@settings(deadline=None)
def test_hash64_is_xxh64(text, seed):
    data = np.frombuffer(b"x" + text + b"x", np.uint8)
    expected = xxhash.xxh64_intdigest(text, seed)
    assert int(hashing.hash64(data, 1, 1 + len(text), np.uint64(seed))) == expected


def test_hash_spans():
    data = np.frombuffer(bytes(range(256)) * 40, np.uint8)
    starts = np.array([0, 1, 5, 9])
    ends = np.array([0, 2, 10_000, 73])
    got = hashing.hash_spans(data, starts, ends, 7)
    pieces = [data[a:b].tobytes() for a, b in zip(starts, ends)]
    assert [int(h) for h in got] == [xxhash.xxh64_intdigest(piece, 7) for piece in pieces]
