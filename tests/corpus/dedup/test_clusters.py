"""Who is dropped because of whom: brute force, order, and the whole chain on texts."""

import itertools
import random

import clusters_oracle
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shingle_oracle import jaccard

from corpus.dedup import clusters, lsh, minhash, shingles

edge_lists = st.dictionaries(
    st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] < pair[1]),
    st.sampled_from([0.8, 0.85, 0.9, 1.0]),
    max_size=25,
)


def run(edges: dict, mode: str) -> dict[int, tuple[int, float]]:
    first = np.array([i for i, _ in edges], np.int64)
    second = np.array([j for _, j in edges], np.int64)
    dropped, by, score = clusters.leaders(first, second, np.array(list(edges.values())), mode)
    assert dropped.tolist() == sorted(set(dropped.tolist()))
    return {d: (b, s) for d, b, s in zip(dropped.tolist(), by.tolist(), score.tolist())}


@settings(deadline=None)
@given(edge_lists, st.randoms())
def test_leaders_against_brute_force_in_any_order(edges, shuffle):
    shuffled = list(edges.items())
    shuffle.shuffle(shuffled)
    assert run(dict(shuffled), "leader") == clusters_oracle.leaders(edges, 10)


@settings(deadline=None)
@given(edge_lists, st.randoms())
def test_components_against_brute_force_in_any_order(edges, shuffle):
    shuffled = list(edges.items())
    shuffle.shuffle(shuffled)
    found = run(dict(shuffled), "components")
    found = {d: (b, None if np.isnan(s) else s) for d, (b, s) in found.items()}
    assert found == clusters_oracle.components(edges, 10)


def test_a_chain_keeps_every_other_document():
    edges = {(1, 2): 0.8, (2, 3): 0.8, (3, 4): 0.8}
    assert run(edges, "leader") == {2: (1, 0.8), 4: (3, 0.8)}
    assert [b for b, _ in run(edges, "components").values()] == [1, 1, 1]


@settings(deadline=None)
@given(st.integers(0, 60).flatmap(lambda n: st.tuples(*(st.integers(0, i) for i in range(n + 1)))))
def test_the_diameter_of_a_tree_and_the_edges_of_a_component(parents):
    """Of a tree it is exact: the most edges between any two, by brute force over all."""
    count = len(parents) + 1
    first, second = np.array(parents), np.arange(1, count)
    distance = np.where(np.eye(count, dtype=bool), 0, count)
    for i, j in zip(first, second):
        distance[j, :j] = distance[:j, j] = distance[i, :j] + 1
    assert clusters.diameter_at_least(first, second) == distance.max()
    others = clusters.Edges(np.array([count, count]), np.array([count + 1, count + 2]), np.ones(2))
    edges = clusters.Edges(first, second, np.ones(count - 1))
    one, other = clusters.component_of(lambda: [edges, others], second)
    assert (one.tolist(), other.tolist()) == (first.tolist(), second.tolist())


def test_addresses_beyond_32_bits_and_the_most_similar_leader():
    far = 1 << 40
    assert run({(5, far): 0.8, (6, far): 0.9, (7, far): 0.9}, "leader") == {far: (6, 0.9)}


def test_bad_arguments():
    with pytest.raises(ValueError, match="mode"):
        clusters.leaders(np.array([1]), np.array([2]), np.array([1.0]), "leaders")
    with pytest.raises(ValueError, match="earlier"):
        clusters.leaders(np.array([2]), np.array([2]), np.array([1.0]))


def test_figures():
    _, by, score = clusters.leaders(np.array([1, 2, 8]), np.array([2, 3, 9]), np.full(3, 0.9), "components")
    assert clusters.cluster_figures(by, score) == {
        "clusters": 2,
        "dropped": 3,
        "largest": 3,
        "sizes": [[2, 1], [3, 1]],
        "similarity_min": 0.9,
        "similarity_mean": 0.9,
        "similarities": [[90, 2]],
        "unverified": 1,
    }
    nothing = clusters.cluster_figures(np.empty(0, np.int64), np.empty(0))
    assert nothing["clusters"] == nothing["largest"] == 0 and nothing["similarity_min"] is None


def drifting_texts() -> list[str]:
    """300 texts, each an earlier one with a few words changed, or a new one."""
    generator = random.Random(11)
    texts = []
    for _ in range(300):
        words = [str(generator.randrange(10**6)) for _ in range(60)]
        if texts and generator.random() < 0.7:
            words = generator.choice(texts).split()
            for _ in range(generator.randrange(4)):
                words[generator.randrange(len(words))] = str(generator.randrange(10**6))
        texts.append(" ".join(words))
    return texts + ["", "", "!!"]


def test_the_whole_chain_drops_what_all_pairs_would():
    """Every drop is truly above the threshold, and the misses are as rare as promised."""
    texts, threshold = drifting_texts(), 0.7
    column = pa.array(texts)
    signatures = minhash.signatures(column)
    rows = np.flatnonzero(minhash.has_shingles(signatures))
    assert rows.tolist() == list(range(300))
    bands, width = lsh.choose_bands(threshold, 256)
    keys = lsh.band_keys(signatures[rows], bands, width)
    first, second = lsh.candidate_pairs(keys.ravel(), np.repeat(rows, bands), 1000)
    values, offsets = shingles.shingle_hashes(column)
    similarity = shingles.jaccard(values, offsets, first, values, offsets, second)
    near = similarity >= threshold
    edges = {(i, j): s for i, j, s in zip(first[near].tolist(), second[near].tolist(), similarity[near])}

    true = {
        (i, j): jaccard(texts[i], texts[j], 5)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if set(texts[i].split()) & set(texts[j].split())
    }
    true = {pair: similarity for pair, similarity in true.items() if similarity >= threshold}
    assert all(true[pair] == similarity for pair, similarity in edges.items())
    assert 1 - len(edges) / len(true) <= 0.01 and len(true) > 100
    for mode in ("leader", "components"):
        dropped = run(edges, mode)
        assert set(dropped) == set(run(true, mode)) and len(dropped) > 50
        for document, (leader, score) in dropped.items():
            assert leader not in dropped and leader < document
            assert mode == "components" or score == jaccard(texts[document], texts[leader], 5)
