import numpy as np
import pytest
import xxhash

from corpus.tokens.checksum import check_block, xxh3_64, xxh64

BYTES = np.random.default_rng(0).integers(0, 256, 20_000).astype(np.uint8)


@pytest.mark.parametrize(
    "data", [BYTES, np.zeros(3000, np.uint8), np.full(3000, 255, np.uint8)], ids=["any", "0", "255"]
)
def test_against_xxhash_at_every_length(data):
    for length in [*range(2200), *range(len(data) - 70, len(data))]:
        part = data[:length]
        assert xxh3_64(part) == xxhash.xxh3_64_intdigest(part.tobytes()), length
        assert xxh64(part) == xxhash.xxh64_intdigest(part.tobytes()), length


def test_a_part_that_begins_anywhere():
    for start in range(9):
        part = BYTES[start : start + 5000]
        assert xxh3_64(part) == xxhash.xxh3_64_intdigest(part.tobytes())
        assert xxh64(part) == xxhash.xxh64_intdigest(part.tobytes())


@pytest.mark.parametrize("dtype", ["uint16", "int32"])
def test_a_block(dtype):
    tokens = np.array([5, 0, 99], dtype)
    expected = xxhash.xxh3_64_hexdigest(tokens.tobytes())
    assert check_block(tokens, expected, 100) is None
    assert check_block(tokens, expected, 99) == "holds token 99, outside the vocabulary of 99"
    assert "does not have the checksum" in check_block(tokens[:2], expected, 100)
    if dtype == "int32":
        below = np.array([5, -3], dtype)
        assert "holds token -3" in check_block(below, xxhash.xxh3_64_hexdigest(below.tobytes()), 100)
