"""Oracles: a naive best fit over Python lists, and the optimum by exhaustive search."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.tokens import packing
from corpus.tokens.packing import METHODS, best_fit, pack


def bins_of(plan) -> list[list[tuple[int, int, int]]]:
    """The plan as lists of (document, start, length)."""
    pieces = list(zip(plan.document.tolist(), plan.start.tolist(), plan.length.tolist()))
    return [pieces[a:b] for a, b in zip(plan.offsets[:-1], plan.offsets[1:])]


def pieces_of(lengths, limit):
    return [
        (document, start, min(limit, length - start))
        for document, length in enumerate(lengths)
        for start in range(0, length, limit)
    ]


def naive(lengths, limit, best: bool):
    """Longest first (ties: document order) into the fullest bin with room (ties: filled last), or
    with `best` false in document order into the first bin with room."""
    pieces = pieces_of(lengths, limit)
    if best:
        pieces = sorted(pieces, key=lambda piece: -piece[2])
    bins, room, touched = [], [], []
    for clock, piece in enumerate(pieces):
        fitting = [b for b in range(len(bins)) if room[b] >= piece[2]]
        if not fitting:
            bins.append([]), room.append(limit), touched.append(0)
            fitting = [len(bins) - 1]
        chosen = min(fitting, key=lambda b: (room[b], -touched[b])) if best else fitting[0]
        bins[chosen].append(piece)
        room[chosen] -= piece[2]
        touched[chosen] = clock
    return bins


def optimum(sizes, limit) -> int:
    """Fewest bins, by dynamic programming over subsets: (bins, tokens in the last) is monotone."""

    @functools.lru_cache(None)
    def best(rest):
        if not rest:
            return (1, 0)
        found = []
        for i in range(len(rest)):
            bins, used = best(rest[:i] + rest[i + 1 :])
            fits = used + rest[i] <= limit
            found.append((bins, used + rest[i]) if fits else (bins + 1, rest[i]))
        return min(found)

    return best(tuple(sorted(sizes)))[0] if sizes else 0


def check(plan, lengths, limit):
    """Every token of every document exactly once; no bin over the limit, none empty."""
    bins = bins_of(plan)
    assert sorted(piece for each in bins for piece in each) == pieces_of(lengths, limit)
    assert all(each == sorted(each) for each in bins)
    fills = [sum(length for _, _, length in each) for each in bins]
    assert all(1 <= fill <= limit for fill in fills)
    assert -(-sum(lengths) // limit) <= len(bins)
    figures = plan.figures
    assert figures["bins"] == len(bins) and figures["tokens"] == sum(lengths)
    assert figures["padding"] == len(bins) * limit - sum(lengths)
    assert figures["documents_cut"] == sum(length > limit for length in lengths)
    assert figures["cuts"] == len(plan.length) - sum(length > 0 for length in lengths)
    assert figures["padding_share"] == (figures["padding"] / (len(bins) * limit) if bins else 0)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 33), st.integers(0, 2**64 - 1))
def test_same_bins_as_naive_best_fit(lengths, limit, seed):
    plan = best_fit(np.array(lengths, np.int32), limit, seed)
    check(plan, lengths, limit)
    expected = naive(lengths, limit, best=True)
    assert sorted(bins_of(plan)) == sorted(sorted(each) for each in expected)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 12), max_size=8), st.integers(4, 12))
def test_near_the_optimum(lengths, limit):
    bins = best_fit(np.array(lengths, np.int32), limit).figures["bins"]
    fewest = optimum([length for _, _, length in pieces_of(lengths, limit)], limit)
    # Best fit decreasing needs at most 3/2 of the optimum (Simchi-Levi 1994).
    assert fewest <= bins <= 1.5 * fewest


def test_less_padding_than_first_fit():
    lengths = np.random.default_rng(0).integers(1, 300, 800).tolist()
    plan = best_fit(np.array(lengths), 256)
    check(plan, lengths, 256)
    assert plan.figures["bins"] <= len(naive(lengths, 256, best=False))
    assert plan.figures["padding_share"] < 0.01


@pytest.mark.parametrize(
    "lengths, limit, bins",
    [
        ([], 8, 0),
        ([0, 0, 0], 8, 0),
        ([1], 8, 1),
        ([8], 8, 1),
        ([9], 8, 2),
        ([4] * 100, 8, 50),
        ([5] * 100, 8, 100),
        ([1] * 100, 1, 100),
        ([1_000_003], 1000, 1001),
        ([3, 5, 0, 1_000_003], 1000, 1001),
        ([7, 7], 1 << 20, 1),
    ],
)
def test_degenerate(lengths, limit, bins):
    plan = best_fit(np.array(lengths, np.int32), limit)
    check(plan, lengths, limit)
    assert plan.figures["bins"] == bins


def test_order_depends_on_the_seed_only_and_not_on_the_fill():
    lengths = np.random.default_rng(1).integers(1, 200, 2000)
    first, again, other = (best_fit(lengths, 128, seed) for seed in (1, 1, 2))
    assert bins_of(first) == bins_of(again)
    assert bins_of(first) != bins_of(other)
    assert sorted(bins_of(first)) == sorted(bins_of(other))
    longest = np.array([max(length for _, _, length in each) for each in bins_of(first)])
    correlation = np.corrcoef(np.arange(len(longest)), longest)[0, 1]
    assert abs(correlation) < 0.1


def test_golden_order():
    """The order is part of the data: it must never change."""
    plan = best_fit(np.array([5, 3, 12, 4, 0, 8]), 8, seed=3)
    assert bins_of(plan) == GOLDEN


GOLDEN = [
    [(5, 0, 8)],
    [(2, 8, 4), (3, 0, 4)],
    [(2, 0, 8)],
    [(0, 0, 5), (1, 0, 3)],
]


@pytest.mark.parametrize("lengths, limit, seed", [([-1], 8, 0), ([1], 0, 0), ([1], 8, -1), ([2**31], 8, 0)])
def test_refuses(lengths, limit, seed):
    with pytest.raises(ValueError):
        best_fit(np.array(lengths, np.int64), limit, seed)


@pytest.mark.parametrize("lengths", [[], [0], [5, 9, 20, 1, 1, 6]])
def test_save_and_load(tmp_path, lengths):
    plan = best_fit(np.array(lengths, np.int32), 8, 5)
    path = packing.plan_path(str(tmp_path), "best-8", "00000")
    assert path == f"{tmp_path}/packing/best-8/00000.arrow"
    packing.save(plan, path)
    content = (tmp_path / "packing/best-8/00000.arrow").read_bytes()
    for name in (path, f"file://{path}"):
        loaded = packing.load(name)
        assert bins_of(loaded) == bins_of(plan) and loaded.figures == plan.figures
        assert loaded.offsets.dtype == np.int64 and loaded.length.dtype == np.int32
    packing.save(packing.load(path), path)
    assert (tmp_path / "packing/best-8/00000.arrow").read_bytes() == content


def test_load_refuses_other_files(tmp_path):
    (tmp_path / "x.arrow").write_bytes(b"not arrow")
    with pytest.raises(ValueError, match="not a packing plan"):
        packing.load(str(tmp_path / "x.arrow"))


def test_summary(tmp_path):
    figures = {"00000": best_fit(np.array([5, 9]), 8).figures, "00001": best_fit(np.array([3]), 8).figures}
    summary = packing.summarize(str(tmp_path), "p", figures)
    assert summary == packing.load_summary(str(tmp_path), "p")
    assert summary["shards"] == {"00000": 2, "00001": 1}
    assert (summary["bins"], summary["tokens"], summary["padding"], summary["cuts"]) == (3, 17, 7, 1)
    assert summary["padding_share"] == 7 / 24
    with pytest.raises(ValueError, match="must share"):
        packing.summarize(str(tmp_path), "p", figures | {"00002": best_fit(np.array([3]), 9).figures})


def naive_next_fit(lengths, limit):
    bins = []
    for piece in pieces_of(lengths, limit):
        if not bins or sum(length for _, _, length in bins[-1]) + piece[2] > limit:
            bins.append([])
        bins[-1].append(piece)
    return bins


def naive_concat(lengths, limit):
    stream = [(document, at) for document, length in enumerate(lengths) for at in range(length)]
    bins = []
    for first in range(0, len(stream), limit):
        pieces = []
        for document, at in stream[first : first + limit]:
            if pieces and pieces[-1][0] == document:
                pieces[-1][2] += 1
            else:
                pieces.append([document, at, 1])
        bins.append([tuple(piece) for piece in pieces])
    return bins


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 33))
def test_other_methods_by_their_definition(lengths, limit):
    lengths = np.array(lengths, np.int32)
    assert bins_of(pack(lengths, limit, "contiguous")) == naive_next_fit(lengths.tolist(), limit)
    assert bins_of(pack(lengths, limit, "document")) == [[piece] for piece in pieces_of(lengths.tolist(), limit)]
    assert bins_of(pack(lengths, limit, "concat")) == naive_concat(lengths.tolist(), limit)
    assert bins_of(pack(lengths, limit)) == bins_of(best_fit(lengths, limit))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 33), st.sampled_from(METHODS))
def test_every_method_conserves_tokens(lengths, limit, method):
    plan = pack(np.array(lengths, np.int32), limit, method)
    covered = [[0] * length for length in lengths]
    for pieces in bins_of(plan):
        assert 1 <= sum(length for _, _, length in pieces) <= limit
        for document, start, length in pieces:
            for at in range(start, start + length):
                covered[document][at] += 1
    assert all(count == 1 for document in covered for count in document)
    figures, filled = plan.figures, [length for length in lengths if length]
    assert figures["tokens"] == sum(lengths) and figures["cuts"] == len(plan.length) - len(filled)
    assert figures["padding"] == figures["bins"] * limit - sum(lengths)
    cut = {d for pieces in bins_of(plan) for d, start, _ in pieces if start}
    assert figures["documents_cut"] == len(cut)
    assert figures.get("method", "best_fit") == method
    if method == "concat":
        assert figures["padding"] == -sum(lengths) % limit


def test_methods_and_their_figures(tmp_path):
    with pytest.raises(ValueError, match="method 'bestfit' is unknown; valid: best_fit"):
        pack(np.array([3]), 4, "bestfit")
    each = {"00000": pack(np.array([5, 9]), 8, "concat").figures, "00001": pack(np.array([3]), 8, "concat").figures}
    assert packing.summarize(str(tmp_path), "p", each)["method"] == "concat"
    with pytest.raises(ValueError, match="must share"):
        packing.summarize(str(tmp_path), "p", each | {"00002": best_fit(np.array([3]), 8).figures})
