"""Documents fetched from the same address: the newest is kept, as C4 does.

Map: `url_hashes` of the documents that have a URL. Exchange: by `exact.partition_of`. Reduce:
`duplicate_urls`. Named reference: C4 3.1.0 (tensorflow-datasets 4.9.10), `c4_utils.normalize_url` and
`select_newest_page`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpus.dedup.exact import hashes, rivals
from corpus.text.urls import normalize_url


def normalized(urls: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """(the normalised URL of each of the m documents that have one, their rows, int64[m]). A null or empty URL is none;
    such documents have no duplicates."""
    values = urls.to_pylist()
    rows = np.array([i for i, url in enumerate(values) if url], np.int64)
    return pa.array([normalize_url(values[i]) for i in rows], pa.string()), rows


def hashes_of(urls: pa.Array) -> np.ndarray:
    """XXH3-128 of normalised URLs: uint64[m, 2]."""
    return hashes(memoryview(url.as_buffer()) for url in urls)


def url_hashes(urls: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(keys uint64[m, 2], rows int64[m]): `hashes_of` what `normalized` gives."""
    found, rows = normalized(urls)
    return hashes_of(found), rows


def duplicate_urls(keys: np.ndarray, dates: pa.Array, addresses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which documents share their URL with a better one: (dropped, kept), int64 addresses.

    The best is the one with the greatest date, compared as strings (ISO 8601 of one form and zone
    sorts as time does; a null is least), the first in corpus order among equals.

    keys uint64[n, 2], dates of n strings, addresses int64[n], in any order; all documents of a key
    must be given. `dropped` ascends; kept[i] is the best document with the key of dropped[i].
    """
    return _best(keys, ranks_of_dates(dates), addresses, None)


def best_of_urls(
    keys: np.ndarray, urls: pa.Array, ranks: np.ndarray, addresses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same by any ranks (integers[n], the smallest is best), where the normalised URLs of n documents are compared
    as well: one whose key alone is that of a better one stays."""
    return _best(keys, ranks, addresses, urls)


def _best(
    keys: np.ndarray, ranks: np.ndarray, addresses: np.ndarray, urls: pa.Array | None
) -> tuple[np.ndarray, np.ndarray]:
    losers, winners = rivals(keys, ranks, addresses)
    if urls is not None:
        same = pc.equal(urls.take(pa.array(losers)), urls.take(pa.array(winners))).to_numpy(zero_copy_only=False)
        losers, winners = losers[same], winners[same]
    dropped, kept = addresses[losers], addresses[winners]
    order = np.argsort(dropped)
    return dropped[order], kept[order]


def ranks_of_dates(dates: pa.Array) -> np.ndarray:
    """int64[n]: the smallest for the greatest date, compared as strings; a null is the least."""
    return -_ranks(dates)


def _ranks(strings: pa.Array) -> np.ndarray:
    """Place (int64) of each string among the different ones in the order of code points; a null is "".

    Bytes of UTF-8, which Arrow compares, sort as code points do."""
    encoded = pc.dictionary_encode(pc.fill_null(strings, ""))
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks[encoded.indices.to_numpy()]
