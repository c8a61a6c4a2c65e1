"""Who is dropped because of whom, from all pairs that are near: {(earlier, later): similarity}, numbered from 0."""


def leaders(edges, count):
    """{dropped: (the most similar earlier one that is kept, the first of equals; how similar)}."""
    dropped = {}
    for document in range(count):
        kept = [(-s, i) for (i, j), s in edges.items() if j == document and i not in dropped]
        if kept:
            similarity, leader = min(kept)
            dropped[document] = (leader, -similarity)
    return dropped


def components(edges, count):
    """{dropped: (the first of its component; how similar, None where the two are not near)}."""
    label = list(range(count))
    for _ in range(count):
        for i, j in edges:
            label[i] = label[j] = min(label[i], label[j])
    return {d: (r, edges.get((r, d))) for d, r in enumerate(label) if r != d}
