"""From verified pairs of near-duplicates to which documents are dropped, and because of which.

An edge (first, second, similarity) joins two documents by their addresses, first < second, and
was verified: its similarity is exact and at least the threshold. Nothing here depends on
the order of the edges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numba
import numpy as np

from corpus.dedup.crowds import NOBODY, Greedy
from corpus.text.distinct import distinct


class Edges(NamedTuple):
    """Edges between documents by their numbers, 0 to n: first < second (int64), ascending by (second, first), and
    similarity (float64)."""

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray


Mode = Literal["leader", "components"]
Verification = Literal["jaccard", "edit", "none"]
GIANT = 1000
"""Members from which a component is looked at: what it has in common is then often no text, but a chain."""


def leaders(
    first: np.ndarray, second: np.ndarray, similarity: np.ndarray, mode: Mode = "leader"
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
    documents = distinct(np.concatenate([first, second]))
    order = np.lexsort((first, second))
    i = np.searchsorted(documents, first[order])
    j = np.searchsorted(documents, second[order])
    edges = Edges(i, j, np.asarray(similarity, np.float64)[order])
    ((dropped, by, score),) = leaders_in_parts(lambda: [edges], [len(documents)], mode)
    return documents[dropped], documents[by], score


def order_of(priority: np.ndarray) -> np.ndarray:
    """The documents (int64) from the one with the greatest priority (float64) to that with the least, of equals in
    their order."""
    return np.argsort(-priority, kind="stable")


def directed(one: np.ndarray, other: np.ndarray, similarity: np.ndarray) -> Edges:
    """Edges between documents by their places in an order, as `Edges` has them."""
    first, second = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((first, second))
    return Edges(first[order], second[order], similarity[order])


def leaders_in_parts(
    parts: Callable[[], Iterable[Edges]], ends: Sequence[int], mode: Mode = "leader", greedy: Greedy | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """`leaders` of more edges than memory holds: what it says of the documents of one part after the other.

    parts: gives the edges whose second documents are the numbers below ends[0], from there to below ends[1], and so on;
    for "components" it is asked twice. greedy: for "leader", where some documents are in crowded buckets, which have no
    edges. Takes a bit for each document, or four bytes (eight above 2^31 documents) for "components", and about 60
    bytes for each edge of one part.
    """
    if mode == "leader":
        greedy = greedy or Greedy(NOBODY, ends[-1] if len(ends) else 0, 0.0)
        for edges, end in zip(parts(), ends):
            _check(edges)
            yield greedy.part(*edges, end)
    elif mode == "components":
        yield from _components_in_parts(parts, ends)
    else:
        raise ValueError(f'mode must be "leader" or "components", not "{mode}"')


def _components_in_parts(
    parts: Callable[[], Iterable[Edges]], ends: Sequence[int]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    documents = ends[-1] if len(ends) else 0
    parent = np.arange(documents, dtype=np.int32 if documents < 1 << 31 else np.int64)
    for edges in parts():
        _check(edges)
        _join(parent, edges.first, edges.second)
    start = 0
    for edges, end in zip(parts(), ends):
        by = _roots(parent, start, end)
        score = np.full(end - start, np.nan)
        direct = by[edges.second - start] == edges.first
        score[edges.second[direct] - start] = edges.similarity[direct]
        dropped = np.flatnonzero(by != np.arange(start, end))
        yield dropped + start, by[dropped], score[dropped]
        start = end


def _check(edges: Edges) -> None:
    if (edges.first >= edges.second).any():
        raise ValueError("an edge must go from an earlier document to a later one")


@numba.njit(cache=True, nogil=True)
def _join(parent, first, second):
    """Union-find; a root is the least of its tree."""
    for edge in range(len(first)):
        i, j = _root(parent, first[edge]), _root(parent, second[edge])
        parent[max(i, j)] = min(i, j)


@numba.njit(cache=True, nogil=True)
def _roots(parent, start, end):
    """int64: the first of its component for each document from `start` to before `end`."""
    roots = np.empty(end - start, np.int64)
    for document in range(start, end):
        roots[document - start] = _root(parent, document)
    return roots


@numba.njit(cache=True, nogil=True)
def _root(parent, document):
    """The root of the tree of `document`; halves the path to it."""
    while parent[document] != document:
        parent[document] = parent[parent[document]]
        document = parent[document]
    return document


def component_of(parts: Callable[[], Iterable[Edges]], members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The edges (first, second) of a component by the numbers of its members but the first (int64, ascending)."""
    found = [(members[:0], members[:0])]
    for edges in parts():
        of_it = members[np.searchsorted(members[:-1], edges.second)] == edges.second
        found.append((edges.first[of_it], edges.second[of_it]))
    first, second = (np.concatenate(column) for column in zip(*found))
    return first, second


def diameter_at_least(first: np.ndarray, second: np.ndarray) -> int:
    """Between some two documents of a component there are so many edges, and no fewer: from the first document to the
    farthest one, and from there to the farthest again (R. Aingworth et al. 1999; in a tree that is the diameter)."""
    documents = distinct(np.concatenate([first, second]))
    one, other = np.searchsorted(documents, first), np.searchsorted(documents, second)
    ends = np.concatenate([one, other])
    order = np.argsort(ends, kind="stable")
    neighbours = np.concatenate([other, one])[order]
    begins = np.searchsorted(ends[order], np.arange(len(documents) + 1))
    farthest, _ = _farthest(begins, neighbours, 0)
    return int(_farthest(begins, neighbours, farthest)[1])


@numba.njit(cache=True, nogil=True)
def _farthest(begins, neighbours, start):
    """(a document that is farthest from `start`, how far), breadth first."""
    distance = np.full(len(begins) - 1, -1, np.int64)
    queue = np.empty(len(begins) - 1, np.int64)
    distance[start], queue[0] = 0, start
    at, end = 0, 1
    while at < end:
        document = queue[at]
        at += 1
        for place in range(begins[document], begins[document + 1]):
            neighbour = neighbours[place]
            if distance[neighbour] < 0:
                distance[neighbour] = distance[document] + 1
                queue[end] = neighbour
                end += 1
    return queue[end - 1], distance[queue[end - 1]]


def cluster_figures(by: np.ndarray, score: np.ndarray) -> dict:
    """Figures for a report from what `leaders` returns; a cluster is a kept document with those
    dropped because of it.

    `clusters`, `dropped`: counts; `largest`: members of the largest cluster; `sizes`: [members,
    clusters of so many] pairs, ascending; `similarity_min`, `similarity_mean`: to the kept
    document, None if there is none; `similarities`: [percent of similarity to it, or up to 5 more, documents that have
    it] pairs; `unverified`: dropped documents that were never compared to it.
    """
    _, dropped = np.unique(by, return_counts=True)
    sizes, clusters = np.unique(dropped + 1, return_counts=True)
    known = np.asarray(score, np.float64)
    known = known[~np.isnan(known)]
    percent, documents = np.unique(5 * (known * 20 + 1e-9).astype(np.int64), return_counts=True)
    return {
        "clusters": len(dropped),
        "dropped": len(by),
        "largest": int(sizes[-1]) if len(sizes) else 0,
        "sizes": [[int(size), int(count)] for size, count in zip(sizes, clusters)],
        "similarity_min": float(known.min()) if len(known) else None,
        "similarity_mean": float(known.mean()) if len(known) else None,
        "similarities": [[int(each), int(count)] for each, count in zip(percent, documents)],
        "unverified": len(by) - len(known),
    }
