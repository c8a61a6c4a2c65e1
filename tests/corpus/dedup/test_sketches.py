"""Signatures as datasketch's objects, against what datasketch makes of the same shingles; its index against ours."""

import doctest
import io
import json
import pickle
import struct

import datasketch
import numpy as np
import pyarrow as pa
import pytest
import xxhash
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from normalisations_oracle import ORACLES
from shingle_oracle import any_text, mixed_text, shingle_set, wordy_text

import corpus
from corpus.dedup import lsh, schemes, sketches
from corpus.dedup.near import Near
from corpus.options import OptionError

texts_of = st.lists(any_text | wordy_text | mixed_text, max_size=5)


def theirs(shingles: set[str], scheme: str, seed: int, permutations: int, hash: str) -> datasketch.MinHash:
    """What datasketch makes of shingles, told to hash them as we do."""
    hash_function = None
    if hash == "xxhash":
        bits = 64 if scheme == "affine64" else 32
        hash_function = lambda data: xxhash.xxh64_intdigest(data) % (1 << bits)
    sketch = datasketch.MinHash(permutations, seed, hashfunc=hash_function, scheme=scheme)
    sketch.update_batch([shingle.encode() for shingle in shingles])
    return sketch


@settings(deadline=None, max_examples=60)
@given(
    texts_of,
    st.sampled_from(sketches.SCHEMES),
    st.sampled_from(["auto", "sha1", "xxhash"]),
    st.sampled_from(["words", "characters", "auto"]),
    st.integers(0, 5),
    st.sampled_from([1, 2, 17, 64]),
)
def test_sketches_are_those_of_datasketch_and_go_on_as_its_own(texts, scheme, hash, unit, seed, permutations):
    options = {"scheme": scheme, "hash": hash, "unit": unit, "seed": seed, "permutations": permutations, "ngram": 3}
    options["bands"] = options["rows"] = 1
    found = corpus.min_hashes(texts, **options)
    assert len(found) == len(texts)
    for text, lean, sketch in zip(texts, corpus.min_hashes(texts, lean=True, **options), found):
        shingles = shingle_set(text, 3, unit)
        expected = theirs(shingles, scheme, seed, permutations, hash)
        assert type(sketch) is datasketch.MinHash and type(lean) is datasketch.LeanMinHash
        assert sketch == expected and lean == datasketch.LeanMinHash(expected)
        assert sketch.hashvalues.dtype == lean.hashvalues.dtype == expected.hashvalues.dtype
        assert sketch.is_empty() == lean.is_empty() == (not shingles)
        assert np.array_equal(sketch.permutations, expected.permutations)
        assert sketch.jaccard(lean) == expected.jaccard(lean) == 1.0
        for sketched in (sketch, expected):
            sketched.update(b"one more")
            sketched.update_batch([b"and another", "多".encode()])
        assert sketch == expected == pickle.loads(pickle.dumps(sketch))


@pytest.mark.parametrize("name", list(ORACLES))
def test_normalisations(name):
    texts = ["Of the words of others, 5 or so, are these: one two", "naïve İ ΑΣ", "日本語です。", ""]
    for text, sketch in zip(texts, corpus.min_hashes(texts, normalisation=name, scheme="legacy", permutations=64)):
        assert sketch == theirs(ORACLES[name](text, 5), "legacy", 1, 64, "sha1")


@settings(deadline=None, max_examples=60)
@given(texts_of.filter(bool), st.sampled_from(sketches.SCHEMES), st.integers(0, 5), st.booleans())
def test_there_and_back(texts, scheme, seed, lean):
    near = Near(scheme=scheme, seed=seed, permutations=48)
    expected = near.signatures(pa.array(texts, pa.string()))
    sketched = corpus.min_hashes(texts, lean, scheme=scheme, seed=seed, permutations=48)
    back = sketches.signatures_of(iter(sketched))
    assert (back.scheme, back.seed) == (scheme, seed)
    assert back.values.dtype == expected.dtype and np.array_equal(back.values, expected)
    assert (lsh.band_keys(back.values, *near.banding()) == lsh.band_keys(expected, *near.banding())).all()


def test_sketches_that_went_through_bytes():
    """LeanMinHash's own format, also that of datasketch 1.x: seed, number of values, values."""
    for scheme in sketches.SCHEMES:
        sketched = corpus.min_hashes(["some text of some words", "日本語です", ""], lean=True, scheme=scheme)
        stored = [bytearray(each.bytesize("<")) for each in sketched]
        for buffer, each in zip(stored, sketched):
            each.serialize(buffer, "<")
        back = sketches.signatures_of(datasketch.LeanMinHash.deserialize(buffer, "<") for buffer in stored)
        assert np.array_equal(back.values, sketches.signatures_of(sketched).values) and back.scheme == scheme
    (one,) = corpus.min_hashes(["some text"], scheme="legacy", seed=42, permutations=128)
    old = struct.pack("<qi128I", 42, 128, *one.hashvalues)
    assert datasketch.LeanMinHash.deserialize(old, "<") == datasketch.LeanMinHash(one)


