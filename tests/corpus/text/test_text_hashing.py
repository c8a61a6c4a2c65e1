import numpy as np
import pyarrow as pa
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.text import arrow, hashing, spans


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


# Characters that this Python does not know yet have no lower case here.
ASSIGNED = st.text(st.characters(exclude_categories=["Cs", "Cn"]))


@given(st.lists(ASSIGNED | st.sampled_from([" A b", "a B\u3000", "ΟΔΟΣ", "İ" * 300]), max_size=5))
@settings(deadline=None)
def test_hash_lines_is_of_the_stripped_lower_case_line(texts):
    data, offsets = arrow.buffers(pa.array(texts, pa.string()))
    starts, ends, _ = spans.lines(data, offsets)
    got = hashing.hash_lines(data, starts, ends, 3)
    keys = [line.strip().lower().encode() for text in texts for line in text.splitlines()]
    expected = [[xxhash.xxh64_intdigest(key, seed) for seed in (3, 4)] for key in keys]
    assert got.tolist() == expected
