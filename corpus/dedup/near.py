"""Near-duplicates by MinHash: what a step of a run, and a table in memory, have in common.

Signatures (`minhash`) are cut into bands, documents that agree in a band are compared (`lsh`), and the exact Jaccard
similarity of their shingle sets (`shingles`) decides; which of them go, says `clusters`. A run does the same spread
over shards: `pipelines.steps.near_dedup`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from corpus import options, tables
from corpus.dedup import clusters, lsh, minhash, shingles
from corpus.options import option
from corpus.step import Step

FOUND_SCHEMA = pa.schema([("row", pa.int64()), ("by", pa.int64()), ("similarity", pa.float64())])


class Signed(NamedTuple):
    """Documents ready to be compared: the shingle set of document *i* is `values[offsets[i]:offsets[i + 1]]` (uint64,
    int64); `filled` are the documents that have shingles (int64), `keys` the keys of their buckets (uint64[filled,
    bands])."""

    values: np.ndarray
    offsets: np.ndarray
    filled: np.ndarray
    keys: np.ndarray


class Pairs(NamedTuple):
    """Candidates, first < second (int64), ascending, and their exact Jaccard similarity (float64)."""

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray


@dataclasses.dataclass(frozen=True)
class Near(Step):
    """Which documents are near-duplicates: those whose sets of word `ngram`s have Jaccard similarity >= `threshold`
    with an earlier kept one. Bands are chosen so that a pair exactly at the threshold is found with probability
    >= `recall`. `mode` "components" keeps only the first of each connected component, as papers do.
    Signatures are datasketch 2.0's `affine32`, seed 1."""

    name: ClassVar[str] = "near_dedup"
    rules: ClassVar[tuple[str, ...]] = ("near_duplicate",)
    threshold: float = option(0.8, "Jaccard similarity from which documents are near-duplicates.", gt=0, le=1)
    ngram: int = option(5, "Words of a shingle.", ge=1, le=1 << 20)
    permutations: int = option(256, "Length of the signatures.", ge=1, le=1 << 16)
    recall: float = option(0.99, "Probability with which a pair exactly at the threshold is found.", gt=0, lt=1)
    mode: Literal["leader", "components"] = option(
        "leader", "Drop what is similar to a kept document, or all but the first of a connected component."
    )

    def refuse(self) -> None:
        """Raises ValueError where so few permutations cannot find what is asked for."""
        self.bands()

    def bands(self) -> tuple[int, int]:
        """(bands, rows of each)."""
        return lsh.choose_bands(self.threshold, self.permutations, self.recall)

    def sign(self, text: pa.Array) -> Signed:
        """A column of strings, ready to be compared."""
        values, offsets = shingles.shingle_hashes(text, self.ngram)
        signatures = minhash.signatures_of(values, offsets, self.permutations)
        filled = np.flatnonzero(np.diff(offsets))
        return Signed(values, offsets, filled, lsh.band_keys(signatures, *self.bands())[filled])


def candidates(parts: Iterable[Signed]) -> Pairs:
    """The pairs worth comparing among documents signed part by part, numbered through, compared."""
    parts = list(parts)
    firsts = np.concatenate([[0], np.cumsum([len(part.offsets) - 1 for part in parts])]).astype(np.int64)
    values = np.concatenate([part.values for part in parts] or [np.empty(0, np.uint64)])
    sizes = np.concatenate([np.diff(part.offsets) for part in parts] or [np.empty(0, np.int64)])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    keys = [part.keys.ravel() for part in parts]
    owners = [np.repeat(part.filled + first, part.keys.shape[1]) for part, first in zip(parts, firsts.tolist())]
    first, second = lsh.candidate_pairs(
        np.concatenate(keys or [np.empty(0, np.uint64)]), np.concatenate(owners or [np.empty(0, np.int64)])
    )
    return Pairs(first, second, shingles.jaccard(values, offsets, first, values, offsets, second))


def near_duplicates(data: Any, against: Any = None, **settings: Any) -> pa.Table:
    """The documents that are near-duplicates of an earlier one, or of one of `against`: a row for each, with `row`,
    `by` (the row of the document that stays: of `data`, or of `against` where it is given) and the exact `similarity`.

    data, against: anything that `corpus.as_table` takes. settings: the options of `near_dedup` (`Near`): threshold,
    ngram, permutations, recall, mode. With `against`, `by` is the most similar of its documents, of equals the first,
    and documents of `data` are not compared with each other. Takes memory for about ten times the text. In a bucket of
    more than 32 alike all are compared with the first 32. Raises OptionError.

    >>> import corpus
    >>> text = "the quick brown fox jumps over the lazy dog and runs away into the dark wood"
    >>> found = corpus.near_duplicates([text, "something else", text + " again"], threshold=0.7)
    >>> found.to_pylist()
    [{'row': 2, 'by': 0, 'similarity': 0.9230769230769231}]
    >>> corpus.drop([text, "something else", text + " again"], found)["id"].to_pylist()
    ['0', '1']
    """
    near = options.build(Near, settings, "near_duplicates")
    known = [] if against is None else [near.sign(batch["text"]) for batch in tables.batches(against)]
    before = sum(len(part.offsets) - 1 for part in known)
    found = candidates([*known, *(near.sign(batch["text"]) for batch in tables.batches(data))])
    close = found.similarity >= near.threshold
    first, second, similarity = (column[close] for column in found)
    if against is None:
        return pa.table(list(clusters.leaders(first, second, similarity, near.mode)), schema=FOUND_SCHEMA)
    across = (first < before) & (second >= before)
    first, second, similarity = first[across], second[across], similarity[across]
    order = np.lexsort((first, -similarity, second))
    rows, best = np.unique(second[order], return_index=True)
    return pa.table([rows - before, first[order][best], similarity[order][best]], schema=FOUND_SCHEMA)