@pytest.mark.parametrize(
    "other, words",
    [
        (datasketch.MinHash(16), "sketch 1 is not comparable with the first: permutations 16 and not 8"),
        (datasketch.MinHash(8, seed=2), "seed 2 and not 1"),
        (datasketch.MinHash(8, scheme="legacy"), "scheme legacy and not affine32"),
        (datasketch.MinHash(9, seed=3), "seed 3 and not 1, permutations 9 and not 8"),
    ],
)
def test_sketches_do_not_mix(other, words):
    with pytest.raises(ValueError, match=words):
        sketches.signatures_of([datasketch.MinHash(8), other])
    with pytest.raises(ValueError, match="no sketches"):
        sketches.signatures_of([])


def versions(count: int = 60) -> list[str]:
    """Texts of 40 words in groups of five, of which each differs from the first in a few."""
    texts = []
    for i in range(count):
        words = [f"w{i // 5}x{j}" for j in range(40)]
        words[: 2 * (i % 5)] = [f"own{i}x{j}" for j in range(2 * (i % 5))]
        texts.append(" ".join(words))
    return [*texts, "", "...", texts[0]]


def partners(texts: list[str], **options) -> list[set[str]]:
    """Who shares a bucket with each document, itself among them if it has one."""
    near = Near(**options)
    signed = near.sign(pa.array(texts))
    owners = np.repeat(signed.filled, signed.keys.shape[1])
    found = [{str(i)} if i in signed.filled else set() for i in range(len(texts))]
    for one, other in zip(*lsh.candidate_pairs(signed.keys.ravel(), owners)):
        found[one].add(str(other))
        found[other].add(str(one))
    return found


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.6, "ngram": 2},
        {"bands": 40, "rows": 3, "permutations": 130, "scheme": "affine64", "hash": "xxhash"},
        {"preset": "bigcode"},
        {"preset": "slimpajama"},
    ],
)
def test_a_query_finds_what_shares_a_bucket_here(options):
    texts = versions()
    index = corpus.min_hash_lsh(texts, **options)
    assert (index.b, index.r) == Near(**options).banding()
    expected = partners(texts, **options)
    assert sum(map(len, expected)) > 1.5 * len(texts) and expected[60] == expected[61] == set()
    for lean in (False, True):
        found = [set(index.query(sketch)) for sketch in corpus.min_hashes(texts, lean, **options)]
        assert found == expected
    assert "60" not in index and "61" not in index and "62" in index


def test_ids_are_the_keys_and_come_once():
    rows = [{"id": "first", "text": "some words of one text"}, {"id": "second", "text": "other words that are not"}]
    index = corpus.min_hash_lsh(rows)
    (asked,) = corpus.min_hashes(["Some words, of one text!"])
    assert index.query(asked) == ["first"]
    index.insert("third", asked)
    assert sorted(index.query(asked)) == ["first", "third"]
    with pytest.raises(ValueError, match="two documents with the id 'first'"):
        corpus.min_hash_lsh([rows[0], rows[0]])


def test_what_datasketch_does_not_have_is_refused():
    for made in (corpus.min_hashes, corpus.min_hash_lsh):
        for scheme in set(schemes.SCHEMES) - set(sketches.SCHEMES):
            with pytest.raises(ValueError, match=f"datasketch has no scheme '{scheme}', but affine32, affine64, leg"):
                made(["a"], scheme=scheme)
        with pytest.raises(OptionError, match="did you mean 'permutations'"):
            made(["a"], permutation=3)
    with pytest.raises(ValueError, match="bands"):
        corpus.min_hash_lsh(["a"], bands=1, rows=256)
    assert corpus.min_hashes([]) == [] and corpus.min_hash_lsh([]).is_empty()


def test_an_index_in_redis(monkeypatch):
    """A Redis in memory in place of a server: the configuration arrives, what is stored there stays."""
    fakeredis = pytest.importorskip("fakeredis", reason="fakeredis is not installed: no Redis to test with")
    import datasketch.storage
    import redis

    monkeypatch.setattr(datasketch.storage, "redis", redis)  # where it was installed after datasketch was imported
    seen, server = [], fakeredis.FakeServer()

    def connect(**parameters):
        seen.append(parameters)
        return fakeredis.FakeRedis(server=server)

    monkeypatch.setattr(redis, "Redis", connect)
    place = {"host": "store.example", "port": 1234}
    storage = {"type": "redis", "basename": b"pages", "redis": place}
    texts, options = versions(), {"threshold": 0.6, "ngram": 2}
    corpus.min_hash_lsh(texts[:40], storage, **options)
    rest = pa.table({"id": [str(i) for i in range(40, len(texts))], "text": texts[40:]})
    index = corpus.min_hash_lsh(rest, storage, **options)
    assert place in seen
    found = [set(index.query(sketch)) for sketch in corpus.min_hashes(texts, **options)]
    assert found == partners(texts, **options)
    with pytest.raises(ValueError, match="already exists"):
        corpus.min_hash_lsh(texts[:1], storage, **options)


def test_the_example():
    assert doctest.testmod(sketches).failed == 0


def test_real_documents(real_data):
    """Every ninth document of one file, cut to 4,000 characters."""
    with (real_data / "jsonl" / "part-00001.jsonl.zst").open("rb") as file:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file), "utf-8")
        texts = [json.loads(line)["text"][:4000] for line in lines][::9]
    for scheme in sketches.SCHEMES:
        expected = [theirs(shingle_set(text, 5), scheme, 1, 128, "sha1") for text in texts]
        assert len(texts) > 100 and corpus.min_hashes(texts, scheme=scheme, permutations=128) == expected
