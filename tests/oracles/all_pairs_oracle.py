"""Near-duplicates by brute force: the Jaccard similarity of all pairs, and texts with pairs of every similarity."""

import random
from collections import defaultdict

import numpy as np
from scipy import sparse


def similarities(sets: list[set[str]], least: float) -> dict[tuple[int, int], float]:
    """{(i, j): Jaccard similarity} of all pairs i < j that have `least` or more, which is above 0."""
    numbers: dict[str, int] = defaultdict(lambda: len(numbers))
    columns = [numbers[shingle] for each in sets for shingle in sorted(each)]
    sizes = np.array([len(each) for each in sets], np.int64)
    rows = np.repeat(np.arange(len(sets)), sizes)
    ones = np.ones(len(columns), np.int32)
    matrix = sparse.csr_matrix((ones, (rows, columns)), shape=(len(sets), max(len(numbers), 1)))
    common = sparse.triu(matrix @ matrix.T, k=1).tocoo()
    similarity = common.data / (sizes[common.row] + sizes[common.col] - common.data)
    near = similarity >= least
    return dict(zip(zip(common.row[near].tolist(), common.col[near].tolist()), similarity[near].tolist()))


def greedy(edges: dict[tuple[int, int], float], count: int) -> list[tuple[int, int, float]]:
    """(row, by, similarity): a document goes if it has an edge to an earlier one that stays; by the most similar."""
    earlier = defaultdict(list)
    for (i, j), similarity in edges.items():
        earlier[j].append((-similarity, i))
    dropped: dict[int, tuple[int, float]] = {}
    for document in range(count):
        kept = [pair for pair in earlier[document] if pair[1] not in dropped]
        if kept:
            dropped[document] = (min(kept)[1], -min(kept)[0])
    return [(row, by, similarity) for row, (by, similarity) in dropped.items()]


def isolated(edges: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """Those pairs of which neither has another."""
    degree = defaultdict(int)
    for pair in edges:
        for document in pair:
            degree[document] += 1
    return {(i, j): similarity for (i, j), similarity in edges.items() if degree[i] == degree[j] == 1}


def chance_of(hits: int, edges: dict[tuple[int, int], float], bands: int, rows: int) -> float:
    """How probable it is that of these pairs, if they are independent, so few or so many share a band (whichever is the
    less probable): each does with a probability of 1 - (1 - similarity**rows)**bands."""
    numbers = np.ones(1)
    for similarity in edges.values():
        chance = 1 - (1 - similarity**rows) ** bands
        numbers = np.convolve(numbers, [1 - chance, chance])
    return min(numbers[: hits + 1].sum(), numbers[hits:].sum())


def planted(alphabet: list[str], between: str, pairs: int, families: int, seed: int) -> list[str]:
    """Texts of 40 to 840 units of an alphabet: pairs of all similarities from about 0.3 to 1 and families of 8, in no
    order. A unit in a copy is replaced with the probability that leaves the shingles of 5 which the similarity has."""
    source = random.Random(seed)

    def unit() -> str:
        return alphabet[int(source.random() * len(alphabet))]

    def copy(text: list[str], similarity: float) -> list[str]:
        chance = 1 - (2 * similarity / (1 + similarity)) ** (1 / 5)
        return [unit() if source.random() < chance else each for each in text]

    texts = []
    for size in [2] * pairs + [8] * families:
        first = [unit() for _ in range(40 + int(800 * source.random() ** 3))]
        texts += [first, *(copy(first, 0.3 + 0.7 * source.random()) for _ in range(size - 1))]
    keys = [source.random() for _ in texts]
    return [between.join(texts[i]) for i in sorted(range(len(texts)), key=keys.__getitem__)]
