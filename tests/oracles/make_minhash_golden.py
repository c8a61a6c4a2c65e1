"""Makes `minhash_golden.json`: signatures by the code of the packages themselves.

    pip install datasketch==2.0.0 datatrove==0.10.0 text-dedup==0.4.0 tokenizers 'xxhash<4' nltk
    pip install --target OLD --no-deps datasketch==1.6.5
    python tests/oracles/make_minhash_golden.py OLD

Of every set of shingles: datasketch 2.0's two schemes, what datasketch 1.6.5 made, what datatrove makes of the hashes
of the same shingles with each of its hash functions, and what text-dedup makes of them as it comes.
"""

import hashlib
import importlib
import json
import pathlib
import sys

SETS = {
    "fox": "the quick brown fox jumps over the lazy dog".split(),
    "one": ["one"],
    "none": [],
    "scripts": ["日本語です", "ना म की", "naïve café", "a" * 60, "b" * 200],
    "many": [f"shingle number {i * i}" for i in range(400)],
}
PERMUTATIONS, SEEDS, SHOWN = 112, (1, 42), 24


def old_datasketch(folder: str) -> object:
    """The module `datasketch` of another version."""
    sys.path.insert(0, folder)
    module = importlib.import_module("datasketch")
    sys.path.remove(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "datasketch"]:
        del sys.modules[name]
    return module


def datatrove_signature(shingles: list[str], seed: int, hash_fc: str) -> list[int]:
    import numpy as np
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.utils.hashing import HashConfig, create_hash_func

    config = MinhashConfig(seed=seed, num_buckets=14, hashes_per_bucket=8, hash_config=HashConfig(64, hash_fc))
    stage = MinhashDedupSignature.__new__(MinhashDedupSignature)  # without its tokenizer of words
    stage.config, stage.num_hashes, stage._parameters = config, PERMUTATIONS, None
    hashes = list(map(create_hash_func(config.hash_config), shingles))
    found = stage.get_signature(np.array(hashes, dtype=np.uint64).reshape(-1, 1))
    return [value for bucket in found for value in bucket]


def text_dedup_signature(shingles: list[str], seed: int) -> list[int]:
    """By its `embed_func`, with `num_perm` and permutations as its `main` has them; its own seed is 42."""
    import numpy as np
    from text_dedup import minhash

    prime, random = np.uint64((1 << 61) - 1), np.random.RandomState(seed)
    size, dtype = (PERMUTATIONS,), np.uint64
    permutations = random.randint(1, prime, size=size, dtype=dtype), random.randint(0, prime, size=size, dtype=dtype)
    minhash.ngrams = lambda words, n, least: [(shingle,) for shingle in shingles]  # no words are looked for
    found = minhash.embed_func(
        "",
        0,
        num_perm=PERMUTATIONS,
        ngram_size=5,
        min_length=5,
        hashranges=[(0, PERMUTATIONS)],
        permutations=permutations,
        hash_func=minhash.sha1_hash,
        dtype=dtype,
        max_hash=np.uint32((1 << 32) - 1),
        modulo_prime=prime,
    )
    return np.frombuffer(found[minhash.SIGNATURE_COLUMN][0], dtype).byteswap().tolist()


def main(folder: str) -> None:
    old = old_datasketch(folder)
    import datasketch

    assert (old.__version__, datasketch.__version__) == ("1.6.5", "2.0.0"), (old.__version__, datasketch.__version__)
    cases = []

    def add(scheme: str, hash: str, seed: int, name: str, values: list[int]) -> None:
        digest = hashlib.sha256(b"".join(int(value).to_bytes(8, "little") for value in values)).hexdigest()
        case = {"scheme": scheme, "hash": hash, "seed": seed, "set": name, "first": list(map(int, values[:SHOWN]))}
        cases.append(case | {"digest": digest})

    for name, shingles in SETS.items():
        encoded = [shingle.encode() for shingle in shingles]
        for seed in SEEDS:
            for scheme in ("affine32", "affine64"):
                sketch = datasketch.MinHash(PERMUTATIONS, seed, scheme=scheme)
                sketch.update_batch(encoded)
                add(scheme, "sha1", seed, name, sketch.hashvalues)
            sketch = old.MinHash(PERMUTATIONS, seed)
            sketch.update_batch(encoded)
            add("legacy", "sha1", seed, name, sketch.hashvalues)
            add("text_dedup", "sha1", seed, name, text_dedup_signature(shingles, seed))
            for hash_fc in ("sha1", "xxhash") if shingles else ():
                add("datatrove", hash_fc, seed, name, datatrove_signature(shingles, seed, hash_fc))
    path = pathlib.Path(__file__).with_name("minhash_golden.json")
    golden = {"permutations": PERMUTATIONS, "sets": SETS, "cases": cases}
    path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
