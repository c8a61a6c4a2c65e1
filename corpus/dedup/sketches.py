"""Signatures as datasketch's objects, and back: what was made with one can be asked of the other.

datasketch 2.0 calls a signature with its scheme and seed a MinHash, or a LeanMinHash where it is not added to any
more; those of `min_hashes` are what datasketch makes of the same shingles, value by value. A `MinHashLSH` keeps their
bands in memory, in Redis or in Cassandra. What datasketch cannot know are the shingles: sketches are comparable if
`corpus.dedup.near.Near.definition` is the same, of which they carry scheme, seed and permutations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from corpus import options, tables
from corpus.dedup import schemes, shingles
from corpus.dedup.near import Near

if TYPE_CHECKING:
    from datasketch import LeanMinHash, MinHash, MinHashLSH

SCHEMES: tuple[schemes.Name, ...] = ("affine32", "affine64", "legacy")
"""Those that datasketch 2.0 has; ours have the same names."""


class Signatures(NamedTuple):
    """Signatures, as `corpus.dedup.minhash` has them, [n, permutations] of the type of their `scheme`; `seed` of the
    permutations."""

    values: np.ndarray
    scheme: schemes.Name
    seed: int


def min_hashes(data: Any, lean: bool = False, **settings: Any) -> list[MinHash]:
    """The signatures of texts as `datasketch.MinHash`, or as `LeanMinHash` if `lean`: equal to those that datasketch
    makes of the UTF-8 of the same shingles. To the former may be added (`update`), with the same hash of shingles.

    data: anything that `corpus.as_table` takes. settings: the options of `near_dedup` (`corpus.dedup.near.Near`) that
    say what shingles and signatures are: permutations (256), seed, scheme, hash, unit, ngram, normalisation, preset.
    Raises OptionError, and ValueError for a scheme that datasketch does not have.

    >>> import corpus
    >>> one, other = corpus.min_hashes(["the cat sat on the mat", "the cat sat on the rug"], ngram=2)
    >>> one.scheme, len(one), one.jaccard(one)
    ('affine32', 256, 1.0)
    >>> 0.5 < one.jaccard(other) < 0.8  # 4 of 6
    True
    """
    near = _near(settings, "min_hashes")
    return [each for _, sketched in _sketches(near, data, lean) for each in sketched]


def min_hash_lsh(data: Any, storage: dict[str, Any] | None = None, **settings: Any) -> MinHashLSH:
    """A `datasketch.MinHashLSH` that has the texts by their ids, with the bands of `near_dedup`: its `query` finds what
    shares a bucket here. Texts without shingles are duplicates of nothing, and not in it.

    data, settings: as for `min_hashes`, and threshold, recall, bands and rows. storage: datasketch's `storage_config`,
    for example `{"type": "redis", "basename": b"pages", "redis": {"host": "localhost", "port": 6379}}`; what it holds
    stays, and must have been made with the same settings. Raises OptionError; ValueError for a scheme that datasketch
    does not have, for a single band, and for an id that is there already.

    >>> import corpus
    >>> lsh = corpus.min_hash_lsh(["the cat sat on the mat", "a dog ran", ""], ngram=2, threshold=0.5)
    >>> (asked,) = corpus.min_hashes(["the cat sat on the rug"], ngram=2)
    >>> lsh.query(asked), "2" in lsh
    (['0'], False)
    """
    import datasketch

    near = _near(settings, "min_hash_lsh")
    index = datasketch.MinHashLSH(num_perm=near.permutations, params=near.banding(), storage_config=storage)
    seen = set()  # a store that is written to by the thousand does not look at those
    with index.insertion_session() as session:
        for ids, sketched in _sketches(near, data, lean=True):
            for key, sketch in zip(ids, sketched):
                if key in seen:
                    raise ValueError(f"there are two documents with the id {key!r}")
                seen.add(key)
                if not sketch.is_empty():
                    session.insert(key, sketch)
    return index


def signatures_of(sketches: Iterable[MinHash]) -> Signatures:
    """What `datasketch.MinHash` and `LeanMinHash` objects have, of all together; pickled ones of datasketch 1.x are
    "legacy". Raises ValueError if there is none, or if one has another scheme, seed or number of permutations than the
    first.

    >>> import corpus
    >>> from corpus.dedup.sketches import signatures_of
    >>> found = signatures_of(corpus.min_hashes(["one text", "another"], seed=7))
    >>> found.values.shape, found.scheme, found.seed
    ((2, 256), 'affine32', 7)
    """
    sketches = list(sketches)
    if not sketches:
        raise ValueError("no sketches: their scheme, seed and permutations are not known")
    first = _kind(sketches[0])
    for number, sketch in enumerate(sketches):
        if _kind(sketch) != first:
            names = ("scheme", "seed", "permutations")
            what = ", ".join(f"{name} {a} and not {b}" for name, a, b in zip(names, _kind(sketch), first) if a != b)
            raise ValueError(f"sketch {number} is not comparable with the first: {what}")
    scheme, seed, _ = first
    dtype = schemes.SCHEMES[scheme].dtype
    return Signatures(np.stack([sketch.hashvalues for sketch in sketches]).astype(dtype), scheme, seed)


def _kind(sketch: MinHash) -> tuple[schemes.Name, int, int]:
    return sketch.scheme, sketch.seed, len(sketch)


def _near(settings: dict[str, Any], name: str) -> Near:
    near = options.build(Near, settings, name)
    if near.scheme not in SCHEMES:
        raise ValueError(f"datasketch has no scheme {near.scheme!r}, but {', '.join(SCHEMES)}")
    return near


def _sketches(near: Near, data: Any, lean: bool) -> Iterator[tuple[list[str], list[MinHash | LeanMinHash]]]:
    """(ids, sketches) of one batch of documents after the other."""
    import datasketch

    permutations = np.array(schemes.coefficients(near.permutations, near.seed, near.scheme))
    hash_function = _hash_function(near.scheme, near.shingle_hash)
    for batch in tables.batches(data):
        signatures = near.signatures(batch["text"])
        if lean:
            made = [datasketch.LeanMinHash(seed=near.seed, hashvalues=row, scheme=near.scheme) for row in signatures]
        else:
            made = [
                datasketch.MinHash(
                    seed=near.seed,
                    hashfunc=hash_function,
                    hashvalues=row,
                    permutations=permutations,
                    scheme=near.scheme,
                )
                for row in signatures
            ]
        yield batch["id"].to_pylist(), made


def _hash_function(scheme: schemes.Name, hash: shingles.Hash) -> Callable[[bytes], int] | None:
    """What hashes bytes for a sketch as shingles are hashed; None is datasketch's own, SHA-1."""
    if hash == "sha1":
        return None
    return xxhash_64 if scheme == "affine64" else xxhash_32


def xxhash_64(data: bytes) -> int:
    """XXH64: `hash: xxhash`."""
    import xxhash

    return xxhash.xxh64_intdigest(data)


def xxhash_32(data: bytes) -> int:
    """The low half of XXH64, which is what schemes of 32 bits take of it."""
    return xxhash_64(data) & 0xFFFFFFFF
