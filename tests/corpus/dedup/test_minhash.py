"""Signatures against datasketch 2.0, and against golden vectors of it, of datasketch 1.6.5, of datatrove 0.10 and of
text-dedup 0.4 (oracles/make_minhash_golden.py)."""

import hashlib
import io
import json
import pathlib

import datasketch
import numpy as np
import pyarrow as pa
import pytest
import xxhash
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_oracle import any_text, shingle_set, wordy_text

from corpus.dedup import minhash, schemes
from corpus.dedup.shingles import shingle_hashes

GOLDEN = json.loads((pathlib.Path(__file__).parents[2] / "oracles" / "minhash_golden.json").read_text("utf-8"))


def expected(text: str, ngram: int, permutations: int, seed: int) -> list[int]:
    sketch = datasketch.MinHash(num_perm=permutations, seed=seed, scheme="affine32")
    sketch.update_batch([shingle.encode() for shingle in shingle_set(text, ngram)])
    return sketch.hashvalues.tolist()


def test_golden_vector_of_datasketch():
    text = pa.array(["the quick brown fox jumps over the lazy dog"])
    a, b = schemes.coefficients(128, 1)
    assert a[:2].tolist() == [3582191691, 4270784983]
    assert b[:2].tolist() == [214548472, 3287733501]
    signature = minhash.signatures(text, ngram=1, permutations=128)[0]
    assert signature[:4].tolist() == [2103838, 659818257, 333462271, 1849789506]


@settings(deadline=None)
@given(
    st.lists(any_text | wordy_text, max_size=6),
    st.integers(1, 6),
    st.sampled_from([1, 7, 64, 256]),
    st.integers(0, 5),
)
def test_signatures_equal_datasketch(texts, ngram, permutations, seed):
    found = minhash.signatures(pa.array(texts, pa.string()), ngram, permutations, seed)
    assert found.dtype == np.uint32 and found.shape == (len(texts), permutations)
    assert found.tolist() == [expected(text, ngram, permutations, seed) for text in texts]


@pytest.mark.parametrize("count", [1, 5, 12, 13, 20, 21, 300])
@pytest.mark.parametrize("length", [1, 9, 12, 40, 400])
def test_numbers_and_lengths_of_shingles(count, length):
    text = " ".join(f"{i:x}".rjust(length, "é") for i in range(count))
    found = minhash.signatures(pa.array([text, text + "!"]))
    assert found[0].tolist() == found[1].tolist() == expected(text, 5, 256, 1)


@pytest.mark.parametrize("type", [pa.string(), pa.large_string()])
def test_slices_nulls_and_documents_without_words(type):
    column = pa.array(["a b", None, "", "!?", "c d e f g h"], type)
    found = minhash.signatures(column, permutations=32)
    assert minhash.has_shingles(found).tolist() == [True, False, False, False, True]
    assert (found[1:4] == minhash.EMPTY).all()
    assert (minhash.signatures(column[3:], permutations=32) == found[3:]).all()
    assert minhash.signatures(column[:0]).shape == (0, 256)


def hashes_of(shingles: list[str], hash: str) -> np.ndarray:
    """What `shingle_hashes` returns, without ours."""
    if hash == "sha1":
        found = {int.from_bytes(hashlib.sha1(shingle.encode()).digest()[:8], "little") for shingle in shingles}
    else:
        found = {xxhash.xxh64_intdigest(shingle.encode()) for shingle in shingles}
    return np.array(sorted(found), np.uint64)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: "-".join(map(str, list(case.values())[:4])))
def test_golden_vectors_of_every_scheme(case):
    values = hashes_of(GOLDEN["sets"][case["set"]], case["hash"])
    offsets = np.array([0, 0, len(values), len(values)])
    found = minhash.signatures_of(values, offsets, GOLDEN["permutations"], case["seed"], case["scheme"])
    assert found.dtype == schemes.SCHEMES[case["scheme"]].dtype and found.shape == (3, GOLDEN["permutations"])
    assert found[1, : len(case["first"])].tolist() == case["first"]
    assert hashlib.sha256(found[1].astype("<u8").tobytes()).hexdigest() == case["digest"]
    assert (found[::2] == np.iinfo(found.dtype).max).all()
    assert minhash.has_shingles(found).tolist() == [False, len(values) > 0, False]


def test_golden_vectors_are_of_all_schemes():
    seen = {(case["scheme"], case["hash"]) for case in GOLDEN["cases"]}
    assert seen == {(name, scheme.hash) for name, scheme in schemes.SCHEMES.items()} | {("datatrove", "sha1")}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 2**64 - 1), max_size=20, unique=True), st.integers(1, 30), st.integers(0, 5))
def test_schemes_are_their_formulas(hashes, permutations, seed):
    values, offsets = np.array(sorted(hashes), np.uint64), np.array([0, len(hashes)])
    for scheme in ("legacy", "datatrove", "text_dedup"):
        a, b = (each.tolist() for each in schemes.coefficients(permutations, seed, scheme))
        mask, width = (2**64 - 1, 64) if scheme == "datatrove" else (2**32 - 1, 32)
        expected = [
            min([((x * (h % 2**width) + y) % 2**64 % (2**61 - 1)) & mask for h in hashes] + [mask])
            for x, y in zip(a, b)
        ]
        assert minhash.signatures_of(values, offsets, permutations, seed, scheme)[0].tolist() == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(wordy_text, max_size=4), st.sampled_from(["affine32", "affine64", "legacy"]), st.integers(0, 5))
def test_schemes_equal_datasketch(texts, scheme, seed):
    values, offsets = shingle_hashes(pa.array(texts, pa.string()), 3)
    found = minhash.signatures_of(values, offsets, 40, seed, scheme)
    for row, text in zip(found, texts):
        sketch = datasketch.MinHash(num_perm=40, seed=seed, scheme=scheme)
        sketch.update_batch([shingle.encode() for shingle in shingle_set(text, 3)])
        assert row.tolist() == sketch.hashvalues.tolist()


def test_batches_do_not_matter():
    texts = [f"number {i} of {i % 7} texts that differ a little in word {i * i}" for i in range(50)]
    whole = minhash.signatures(pa.array(texts))
    for size in (1, 7, 49):
        parts = [minhash.signatures(pa.array(texts[i : i + size])) for i in range(0, 50, size)]
        assert (np.concatenate(parts) == whole).all()


@pytest.mark.parametrize("options", [{"ngram": 0}, {"permutations": 0}])
def test_bad_options(options):
    with pytest.raises(ValueError, match="at least one"):
        minhash.signatures(pa.array(["a"]), **options)


def test_real_text_in_hundreds_of_languages(real_data):
    """Every ninth document of one file, cut to 4,000 characters to be quick."""
    path = real_data / "jsonl" / "part-00000.jsonl.zst"
    with path.open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        texts = [json.loads(line)["text"][:4000] for line in lines][::9]
    found = minhash.signatures(pa.array(texts))
    same = [row.tolist() == expected(text, 5, 256, 1) for row, text in zip(found, texts)]
    assert len(texts) > 100 and all(same)


@given(st.lists(st.text(max_size=60), max_size=6))
@settings(deadline=None, max_examples=50)
def test_signatures_of_hashes_are_those_of_the_text(texts):
    column = pa.array(texts, pa.string())
    values, offsets = shingle_hashes(column, 2)
    np.testing.assert_array_equal(minhash.signatures_of(values, offsets, 64, 5), minhash.signatures(column, 2, 64, 5))
