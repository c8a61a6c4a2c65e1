"""From verified pairs of near-duplicates to which documents are dropped, and because of which.

An edge (first, second, similarity) joins two documents by their addresses, first < second, and
was verified: its similarity is exact and at least the threshold. Nothing here depends on
the order of the edges.
"""

from __future__ import annotations

from typing import Literal

import numba
import numpy as np


def leaders(
    first: np.ndarray,
    second: np.ndarray,
    similarity: np.ndarray,
    mode: Literal["leader", "components"] = "leader",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dropped, by, score): the documents to drop in corpus order (int64), the kept document
    each one duplicates (int64), and their similarity (float64).

    "leader": documents are visited in corpus order, and one is dropped if it has an edge to an
    earlier one that was kept; `by` is the most similar such document, of equals the first.
    Every dropped document therefore has a verified similarity to a kept one.

    "components": all but the first document of every connected component are dropped, as Lee et
    al. (2021, arXiv 2107.06499, section 4.2) do; `by` is that first document, and the
    score NaN where no edge joins the two, that is, nobody has compared them.

    Raises ValueError for an unknown mode or an edge whose first is not before its second.
    """
    first, second = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if (first >= second).any():
        raise ValueError("an edge must go from an earlier document to a later one")
    documents = np.unique(np.concatenate([first, second]))
    order = np.lexsort((first, second))
    i = np.searchsorted(documents, first[order])
    j = np.searchsorted(documents, second[order])
    score = np.asarray(similarity, np.float64)[order]
    if mode == "leader":
        by, score = _leaders(i, j, score, len(documents))
    elif mode == "components":
        by, score = _components(i, j, score, len(documents))
    else:
        raise ValueError(f'mode must be "leader" or "components", not "{mode}"')
    dropped = np.flatnonzero(by >= 0)
    return documents[dropped], documents[by[dropped]], score[dropped]


@numba.njit(cache=True, nogil=True)
def _leaders(first, second, similarity, documents):
    """For each document the kept one it duplicates, or -1, and their similarity. Edges come
    ascending by (second, first), so that whether `first` is kept is settled before it counts."""
    by = np.full(documents, -1, np.int64)
    score = np.full(documents, np.nan)
    for edge in range(len(first)):
        i, j = first[edge], second[edge]
        if by[i] < 0 and (by[j] < 0 or similarity[edge] > score[j]):
            by[j] = i
            score[j] = similarity[edge]
    return by, score


@numba.njit(cache=True, nogil=True)
def _components(first, second, similarity, documents):
    """For each document the first of its component, or -1 if it is that, and the similarity
    of the edge between them, if there is one. Union-find; a root is the least of its tree."""
    parent = np.arange(documents)
    for edge in range(len(first)):
        i, j = _root(parent, first[edge]), _root(parent, second[edge])
        parent[max(i, j)] = min(i, j)
    by = np.full(documents, -1, np.int64)
    score = np.full(documents, np.nan)
    for document in range(documents):
        root = _root(parent, document)
        if root != document:
            by[document] = root
    for edge in range(len(first)):
        if by[second[edge]] == first[edge]:
            score[second[edge]] = similarity[edge]
    return by, score


@numba.njit(cache=True, nogil=True)
def _root(parent, document):
    """The root of the tree of `document`; halves the path to it."""
    while parent[document] != document:
        parent[document] = parent[parent[document]]
        document = parent[document]
    return document


def cluster_figures(by: np.ndarray, score: np.ndarray) -> dict:
    """Figures for a report from what `leaders` returns; a cluster is a kept document with those
    dropped because of it.

    `clusters`, `dropped`: counts; `largest`: members of the largest cluster; `sizes`: [members,
    clusters of so many] pairs, ascending; `similarity_min`, `similarity_mean`: to the kept
    document, None if there is none; `unverified`: dropped documents that were never compared to it.
    """
    _, dropped = np.unique(by, return_counts=True)
    sizes, clusters = np.unique(dropped + 1, return_counts=True)
    known = np.asarray(score, np.float64)
    known = known[~np.isnan(known)]
    return {
        "clusters": len(dropped),
        "dropped": len(by),
        "largest": int(sizes[-1]) if len(sizes) else 0,
        "sizes": [[int(size), int(count)] for size, count in zip(sizes, clusters)],
        "similarity_min": float(known.min()) if len(known) else None,
        "similarity_mean": float(known.mean()) if len(known) else None,
        "unverified": len(by) - len(known),
    }
