"""Bands, buckets and candidate pairs: the formula, brute force, and recall by experiment."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.dedup import lsh, minhash


@pytest.mark.parametrize(
    "bands, rows, probabilities",  # at similarities 0.5, 0.7, 0.8, 0.9
    [
        (450, 20, (0.0004, 0.30, 0.995, 1.0)),  # Lee et al. 2021
        (14, 8, (0.053, 0.56, 0.92, 1.0)),  # FineWeb
        (20, 13, (0.002, 0.18, 0.68, 0.997)),  # NeMo Curator
    ],
)
def test_candidate_probability_of_published_configurations(bands, rows, probabilities):
    found = lsh.candidate_probability(np.array([0.5, 0.7, 0.8, 0.9]), bands, rows)
    assert found == pytest.approx(probabilities, abs=6e-3)


def test_choose_bands_by_hand():
    # 1 - (1 - .8**8)**32 = .997, 1 - (1 - .8**9)**28 = .982
    assert lsh.choose_bands(0.8, 256) == (32, 8)
    assert lsh.choose_bands(0.8, 256, recall=0.98) == (28, 9)
    assert lsh.choose_bands(1.0, 128) == (1, 128)


@settings(deadline=None)
@given(st.floats(0.3, 1.0), st.integers(64, 512), st.floats(0.5, 0.99))
def test_choose_bands_is_the_largest_that_keeps_the_promise(threshold, permutations, recall):
    bands, rows = lsh.choose_bands(threshold, permutations, recall)
    assert bands == permutations // rows
    assert lsh.candidate_probability(threshold, bands, rows) >= recall
    for more in range(rows + 1, permutations + 1):
        assert lsh.candidate_probability(threshold, permutations // more, more) < recall


@pytest.mark.parametrize("arguments", [(0.01, 16), (0.0, 256), (1.1, 256), (0.8, 256, 1.0)])
def test_promises_that_cannot_be_kept(arguments):
    with pytest.raises(ValueError):
        lsh.choose_bands(*arguments)


def test_band_keys_are_equal_where_the_rows_are_and_differ_between_bands():
    random = np.random.Generator(np.random.PCG64(3))
    signatures = random.integers(0, 3, (300, 17), np.uint32)
    keys = lsh.band_keys(signatures, 4, 4)
    bands = [(band, *row[4 * band : 4 * band + 4]) for row in signatures.tolist() for band in range(4)]
    seen = dict(zip(bands, keys.ravel().tolist()))
    assert [seen[band] for band in bands] == keys.ravel().tolist()
    assert len(set(seen.values())) == len(seen)
    assert keys.dtype == np.uint64 and keys.shape == (300, 4)
    with pytest.raises(ValueError, match="more bands"):
        lsh.band_keys(signatures, 5, 4)
    assert lsh.band_keys(signatures[:0], 4, 4).shape == (0, 4)


def brute_pairs(keys, addresses, limit):
    pairs = set()
    for key in set(keys):
        bucket = sorted({a for k, a in zip(keys, addresses) if k == key})
        pairs |= set(itertools.combinations(bucket, 2)) & set(itertools.product(bucket[:limit], bucket))
    return sorted(pairs)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**40)), max_size=60),
    st.integers(1, 6),
    st.randoms(),
)
def test_candidate_pairs_are_those_of_brute_force_in_any_order(entries, limit, random):
    expected = brute_pairs([key for key, _ in entries], [a for _, a in entries], limit)
    random.shuffle(entries)
    keys, addresses = np.array(entries, np.int64).reshape(-1, 2).T
    first, second = lsh.candidate_pairs(keys.astype(np.uint64), addresses, limit)
    assert list(zip(first.tolist(), second.tolist())) == expected


def test_a_giant_bucket_stays_linear():
    first, second = lsh.candidate_pairs(np.zeros(50_000, np.uint64), np.arange(50_000), 16)
    assert len(first) == 16 * 50_000 - 16 * 17 // 2
    assert first.max() == 15 and (first < second).all()
    with pytest.raises(ValueError, match="all_pairs_limit"):
        lsh.candidate_pairs(np.zeros(2, np.uint64), np.arange(2), 0)


@pytest.mark.parametrize("common, own, least, most", [(80, 10, 0.985, 1.0), (40, 30, 0.0, 0.06)])
def test_recall_is_what_the_formula_says(common, own, least, most):
    """1,000 pairs of Jaccard common / (common + 2 * own): 0.8, where the chosen bands find
    0.997 of them, and 0.4, where they find 0.021; bounds are four standard deviations away."""
    texts = []
    for pair in range(1000):
        words = [f"{pair}x{i}" for i in range(common + 2 * own)]
        texts += [" ".join(words[: common + own]), " ".join(words[:common] + words[common + own :])]
    bands, rows = lsh.choose_bands(0.8, 256)
    keys = lsh.band_keys(minhash.signatures(pa.array(texts), ngram=1), bands, rows)
    first, second = lsh.candidate_pairs(keys.ravel(), np.repeat(np.arange(2000), bands))
    found = np.count_nonzero((first % 2 == 0) & (second == first + 1)) / 1000
    assert least <= found <= most
